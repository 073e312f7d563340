"""How the evaluation deals records into groups, which confidence intervals are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models import features as declared
from models.slicing import dense

RESAMPLING_GROUPS = 100
"""Groups into which records are dealt. With as many, intervals are as steady as if TFMA dealt
records one by one."""


def shared_by_copies() -> tuple[str, ...]:
    """Columns in which the examples made of one record are alike, by which they are found.

    Records that are alike in all of them also fall in one group; where a hundredth of 250,000 are,
    that widens intervals by an eighth.
    """
    own = (f.name for f in declared.FEATURES if f.name not in declared.COPIES_DIFFER_IN)
    return (declared.LABEL.name, *own, *declared.CONTEXT)


def resampling_groups(features: dict[str, Any], rows: int) -> np.ndarray:
    """Deals the records of a batch into groups.

    Args:
        features: Raw columns by name, as TFMA extracts them.
        rows: Rows of the batch.

    Returns:
        The group of each row, `[batch]`; that of a record is the same in every batch and every run.
    """
    columns = pd.DataFrame({name: dense(features[name], rows) for name in shared_by_copies()})
    hashes = pd.util.hash_pandas_object(columns, index=False).to_numpy()
    return (hashes % RESAMPLING_GROUPS).astype(np.int64)
