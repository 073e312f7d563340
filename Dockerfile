# syntax=docker/dockerfile:1

# What runs on Google Cloud, of one build and in two targets: `tasks`, for the tasks on Vertex AI and
# for training, whose user is not root; and `workers`, which Dataflow starts.
#
#   docker build --target tasks --tag IMAGE:TAG . && docker build --target workers --tag IMAGE-workers:TAG .
#
# By default on the newer of the two stacks. For the older one: --build-arg PYTHON=3.10
# --build-arg BEAM=2.60.0 --build-arg DEBIAN=bookworm. tests/cloud/test_image.py holds the versions to
# requirements.lock, and runs the steps of the build stage in a scratch folder.
ARG PYTHON=3.13
ARG BEAM=2.77.0
ARG DEBIAN=trixie
ARG UV=0.13.9
# What the image begins with. For GPUs, name one that has CUDA and cuDNN as TensorFlow's release asks
# for them, and the same Python in /usr/local: docs/deploy.md.
ARG BASE=python:${PYTHON}-slim-${DEBIAN}

FROM ghcr.io/astral-sh/uv:${UV} AS uv

FROM apache/beam_python${PYTHON}_sdk:${BEAM} AS beam

# Some dependencies come as sources: this stage has compilers, the image has none.
FROM python:${PYTHON}-${DEBIAN} AS build
ARG PYTHON
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
RUN uv venv --python python${PYTHON} /opt/venv
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

# Tasks and training jobs name commands of their own.
FROM ${BASE} AS tasks
RUN useradd --uid 1000 --create-home pipeline
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    TF_USE_LEGACY_KERAS=1 \
    PYTHONUNBUFFERED=1
USER pipeline
WORKDIR /home/pipeline

# Dataflow mounts a folder of root's into a worker's container, in which Beam's boot program makes
# others: it has to be root. In a virtual environment of its own making, ours would not be seen.
# tests/cloud/test_worker_boot.py goes through all that it does.
FROM tasks AS workers
COPY --from=beam /opt/apache/beam /opt/apache/beam
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
USER root
ENTRYPOINT ["/opt/apache/beam/boot"]

# What is built where no target is named.
FROM tasks
