"""Propose a change of the schema that accepts what the data has.

    python -m schema.propose --inferred schema.pbtxt            # show it
    python -m schema.propose --inferred path/of/a/run --write   # and take it
    python -m schema.propose --declared --write                 # from the declaration alone

New columns with range and comparators, new values, wider ranges and more gaps: what the
schema says of a column is only ever widened, and only feature by feature; a column that is neither
declared nor in the data is taken out. What stands outside a changed feature, comments included, is
kept to the letter, which `tfdv.update_schema` does not do. Exit status 0: nothing to propose; 1: a
difference was printed; 2: an error.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from common.errors import UserError
from common.files import write_atomically
from models.features import CONTEXT, FEATURES, LABEL
from schema.draft import ENVIRONMENTS, compare, declared_feature, render, words_of

SCHEMA_FILE = Path(__file__).with_name("schema.pbtxt")

_FEATURE = re.compile(r"^feature \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_PROPOSED = "# Proposed from the data. Say here what it is, and declare it in models/features.py.\n"


@dataclass(frozen=True)
class Proposal:
    """A widened schema.

    Attributes:
        text: The whole new text of the schema; the old text if nothing was to be widened.
        notes: What the data says otherwise, but no widening can accept: one line each, for people.
    """

    text: str
    notes: tuple[str, ...]


def propose(
    current: str,
    inferred: schema_pb2.Schema,
    declared: Mapping[str, schema_pb2.Feature] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Proposal:
    """Widen the schema to accept what an inferred one has.

    Args:
        current: Text of the schema, each feature laid out as protobuf prints it.
        inferred: What SchemaGen made of the data.
        declared: What the declaration promises of each column, in order; a feature that is neither
            declared nor in the data is taken out. None to take out nothing.
        ranges: Least and greatest value of numbers in the data, for those that are not declared.

    Returns:
        The new text, with every feature that needed no change kept to the letter.

    Raises:
        UserError: If a feature of the current text is not on lines of its own.
    """
    blocks = list(_FEATURE.finditer(current))
    features = [_parse(block.group(), "The schema").feature[0] for block in blocks]
    known = _parse(current, "The schema")
    if [f.name for f in features] != [f.name for f in known.feature]:
        raise UserError(
            "Not every feature of the schema is on lines of its own.",
            "Write each as 'feature {', its fields indented, and '}' at the start of a line.",
        )
    seen = {f.name: f for f in inferred.feature}

    pieces: dict[str, str] = {}
    notes: list[str] = []
    preamble, end = "", 0
    for block, feature in zip(blocks, features, strict=True):
        above = current[end : block.start()]
        if not end:  # What stands on top is on the whole schema; the first feature has the rest.
            preamble, blank, own = above.rpartition("\n\n")
            above = f"\n{own}" if blank else above
            preamble += blank[1:]
        end = block.end()
        wide = schema_pb2.Feature()
        wide.CopyFrom(feature)
        if feature.name in seen:
            notes += _widen(wide, known, seen[feature.name], inferred)
        elif declared is not None and feature.name not in declared:
            continue
        pieces[feature.name] = above + (block.group() if wide == feature else render(wide))
    for feature in inferred.feature:
        if feature.name not in pieces:
            text = "\n" + _new(feature, inferred, (declared or {}).get(feature.name), ranges or {})
            pieces = _insert(pieces, feature.name, text, list(declared or ()))
    return Proposal(preamble + "".join(pieces.values()) + current[end:], tuple(notes))


def _insert(
    pieces: Mapping[str, str], name: str, text: str, order: Sequence[str]
) -> dict[str, str]:
    """Puts a new feature after those declared before it; one that is not declared, at the end."""
    before = order[: order.index(name)] if name in order else list(pieces)
    place = max((i for i, known in enumerate(pieces, 1) if known in before), default=0)
    items = list(pieces.items())
    return dict([*items[:place], (name, text), *items[place:]])


def _new(
    feature: schema_pb2.Feature,
    inferred: schema_pb2.Schema,
    declared: schema_pb2.Feature | None,
    ranges: Mapping[str, tuple[float, float]],
) -> str:
    """What is proposed for a column that the schema lacks."""
    if declared is not None:
        _widen(own := _with_own_domain(declared, inferred), inferred, feature, inferred)
        return f"# Declared in models/features.py. Say here what it is.\n{render(own)}"
    own = _with_own_domain(feature, inferred)
    compare(own)
    if own.name in ranges and own.type in (schema_pb2.FLOAT, schema_pb2.INT):
        domain = own.float_domain if own.type == schema_pb2.FLOAT else own.int_domain
        domain.min, domain.max = map(type(domain.min), ranges[own.name])
    return f"{_PROPOSED}{render(own)}"


def _widen(
    feature: schema_pb2.Feature,
    schema: schema_pb2.Schema,
    seen: schema_pb2.Feature,
    inferred: schema_pb2.Schema,
) -> list[str]:
    """Widen one current feature in place; return what no widening can accept."""
    if feature.type != seen.type:
        kind = schema_pb2.FeatureType.Name
        return [
            f"{feature.name}: the data has {kind(seen.type)}, the schema {kind(feature.type)}. "
            "Cast it in the query, or change the type by hand."
        ]
    _widen_range(feature, seen)
    _widen_presence(feature, seen)
    return _widen_values(feature, schema, seen, inferred)


def _widen_values(
    feature: schema_pb2.Feature,
    schema: schema_pb2.Schema,
    seen: schema_pb2.Feature,
    inferred: schema_pb2.Schema,
) -> list[str]:
    agreed, found = _values(feature, schema), _values(seen, inferred)
    if not agreed:  # every value is allowed already
        return []
    if not found and seen.presence.min_count:
        return [
            f"{feature.name}: SchemaGen lists no values, because there are too many or they look "
            "like numbers. Compare the data with the schema's values by hand."
        ]
    new = [value for value in found if value not in agreed]
    if new:
        # A domain shared with other features becomes this feature's own: they keep theirs.
        name = feature.string_domain.name or feature.name
        domain = schema_pb2.StringDomain(name=name, value=[*agreed, *new])
        feature.string_domain.CopyFrom(domain)
    return []


def _widen_range(feature: schema_pb2.Feature, seen: schema_pb2.Feature) -> None:
    """Widen the bounds that both schemas have; SchemaGen itself infers none for most numbers."""
    for kind in ("int_domain", "float_domain"):
        if not (feature.HasField(kind) and seen.HasField(kind)):
            continue
        agreed, found = getattr(feature, kind), getattr(seen, kind)
        if agreed.HasField("min") and found.HasField("min"):
            agreed.min = min(agreed.min, found.min)
        if agreed.HasField("max") and found.HasField("max"):
            agreed.max = max(agreed.max, found.max)


def _widen_presence(feature: schema_pb2.Feature, seen: schema_pb2.Feature) -> None:
    """Lower the presence. SchemaGen says 1.0; or, for what some examples lack, less or nothing."""
    agreed, found = feature.presence.min_fraction, seen.presence.min_fraction
    if found < agreed and (found or agreed == 1.0):
        if found:
            feature.presence.min_fraction = found
        else:
            feature.presence.ClearField("min_fraction")
        # A shape promises a value in every example; at most one of them is what remains.
        if feature.HasField("shape"):
            feature.ClearField("shape")
            feature.value_count.CopyFrom(schema_pb2.ValueCount(min=1, max=1))
    if seen.HasField("presence") and seen.presence.min_count < feature.presence.min_count:
        feature.presence.min_count = seen.presence.min_count


def _values(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> list[str]:
    """The values of a feature's domain; none if it has none."""
    if feature.HasField("bool_domain"):  # what SchemaGen calls the words True and False
        words = (feature.bool_domain.true_value, feature.bool_domain.false_value)
        return [word for word in words if word]
    return words_of(feature, schema)


