"""The layout of executions and artifacts."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import example_facts

from report.facts import Lineage
from report.render.graph_layout import lay_out

FACTS = example_facts.rich()
LINEAGE, UPSTREAM = FACTS.lineage, FACTS.info.upstream


def test_everything_is_drawn_once_and_below_what_it_came_of() -> None:
    graph = lay_out(LINEAGE, UPSTREAM)

    executions = [node.label for node in graph.nodes if node.kind == "execution"]
    artifacts = [node.label for node in graph.nodes if node.kind == "artifact"]
    assert sorted(executions) == sorted(e.component for e in LINEAGE.executions)
    assert sorted(artifacts) == sorted(a.type for a in LINEAGE.artifacts.values())
    assert graph.edges
    for edge in graph.edges:
        layers = [layer for _, layer in edge.points]
        assert layers == list(range(layers[0], layers[-1] + 1))
        assert len(layers) > 1


def test_boxes_do_not_overlap_and_fit() -> None:
    graph = lay_out(LINEAGE, UPSTREAM)
    for one, other in combinations(graph.nodes, 2):
        assert one.layer != other.layer or abs(one.x - other.x) > 0.999
    assert all(0.499 < node.x < graph.width - 0.499 for node in graph.nodes)
    assert {node.layer for node in graph.nodes} <= set(range(graph.layers))


def test_only_waiting_is_told_from_reading() -> None:
    graph = lay_out(LINEAGE, UPSTREAM)
    waiting = {edge.points[0]: edge.points[-1] for edge in graph.edges if edge.waits}
    place = {node.label: (node.x, node.layer) for node in graph.nodes}
    assert waiting[place["PreviousStatistics"]] == place["AnomalyGate"]


def test_what_a_look_up_found_and_the_cache_gives_again_makes_no_circle() -> None:
    """The previous run's statistics are this run's, where StatisticsGen is cached."""
    executions = {e.component: e for e in LINEAGE.executions}
    found = executions["StatisticsGen"].outputs
    looked_up = replace(executions["PreviousStatistics"], inputs=found, outputs=found)
    again = tuple(
        looked_up if e.component == "PreviousStatistics" else e for e in LINEAGE.executions
    )

    graph = lay_out(replace(LINEAGE, executions=again), UPSTREAM)

    assert {node.label for node in graph.nodes} >= set(executions)


def test_without_executions_the_dag_is_drawn() -> None:
    graph = lay_out(Lineage(), UPSTREAM)
    assert {node.label for node in graph.nodes} == set(UPSTREAM)
    assert {node.kind for node in graph.nodes} == {"component"}


def test_nothing_at_all_is_an_empty_drawing() -> None:
    graph = lay_out(Lineage(), {})
    assert graph.nodes == graph.edges == ()
