# syntax=docker/dockerfile:1

# One image for all that runs on Google Cloud: the tasks on Vertex AI, training, Dataflow's workers.
# For the tfx 1.16 stack. tests/cloud/test_image.py holds the versions to requirements.lock, and runs
# the steps of the build stage in a scratch folder.
ARG PYTHON=3.10
ARG BEAM=2.60.0
ARG UV=0.13.9

FROM ghcr.io/astral-sh/uv:${UV} AS uv

FROM apache/beam_python${PYTHON}_sdk:${BEAM} AS beam

# Some dependencies come as sources: this stage has compilers, the image has none.
FROM python:${PYTHON}-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
RUN uv venv --python python3.10 /opt/venv
# Dependencies first: they take minutes, and change seldom. Every one is locked; uv compares what it
# fetches with the hashes in the lock.
COPY setup.py requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/venv --compile-bytecode \
        --constraint requirements.lock --build-constraint requirements.lock --requirements setup.py
COPY . .
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/venv --compile-bytecode --no-deps \
        --build-constraint requirements.lock .

FROM python:${PYTHON}-slim-bookworm
RUN useradd --uid 1000 --create-home natality
COPY --from=beam /opt/apache/beam /opt/apache/beam
COPY --from=build /opt/venv /opt/venv
# For jobs whose workers install the project themselves (dataflow_setup_file): Beam builds it here.
COPY --from=build --chown=natality /app /app
# Beam's boot program would make another virtual environment, in which those of ours are not seen.
ENV PATH=/opt/venv/bin:$PATH \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 \
    TF_USE_LEGACY_KERAS=1 \
    PYTHONUNBUFFERED=1
USER natality
WORKDIR /home/natality
# How Dataflow starts a worker. Tasks and training jobs name commands of their own.
ENTRYPOINT ["/opt/apache/beam/boot"]
