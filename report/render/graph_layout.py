"""The graph of executions and artifacts, laid out top-down in layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

from scipy.optimize import isotonic_regression

from report.facts import Lineage

Name = tuple[str, int | str]
"""(`execution`, id), (`artifact`, id), (`component`, name), or (`lane`, ...) of a long edge."""

Upstream = Mapping[str, Sequence[str]]
"""Names of the components that each waits for."""

_SWEEPS = 8
_STRAIGHT = 8
"""How much more lanes pull at each other than boxes do."""

_LANE = 0.3
"""Room that a passing edge takes, as a share of a box."""


@dataclass(frozen=True)
class Node:
    """A box of the drawing.

    Attributes:
        kind: `execution`, `artifact` or `component`.
        label: What it says.
        detail: State of an execution, place of an artifact.
        x: Its middle, in boxes.
        layer: Its layer, the uppermost is 0.
    """

    kind: str
    label: str
    detail: str
    x: float
    layer: int


@dataclass(frozen=True)
class Edge:
    """A line of the drawing.

    Attributes:
        points: (x in boxes, layer) from its beginning to its end.
        waits: Whether the end only waits for the beginning, and reads nothing of it.
    """

    points: tuple[tuple[float, int], ...]
    waits: bool


@dataclass(frozen=True)
class Graph:
    """A drawing.

    Attributes:
        width: Room it takes across, in boxes.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: float
    layers: int


def lay_out(lineage: Lineage, upstream: Upstream) -> Graph:
    """Lays out what ran; where that is not known, such as on Vertex AI, the DAG."""
    labels, edges = _executed(lineage, upstream) if lineage.executions else _planned(upstream)
    layer = _layers(labels, [edge[:2] for edge in edges])
    paths = {edge: _path(edge[0], edge[1], layer) for edge in edges}
    rows: dict[int, list[Name]] = defaultdict(list)
    for name in dict.fromkeys([*labels, *(n for path in paths.values() for n in path)]):
        rows[_layer_of(name, layer)].append(name)
    x, width = _positions(rows, list(paths.values()))
    return Graph(
        nodes=tuple(
            Node(str(name[0]), label, detail, x[name], layer[name])
            for name, (label, detail) in labels.items()
        ),
        edges=tuple(
            Edge(tuple((x[name], _layer_of(name, layer)) for name in path), waits=edge[2])
            for edge, path in paths.items()
        ),
        width=width,
        layers=len(rows),
    )


_Labels = dict[Name, tuple[str, str]]
_Edges = list[tuple[Name, Name, bool]]


def _planned(upstream: Upstream) -> tuple[_Labels, _Edges]:
    labels: _Labels = {("component", name): (name, "") for name in upstream}
    edges: _Edges = [
        (("component", before), ("component", name), False)
        for name, others in upstream.items()
        for before in others
        if ("component", before) in labels
    ]
    return labels, edges


def _executed(lineage: Lineage, upstream: Upstream) -> tuple[_Labels, _Edges]:
    """Executions, their artifacts and what joins them; edges only ever lead to what came later."""
    labels: _Labels = {}
    edges: _Edges = []
    order = {execution.id: i for i, execution in enumerate(lineage.executions)}
    maker: dict[int, int] = {}
    component: dict[str, int] = {}
    for execution in lineage.executions:
        labels["execution", execution.id] = (execution.component, execution.state)
        component[execution.component] = execution.id
        for ids in execution.outputs.values():
            maker.update(dict.fromkeys(ids, execution.id))
    for execution in lineage.executions:
        this: Name = ("execution", execution.id)
        made = [i for ids in execution.outputs.values() for i in ids]
        # A look-up may have found what a later step then takes from the cache: no cycle of that.
        read = [
            i
            for ids in execution.inputs.values()
            for i in ids
            if i not in maker or order[maker[i]] < order[execution.id]
        ]
        for i in dict.fromkeys([*read, *made]):
            artifact = lineage.artifacts.get(i)
            labels["artifact", i] = (artifact.type, artifact.uri) if artifact else (f"#{i}", "")
        edges += [(("artifact", i), this, False) for i in dict.fromkeys(read)]
        edges += [(this, ("artifact", i), False) for i in dict.fromkeys(made) if i not in read]
        sources = {maker[i] for i in read if i in maker}
        for name in upstream.get(execution.component, ()):
            before = component.get(name)
            if before is None or before in sources or order[before] >= order[execution.id]:
                continue
            edges.append((("execution", before), this, True))
    return labels, edges