def _with_own_domain(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> schema_pb2.Feature:
    """A copy of a feature that carries its words itself, not at the end of the schema."""
    own = schema_pb2.Feature()
    own.CopyFrom(feature)
    values = _values(feature, schema)
    if values:
        own.string_domain.CopyFrom(schema_pb2.StringDomain(name=feature.name, value=values))
    return own


def _parse(text: str, where: str) -> schema_pb2.Schema:
    try:
        return text_format.Parse(text, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise UserError(
            f"{where} does not parse as a schema: {error}.",
            "Give a schema.pbtxt in protobuf's text format, as SchemaGen writes it.",
        ) from error


def find_inferred(path: Path) -> Path:
    """The schema file meant by a path: the file itself, or the newest SchemaGen left below it.

    Raises:
        UserError: If there is none.
    """
    if path.is_file():
        return path
    found = [p for p in path.glob("**/SchemaGen/schema/*/schema.pbtxt") if p.is_file()]
    if not found:
        below = "has no SchemaGen/schema/<n>/schema.pbtxt below it"
        raise UserError(
            f"{path} {below if path.is_dir() else 'does not exist here'}.",
            "Give --inferred the root of a run that got as far as SchemaGen, or a schema.pbtxt it "
            "made; copy it to this machine first if it is in a bucket.",
        )
    # Executions are numbered, but several runs may lie side by side: the clock knows.
    return max(found, key=lambda p: (p.stat().st_mtime_ns, p))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.", "Give the path of a schema.pbtxt."
        ) from error


def diff(old: str, new: str, old_name: str, new_name: str) -> str:
    """A unified diff; empty if there is no difference."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    # `difflib.unified_diff` takes lines that occur often, here most of them, for junk: it would
    # show comparators that stay as taken out and put back.
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    lines: list[str] = []
    for group in matcher.get_grouped_opcodes():
        first, last = group[0], group[-1]
        lines.append(
            f"@@ -{first[1] + 1},{last[2] - first[1]} +{first[3] + 1},{last[4] - first[3]} @@\n"
        )
        for tag, i, j, k, m in group:
            if tag == "equal":
                lines += [f" {line}" for line in before[i:j]]
            else:
                lines += [f"-{line}" for line in before[i:j]] + [f"+{line}" for line in after[k:m]]
    return "".join([f"--- {old_name}\n", f"+++ {new_name}\n", *lines]) if lines else ""


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m schema.propose",
        description="Show, as a diff, how the schema would accept what the data has.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--inferred",
        type=Path,
        help="a schema.pbtxt SchemaGen made, or the root of a run (its newest is taken)",
    )
    source.add_argument(
        "--declared", action="store_true", help="what models/features.py declares, not the data"
    )
    parser.add_argument("--schema", type=Path, default=SCHEMA_FILE, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="also change the schema")
    return parser.parse_args(arguments)


def run(inferred: Path | None, current: Path, write: bool) -> bool:
    """Prints the proposal, and writes it if asked to.

    Args:
        inferred: A schema.pbtxt or the root of a run; None for what is declared.
        current: The schema; where there is none, one is drafted.
        write: Whether to change the schema.

    Returns:
        Whether the data has anything that the schema does not accept.

    Raises:
        UserError: If a file is missing, unreadable or not a schema.
    """
    source = str(find_inferred(inferred)) if inferred else "the declaration"
    old = _read(current) if inferred or current.exists() else ENVIRONMENTS
    agreed = {f.name: f for f in _parse(old, str(current)).feature}
    declared = {column.name: declared_feature(column) for column in (LABEL, *FEATURES)}
    declared |= {name: agreed[name] for name in CONTEXT if name in agreed}
    if inferred:
        found, ranges = _parse(_read(Path(source)), source), _ranges(Path(source))
    else:
        found, ranges = schema_pb2.Schema(feature=declared.values()), {}
        for feature in found.feature:
            # Whether the data has gaps, a declaration does not say.
            if feature.name in agreed:
                feature.presence.CopyFrom(agreed[feature.name].presence)
    proposal = propose(old, found, declared, ranges)
    new = proposal.text.lstrip("\n")
    sys.stdout.write(diff(old, new, str(current), f"{current} (with {source})"))
    for note in proposal.notes:
        print(note, file=sys.stderr)
    if write and (new != old or not current.exists()):
        try:
            write_atomically(current, new)
        except OSError as error:
            raise UserError(
                f"{current} cannot be written: {error}.", "Make the file and its folder writable."
            ) from error
    return new != old or bool(proposal.notes)


def _ranges(inferred: Path) -> dict[str, tuple[float, float]]:
    """Least and greatest values of numbers, where the statistics of the same run lie beside."""
    root = inferred.parents[3] if len(inferred.parents) > 3 else inferred.parent
    files = (root / "StatisticsGen" / "statistics").glob("*/Split-*/FeatureStats.pb")
    splits = sorted(files, key=lambda file: file.stat().st_mtime_ns)
    newest = [file for file in splits if file.parents[1] == splits[-1].parents[1]]
    found: dict[str, tuple[float, float]] = {}
    for file in newest:
        for data in statistics_pb2.DatasetFeatureStatisticsList.FromString(
            file.read_bytes()
        ).datasets:
            for feature in data.features:
                if feature.HasField("num_stats"):
                    name, numbers = ".".join(feature.path.step), feature.num_stats
                    low, high = found.get(name, (numbers.min, numbers.max))
                    found[name] = (min(low, numbers.min), max(high, numbers.max))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module's text for its exit status."""
    options = _arguments(arguments)
    try:
        return int(run(options.inferred, options.schema, options.write))
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
