"""When a model is good enough, and what it is compared with."""

from __future__ import annotations

from models.declaration import Bounds, Published

BOUNDS = Bounds(
    max_rmse=1.15,
    max_slice_rmse=2.5,
    max_rmse_rise=0.01,
    max_slice_rmse_rise=0.1,
    min_slice_size=200,
    judged_slices=("ultrasound", "plurality", "gestation_band", "mother_age_band", "birth_weight"),
)
"""Defaults; each is a setting."""

EXAMPLE_REQUEST = {"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}
"""A request that gives what must be given, for help and messages."""

_COURSE = "Google's course labs on this table, births of 2001-2008"

PUBLISHED = (
    Published("BigQuery ML linear", 1.0675, _COURSE, mae=0.830),
    Published("BigQuery ML linear with buckets and a four-way cross", 1.0284, _COURSE, mae=0.798),
    Published("BigQuery ML neural network [64, 32]", 1.0323, _COURSE),
    Published("AutoML Tables", 1.027, _COURSE),
    Published("Estimator wide-and-deep, tuned, full data", 1.0319, _COURSE),
    Published("random forest, tuned", 1.0312, _COURSE),
    Published("Keras wide-and-deep of the course's blog", 1.2, _COURSE),
)
"""Errors on the real table, over births both with and without an ultrasound."""
