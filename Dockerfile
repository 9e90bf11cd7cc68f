FROM apache/airflow:3.3.2-python3.12

USER root
# A named volume takes its first owner from the folder it is mounted over.
RUN install -d -o airflow -g 0 -m 0775 /opt/anchorspend \
      /var/lib/anchorspend /var/lib/anchorspend/state /var/lib/anchorspend/inbox /var/lib/anchorspend/landing
USER airflow

# The image applies no constraints file of its own to pip, and its packages live in a virtual environment of the airflow
# user. Ours replace those that differ; the lock pins the image's own Airflow, so Airflow itself stays as it is.
COPY --chown=airflow:0 requirements.txt /opt/anchorspend/
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: -r /opt/anchorspend/requirements.txt

# The users and passwords of the web interface come with the image. A package of ours that broke them must stop the build.
# AIRFLOW_HOME: Airflow writes a configuration with fresh keys on its first start, which may not stay in a layer.
RUN AIRFLOW_HOME=/tmp/airflow python -c "import airflow.providers.fab.auth_manager.fab_auth_manager" \
    && rm -rf /tmp/airflow

COPY --chown=airflow:0 pyproject.toml /opt/anchorspend/
COPY --chown=airflow:0 plugins /opt/anchorspend/plugins
COPY --chown=airflow:0 dags /opt/anchorspend/dags
COPY --chown=airflow:0 dbt_project /opt/anchorspend/dbt_project
COPY --chown=airflow:0 expectations /opt/anchorspend/expectations

ENV ANCHORSPEND_HOME=/opt/anchorspend \
    ANCHORSPEND_STATE=/var/lib/anchorspend/state \
    DBT_SEND_ANONYMOUS_USAGE_STATS=False \
    GX_ANALYTICS_ENABLED=False \
    DO_NOT_TRACK=1

# Editable, so that the package and Airflow's plugins folder are one copy.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable /opt/anchorspend \
    && AIRFLOW_HOME=/tmp/airflow anchorspend prepare \
    && rm -rf /tmp/airflow
