"""Columns that the model takes, of a table, by whole columns: no row becomes a Python object.

A row is sure where every value is as declared. Of any other, `models.request` has the last word and
names the cause; so this may doubt what is good, but must pass nothing that is not.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.coded_words import CodedWords
from models.declaration import UNKNOWN, Category
from models.features import CONTRADICTIONS, FEATURES


def columns_of(table: pa.Table) -> tuple[dict[str, CodedWords | np.ndarray], np.ndarray]:
    """What the model takes of some rows.

    Args:
        table: Columns by name; those that are no feature are passed over.

    Returns:
        For every feature its values, `[rows]`: coded words, numbers as float32. And which rows are
        sure, `[rows]`; the values of the others mean nothing.
    """
    columns, codes = {}, {}
    rows = table.num_rows
    sure = np.ones(rows, bool)
    for feature in FEATURES:
        absent = feature.name not in table.column_names
        given = pa.chunked_array([pa.nulls(rows)]) if absent else table.column(feature.name)
        if isinstance(feature, Category):
            found = codes[feature.name] = np.array(_codes(feature, given))  # To be changed.
            sure &= found >= 0
            words = tuple(word.encode() for word in feature.vocabulary)
            columns[feature.name] = CodedWords(found, words)
        else:
            numbers, known = _numbers(given)
            within = (numbers >= feature.minimum) & (numbers <= feature.maximum)  # NaN is not.
            sure &= (within | np.isnan(numbers) if feature.optional else within) & known
            with np.errstate(over="ignore"):  # Too large a number is not sure.
                columns[feature.name] = numbers.astype(np.float32)
    vocabularies = {f.name: f.vocabulary for f in FEATURES if isinstance(f, Category)}
    for contradiction in CONTRADICTIONS:
        both = sure.copy()
        for name, words in contradiction.words:
            both &= np.isin(codes[name], [vocabularies[name].index(word) for word in words])
        sure &= ~both
    return columns, sure


def _codes(category: Category, given: pa.ChunkedArray) -> np.ndarray:
    """The place of each word in the vocabulary; -1 where it is not sure."""
    absent = -1 if category.required else category.vocabulary.index(UNKNOWN)
    if pa.types.is_null(given.type):
        return np.full(len(given), absent)
    if pa.types.is_dictionary(given.type):
        given = given.cast(given.type.value_type)
    if pa.types.is_boolean(given.type):
        given = pc.if_else(given, "True", "False")
    if not (pa.types.is_string(given.type) or pa.types.is_large_string(given.type)):
        return np.full(len(given), -1)
    found = pc.index_in(given, value_set=pa.array(category.vocabulary, given.type))
    codes = pc.fill_null(found, -1).to_numpy()
    return np.where(pc.is_null(given).to_numpy(), absent, codes) if given.null_count else codes


def _numbers(given: pa.ChunkedArray) -> tuple[np.ndarray, bool]:
    """As float64, NaN where there is none; and whether the column is one of numbers at all."""
    if not (pa.types.is_integer(given.type) or pa.types.is_floating(given.type)):
        return np.full(len(given), np.nan), pa.types.is_null(given.type)
    return pc.fill_null(pc.cast(given, pa.float64(), safe=False), np.nan).to_numpy(), True
