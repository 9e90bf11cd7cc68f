"""The servers of a laptop: an embedded PostgreSQL and a standalone Airflow, on 127.0.0.1, in the state folder."""
