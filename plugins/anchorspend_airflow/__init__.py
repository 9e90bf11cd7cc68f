"""What Airflow's API server serves of Anchorspend. Kept out of the package, which knows nothing of Airflow."""
