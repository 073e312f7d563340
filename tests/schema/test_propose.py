"""A proposal widens the schema just enough, and touches nothing else."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import UserError
from common.files import write_atomically
from models import features
from models.declaration import Label, Number
from schema import propose
from schema.draft import declared_feature

AGREED = """\
# The schema of a test.

# Years.
feature {
  name: "age"
  type: FLOAT
  float_domain {
    min: 10.0
    max: 60.0
  }
  presence {
    min_fraction: 1.0
    min_count: 1
  }
  drift_comparator {
    jensen_shannon_divergence {
      threshold: 0.1
    }
  }
  not_in_environment: "SERVING"
  shape {
    dim {
      size: 1
    }
  }
}

# How many.
feature {
  name: "plurality"
  type: BYTES
  string_domain {
    name: "plurality"
    value: "Single(1)"
    value: "Twins(2)"
  }
  presence {
    min_fraction: 1.0
    min_count: 1
  }
  shape {
    dim {
      size: 1
    }
  }
}

# The end.
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def infer(**columns: list) -> schema_pb2.Schema:
    """What SchemaGen makes of some data."""
    frame = pd.DataFrame(columns)
    return tfdv.infer_schema(tfdv.generate_statistics_from_dataframe(frame))


def added_and_removed(new: str, old: str = AGREED) -> tuple[list[str], list[str]]:
    """The lines a proposal adds and removes, wherever they are."""
    before, after = old.splitlines(), new.splitlines()
    return (
        [line.strip() for line in after if after.count(line) > before.count(line)],
        [line.strip() for line in before if before.count(line) > after.count(line)],
    )


AGES = [20.0, 30.0]
TWINS = ["Single(1)", "Twins(2)"]


def test_data_as_agreed_proposes_nothing():
    assert propose.propose(AGREED, infer(age=AGES, plurality=TWINS)) == propose.Proposal(AGREED, ())


def test_less_than_agreed_narrows_nothing():
    proposal = propose.propose(AGREED, infer(plurality=["Single(1)"] * 2))
    assert proposal == propose.Proposal(AGREED, ())


def test_a_new_value_is_one_new_line():
    proposal = propose.propose(AGREED, infer(age=AGES, plurality=["Single(1)", "Sextuplets(6)"]))
    assert added_and_removed(proposal.text) == (['value: "Sextuplets(6)"'], [])


def test_a_new_column_follows_the_others_with_its_words():
    proposal = propose.propose(AGREED, infer(age=AGES, plurality=TWINS, smokes=["True", "False"]))
    assert proposal.text.startswith(AGREED.partition("# The end.")[0])
    assert proposal.text.endswith("# The end." + AGREED.partition("# The end.")[2])
    new = schema(proposal.text).feature[2]
    assert new.name == "smokes"
    assert set(new.string_domain.value) == {"True", "False"}
    assert "# Proposed from the data" in proposal.text


def test_a_feature_with_gaps_loses_its_promise_and_its_shape_only():
    proposal = propose.propose(AGREED, infer(age=[20.0, None], plurality=TWINS))
    age, plurality = schema(proposal.text).feature
    assert age.presence == schema_pb2.FeaturePresence(min_count=1)
    assert not age.HasField("shape")
    assert age.value_count == schema_pb2.ValueCount(min=1, max=1)
    assert age.drift_comparator.jensen_shannon_divergence.threshold == pytest.approx(0.1)
    assert list(age.not_in_environment) == ["SERVING"]
    assert plurality == schema(AGREED).feature[1]
    assert "# Years." in proposal.text and "# How many." in proposal.text


def test_what_is_proposed_is_then_accepted():
    columns = {"age": [20.0, None], "plurality": ["Single(1)", "Sextuplets(6)"], "new": [1, 2]}
    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame(columns))
    inferred = tfdv.infer_schema(statistics)
    assert tfdv.validate_statistics(statistics, schema(AGREED)).anomaly_info
    text = propose.propose(AGREED, inferred).text
    assert not tfdv.validate_statistics(statistics, schema(text)).anomaly_info
    assert propose.propose(text, inferred).text == text


@given(
    low=st.floats(-1e6, 1e6, width=32),
    high=st.floats(-1e6, 1e6, width=32),
)
def test_a_range_is_only_ever_widened(low, high):
    inferred = schema(
        f'feature {{ name: "age" type: FLOAT float_domain {{ min: {low} max: {high} }} }}'
    )
    inferred.feature[0].presence.min_fraction = 1.0
    inferred.feature[0].presence.min_count = 1
    domain = schema(propose.propose(AGREED, inferred).text).feature[0].float_domain
    assert domain.min == min(10.0, low)
    assert domain.max == max(60.0, high)


def test_another_type_is_told_and_not_taken():
    proposal = propose.propose(AGREED, infer(age=[20, 30], plurality=TWINS))
    assert proposal.text == AGREED
    (note,) = proposal.notes
    assert note.startswith("age: the data has INT, the schema FLOAT.")


def test_numbers_for_words_are_told():
    proposal = propose.propose(AGREED, infer(age=AGES, plurality=["2", "3"]))
    assert proposal.text == AGREED
    assert proposal.notes[0].startswith("plurality: SchemaGen lists no values")


def test_a_feature_on_one_line_is_refused_not_lost():
    with pytest.raises(UserError, match="lines of its own"):
        propose.propose('feature { name: "age" type: FLOAT }\n', schema_pb2.Schema())


def declared(*names: str) -> dict[str, schema_pb2.Feature]:
    return {name: declared_feature(Number(name, "", 0, 9, f"the {name}")) for name in names}


def test_an_open_range_has_no_bound_and_no_infinity():
    domain = declared_feature(Label("gain", "", -math.inf, 9, "what was left", "gain")).float_domain
    assert (domain.HasField("min"), domain.max) == (False, 9)
    assert domain.disallow_inf


