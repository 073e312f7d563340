"""Propose a change of the curated schema that accepts what the data has.

    python -m schema.propose --inferred schema.pbtxt            # show it
    python -m schema.propose --inferred path/of/a/run --write   # and take it

New columns, new values, wider ranges and more gaps: the curated schema is only ever widened, and
only feature by feature. What stands outside a changed feature, comments included, is kept to the
letter. Exit status 0: nothing to propose; 1: a difference was printed; 2: an error.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import UserError

CURATED = Path(__file__).with_name("schema.pbtxt")

_FEATURE = re.compile(r"^feature \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_PROPOSED = "# Proposed from the data. Say here what it is, and declare it in models/features.py.\n"


@dataclass(frozen=True)
class Proposal:
    """A widened schema.

    Attributes:
        text: The whole new text of the curated schema; the old text if nothing was to be widened.
        notes: What the data says otherwise, but no widening can accept: one line each, for people.
    """

    text: str
    notes: tuple[str, ...]


def propose(curated: str, inferred: schema_pb2.Schema) -> Proposal:
    """Widen a curated schema to accept what an inferred one has.

    Args:
        curated: Text of the curated schema, each feature laid out as protobuf prints it.
        inferred: What SchemaGen made of the data.

    Returns:
        The new text, with every feature that needed no change kept to the letter.

    Raises:
        UserError: If a feature of the curated text is not on lines of its own.
    """
    blocks = list(_FEATURE.finditer(curated))
    features = [_parse(block.group(), "The curated schema").feature[0] for block in blocks]
    known = _parse(curated, "The curated schema")
    if [f.name for f in features] != [f.name for f in known.feature]:
        raise UserError(
            "Not every feature of the curated schema is on lines of its own.",
            "Write each as 'feature {', its fields indented, and '}' at the start of a line.",
        )
    seen = {f.name: f for f in inferred.feature}

    pieces: list[str] = []
    notes: list[str] = []
    end = 0
    for block, feature in zip(blocks, features, strict=True):
        pieces.append(curated[end : block.start()])
        end = block.end()
        wide = schema_pb2.Feature()
        wide.CopyFrom(feature)
        if feature.name in seen:
            notes += _widen(wide, known, seen[feature.name], inferred)
        pieces.append(block.group() if wide == feature else _render(wide))

    names = {f.name for f in features}
    for feature in inferred.feature:
        if feature.name not in names:
            pieces.append(f"\n{_PROPOSED}{_render(_with_own_domain(feature, inferred))}")
    pieces.append(curated[end:])
    return Proposal("".join(pieces), tuple(notes))


def _widen(
    feature: schema_pb2.Feature,
    schema: schema_pb2.Schema,
    seen: schema_pb2.Feature,
    inferred: schema_pb2.Schema,
) -> list[str]:
    """Widen one curated feature in place; return what no widening can accept."""
    if feature.type != seen.type:
        kind = schema_pb2.FeatureType.Name
        return [
            f"{feature.name}: the data has {kind(seen.type)}, the schema {kind(feature.type)}. "
            "Cast it in data/natality.sql, or change the type by hand."
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
    """The values of a feature's domain, wherever it is written; none if it has no domain."""
    if feature.HasField("string_domain"):
        return list(feature.string_domain.value)
    if feature.HasField("bool_domain"):  # what SchemaGen calls the words True and False
        words = (feature.bool_domain.true_value, feature.bool_domain.false_value)
        return [word for word in words if word]
    for domain in schema.string_domain:
        if feature.HasField("domain") and domain.name == feature.domain:
            return list(domain.value)
    return []


def _with_own_domain(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> schema_pb2.Feature:
    """A copy of a feature that carries its words itself, not at the end of the schema."""
    own = schema_pb2.Feature()
    own.CopyFrom(feature)
    values = _values(feature, schema)
    if values:
        own.string_domain.CopyFrom(schema_pb2.StringDomain(name=feature.name, value=values))
    return own


def _render(feature: schema_pb2.Feature) -> str:
    return text_format.MessageToString(schema_pb2.Schema(feature=[feature]), as_utf8=True)


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

    Args:
        path: A schema.pbtxt, or the root of runs: `SchemaGen/schema/<n>/schema.pbtxt` is below it.

    Returns:
        Path of a file.

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


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(path.stat().st_mode)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


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
        description="Show, as a diff, how the curated schema would accept what the data has.",
    )
    parser.add_argument(
        "--inferred",
        type=Path,
        required=True,
        help="a schema.pbtxt SchemaGen made, or the root of a run (its newest is taken)",
    )
    parser.add_argument("--curated", type=Path, default=CURATED, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="also change the curated schema")
    return parser.parse_args(arguments)


def run(inferred: Path, curated: Path, write: bool) -> bool:
    """Print the proposal, and write it if asked to.

    Args:
        inferred: A schema.pbtxt or the root of a run.
        curated: The curated schema.
        write: Whether to change the curated schema.

    Returns:
        Whether the data has anything that the curated schema does not accept.

    Raises:
        UserError: If a file is missing, unreadable or not a schema.
    """
    source = find_inferred(inferred)
    old = _read(curated)
    proposal = propose(old, _parse(_read(source), str(source)))
    sys.stdout.write(diff(old, proposal.text, str(curated), f"{curated} (with {source})"))
    for note in proposal.notes:
        print(note, file=sys.stderr)
    if write and proposal.text != old:
        try:
            _replace(curated, proposal.text)
        except OSError as error:
            raise UserError(
                f"{curated} cannot be written: {error}.", "Make the file and its folder writable."
            ) from error
    return proposal.text != old or bool(proposal.notes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module's text for its exit status."""
    options = _arguments(arguments)
    try:
        return int(run(options.inferred, options.curated, options.write))
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
