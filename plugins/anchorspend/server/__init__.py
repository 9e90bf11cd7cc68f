"""The servers of a laptop: an embedded PostgreSQL and a standalone Airflow, both on 127.0.0.1, both in the state folder."""