def _layers(nodes: Mapping[Name, object], edges: Sequence[tuple[Name, Name]]) -> dict[Name, int]:
    """The layer of each node: one below the lowest of those before it."""
    before: dict[Name, list[Name]] = {node: [] for node in nodes}
    after: dict[Name, list[Name]] = {node: [] for node in nodes}
    for first, second in edges:
        before[second].append(first)
        after[first].append(second)
    layer: dict[Name, int] = {}
    for node in TopologicalSorter(before).static_order():
        layer[node] = max((layer[other] + 1 for other in before[node]), default=0)
    # What nothing comes before stands right above the first that reads it.
    for node in nodes:
        if after[node] and not before[node]:
            layer[node] = min(layer[other] for other in after[node]) - 1
    return layer


def _path(start: Name, end: Name, layer: Mapping[Name, int]) -> tuple[Name, ...]:
    """An edge by way of a lane in each layer between; the edges of one beginning share lanes."""
    lanes = [("lane", f"{i} {start}") for i in range(layer[start] + 1, layer[end])]
    return (start, *lanes, end)


def _layer_of(name: Name, layer: Mapping[Name, int]) -> int:
    return int(str(name[1]).split(" ", 1)[0]) if name[0] == "lane" else layer[name]


def _positions(
    rows: dict[int, list[Name]], paths: Sequence[Sequence[Name]]
) -> tuple[dict[Name, float], float]:
    """The middle of each node, and the room that all of them take.

    First each row is ordered by the mean of its neighbours, to and fro; then nodes are drawn
    towards their neighbours without changing that order, lanes the most, so that they are straight.
    """
    links: dict[Name, dict[Name, int]] = defaultdict(dict)
    for path in paths:
        for upper, lower in pairwise(path):
            weight = _STRAIGHT if upper[0] == lower[0] == "lane" else 1
            links[upper][lower] = links[lower][upper] = weight
    x = {name: float(place) for row in rows.values() for place, name in enumerate(row)}
    where = {name: i for i, row in rows.items() for name in row}

    def pull(node: Name, row: int | None = None) -> float:
        near = {n: w for n, w in links[node].items() if row is None or where[n] == row}
        return sum(x[n] * w for n, w in near.items()) / sum(near.values()) if near else x[node]

    for sweep in range(_SWEEPS):
        step = 1 if sweep % 2 else -1
        for i in sorted(rows, reverse=step > 0):
            rows[i].sort(key=lambda node, near=i + step: pull(node, near))
            x.update(_apart(rows[i], {node: x[node] for node in rows[i]}))
    for _ in range(_SWEEPS * _STRAIGHT):
        for row in rows.values():
            x.update(_apart(row, {node: pull(node) for node in row}))
    left = min((x[node] - _room(node) / 2 for node in x), default=0)
    right = max((x[node] + _room(node) / 2 for node in x), default=0)
    return {node: place - left for node, place in x.items()}, right - left


def _room(node: Name) -> float:
    return _LANE if node[0] == "lane" else 1


def _apart(row: Sequence[Name], wished: Mapping[Name, float]) -> dict[Name, float]:
    """Places as near to those wished as their order and the room they take allow."""
    offsets = [0.0]
    for before, node in pairwise(row):
        offsets.append(offsets[-1] + (_room(before) + _room(node)) / 2)
    wishes = [wished[node] - offset for node, offset in zip(row, offsets, strict=True)]
    weights = [_STRAIGHT if node[0] == "lane" else 1 for node in row]
    places = isotonic_regression(wishes, weights=weights).x
    return {n: float(p + o) for n, p, o in zip(row, places, offsets, strict=True)}
