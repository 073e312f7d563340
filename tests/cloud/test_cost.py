"""The estimate of what a run costs, and that the docs show it as it is."""

from __future__ import annotations

import re

import pytest
from image import CHECKOUT

from benchmarks import cost
from data.query import SPLITS, render
from data.table import TABLE, QueryParameters


def test_the_docs_show_what_the_estimate_says(capsys: pytest.CaptureFixture[str]):
    docs = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- cost -->\n(.*)\n<!-- /cost -->", docs, re.DOTALL)
    assert shown
    cost.main([])
    assert capsys.readouterr().out.startswith(shown[1] + "\n")


def test_bigquery_reads_each_column_of_each_row_once_a_split():
    # FLOAT64 and INT64 are 8 bytes, BOOL is 1, by BigQuery's documented sizes.
    assert cost.row_bytes() == 1 * 8 + 10 * 8 + 3 * 1
    (line, *_) = cost.bill(rows=1, steps=1, batch=1, prices=cost.Prices(bigquery_tib=1.0))
    assert line.dollars == pytest.approx(91 * 137_826_763 * 3 / 2**40)
    assert line.amount == "37.6 GB"


def test_the_query_reads_all_columns_that_are_counted():
    sql = render(QueryParameters(years="1969-2008"), sample=1, split=SPLITS[0], table="a.b.c")
    for column in TABLE.columns:
        assert re.search(rf"\b{column.name}\b", sql), column.name


def test_more_births_cost_more_on_dataflow_and_no_more_in_bigquery():
    few, many = (list(cost.bill(rows, 1, 1, cost.Prices())) for rows in (1_000_000, 100_000_000))
    assert few[0] == many[0]
    for less, more in zip(few[1:5], many[1:5], strict=True):
        assert less.dollars < more.dollars


def test_the_docs_show_what_batches_and_streams_cost():
    docs = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")
    prices = cost.Prices()
    (batch,) = re.findall(
        r"`n2-standard-4` \(four cores.*?: ([\d.]+) US\$ for all", docs, re.DOTALL
    )
    assert float(batch) == round(cost.batch_dollars(cost.TOTAL_ROWS, prices), 2)
    idle = cost.stream_dollars(0, 1, to_table=True, prices=prices)
    busy = cost.stream_dollars(100_000_000, 1, to_table=True, prices=prices)
    assert f"{idle:.0f} US$ a month" in docs
    assert f"with a table: {busy:.0f} US$" in docs