def test_what_is_neither_declared_nor_in_the_data_goes_with_its_comment():
    proposal = propose.propose(AGREED, infer(plurality=TWINS), declared("weeks"))
    assert "# The schema of a test." in proposal.text and "# How many." in proposal.text
    assert "age" not in proposal.text and "# Years." not in proposal.text
    assert propose.propose(AGREED, infer(plurality=TWINS), declared("age")).text == AGREED


def test_a_new_column_is_as_declared_and_in_the_order_of_the_declaration():
    data = infer(plurality=TWINS, age=AGES, weeks=[8.0, None])
    proposal = propose.propose(AGREED, data, declared("age", "weeks", "plurality"))
    age, weeks, plurality = schema(proposal.text).feature
    assert (age.name, plurality.name) == ("age", "plurality")
    assert (weeks.float_domain.min, weeks.float_domain.max) == (0, 9)
    assert weeks.skew_comparator.jensen_shannon_divergence.threshold > 0
    assert not weeks.presence.min_fraction  # The data has gaps.


def test_a_new_column_that_is_not_declared_has_comparators_and_the_range_seen():
    data = infer(age=AGES, plurality=TWINS, weeks=[8, 40], smokes=["True", "False"])
    proposal = propose.propose(AGREED, data, declared("age"), {"weeks": (8.0, 40.0)})
    new = {feature.name: feature for feature in schema(proposal.text).feature}
    assert new["weeks"].int_domain == schema_pb2.IntDomain(min=8, max=40)
    assert new["weeks"].drift_comparator.jensen_shannon_divergence.threshold > 0
    assert new["smokes"].drift_comparator.infinity_norm.threshold > 0


class TestCommand:
    @pytest.fixture
    def agreed(self, tmp_path: Path) -> Path:
        path = tmp_path / "agreed.pbtxt"
        path.write_text(AGREED, encoding="utf-8")
        return path

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """The root of a run that made two schemas, the newer one with a new value."""
        for number, values in (("3", TWINS), ("12", ["Single(1)", "Sextuplets(6)"])):
            folder = tmp_path / "root" / "SchemaGen" / "schema" / number
            folder.mkdir(parents=True)
            text = text_format.MessageToString(infer(age=AGES, plurality=values))
            (folder / "schema.pbtxt").write_text(text, encoding="utf-8")
            os.utime(folder / "schema.pbtxt", (int(number), int(number)))
        return tmp_path / "root"

    def test_it_shows_what_the_newest_run_adds(self, root, agreed, capsys):
        assert propose.main(["--inferred", str(root), "--schema", str(agreed)]) == 1
        assert '\n+    value: "Sextuplets(6)"\n' in capsys.readouterr().out
        assert agreed.read_text(encoding="utf-8") == AGREED

    def test_it_writes_what_it_showed_and_is_then_content(self, root, agreed, capsys):
        arguments = ["--inferred", str(root), "--schema", str(agreed)]
        assert propose.main([*arguments, "--write"]) == 1
        assert "Sextuplets(6)" in agreed.read_text(encoding="utf-8")
        assert [p.name for p in agreed.parent.iterdir() if p.is_file()] == ["agreed.pbtxt"]
        capsys.readouterr()
        assert propose.main(arguments) == 0
        assert capsys.readouterr().out == ""

    def test_it_takes_ranges_from_the_statistics_of_the_run(self, root, agreed):
        data = pd.DataFrame({"age": AGES, "plurality": TWINS, "weeks": [8.0, 40.0]})
        statistics = tfdv.generate_statistics_from_dataframe(data)
        for folder, content in (
            ("StatisticsGen/statistics/14/Split-train", statistics.SerializeToString()),
            ("SchemaGen/schema/14", text_format.MessageToString(tfdv.infer_schema(statistics))),
        ):
            name = "FeatureStats.pb" if isinstance(content, bytes) else "schema.pbtxt"
            write_atomically(root / folder / name, content)
        arguments = ["--inferred", str(root), "--schema", str(agreed), "--write"]
        assert propose.main(arguments) == 1
        weeks = schema(agreed.read_text(encoding="utf-8")).feature[2]
        assert (weeks.float_domain.min, weeks.float_domain.max) == (8, 40)

    def test_it_drafts_a_whole_schema_from_the_declaration(self, tmp_path, capsys):
        path = tmp_path / "schema.pbtxt"
        arguments = ["--declared", "--schema", str(path)]
        assert propose.main([*arguments, "--write"]) == 1
        columns = (features.LABEL, *features.FEATURES)
        drafted = schema(path.read_text(encoding="utf-8"))
        assert [f.name for f in drafted.feature] == [column.name for column in columns]
        assert list(drafted.default_environment) == ["TRAINING", "SERVING"]
        assert propose.main(arguments) == 0

    def test_the_real_schema_has_nothing_to_say_to_itself(self, capsys):
        assert propose.main(["--inferred", str(propose.SCHEMA_FILE)]) == 0

    @pytest.mark.parametrize(
        ("inferred", "message"),
        [("nowhere", "does not exist here"), (".", "has no SchemaGen"), ("junk", "does not parse")],
    )
    def test_an_error_names_cause_and_cure(self, tmp_path, agreed, capsys, inferred, message):
        (tmp_path / "junk").write_text("feature {", encoding="utf-8")
        (tmp_path / "empty").mkdir()
        path = tmp_path / (inferred if inferred != "." else "empty")
        assert propose.main(["--inferred", str(path), "--schema", str(agreed)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "Give " in error

    def test_it_runs_as_a_module_without_a_traceback(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "schema.propose", "--inferred", str(tmp_path)],
            cwd=Path(propose.__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
