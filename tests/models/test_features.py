"""The declaration of the columns is coherent, so that all who read it may rely on it."""

from __future__ import annotations

import itertools
import math

import pytest

from models.declaration import UNKNOWN, Category, Label, Number
from models.feature_kinds import categories, numbers
from models.features import BANDS, CONTEXT, CROSSES, FEATURES, GROUPS, LABEL, SLICES
from models.transform import SEPARATOR, bucket_name, quantile_name, z_score_name

BY_NAME = {feature.name: feature for feature in FEATURES}


def rising(values: tuple[float, ...]) -> bool:
    return all(a < b for a, b in itertools.pairwise(values))


def test_names_are_unique_also_those_of_what_is_made_of_the_columns():
    made = [f.name for f in categories()]
    for number in numbers():
        made += [z_score_name(number), bucket_name(number), quantile_name(number)]
    names = [*made, *(n.name for n in numbers()), *(c.name for c in CROSSES)]
    names += [LABEL.name, *CONTEXT, *(b.name for b in BANDS), *(g.name for g in GROUPS)]
    assert len(set(names)) == len(names)


def test_the_model_never_sees_the_label_or_the_context():
    assert not {LABEL.name, *CONTEXT} & set(BY_NAME)


@pytest.mark.parametrize("category", categories(), ids=lambda c: c.name)
def test_a_vocabulary_names_each_word_once_and_none_breaks_a_cross(category: Category):
    assert len(set(category.vocabulary)) == len(category.vocabulary) > 1
    assert all(word and SEPARATOR not in word for word in category.vocabulary)


@pytest.mark.parametrize("number", numbers(), ids=lambda n: n.name)
def test_boundaries_rise_and_leave_no_bucket_outside_the_range(number: Number):
    assert number.minimum < number.maximum
    assert rising(number.boundaries)
    assert all(number.minimum < b <= number.maximum for b in number.boundaries)
    assert number.boundaries or number.quantiles > 1


def test_only_what_may_be_unknown_may_be_left_out():
    optional = {f.name for f in FEATURES if not f.required}
    assert optional == {"is_male", "mother_race", "cigarette_use", "alcohol_use"}
    assert all(
        UNKNOWN in f.vocabulary for f in FEATURES if isinstance(f, Category) and f.name in optional
    )


def test_crosses_are_those_of_the_course():
    assert [(c.name, c.buckets) for c in CROSSES] == [
        ("mother_age_x_gestation_weeks", 4_000),
        ("is_male_x_plurality", 100),
        ("is_male_x_mother_age_x_plurality_x_gestation_weeks", 20_000),
    ]


@pytest.mark.parametrize("cross", CROSSES, ids=lambda c: c.name)
def test_a_cross_has_declared_parents_and_a_bucket_for_each_combination_or_half(cross):
    sizes = []
    for parent in cross.parents:
        feature = BY_NAME[parent]
        if isinstance(feature, Category):
            sizes.append(len(feature.vocabulary))
        else:
            assert feature.boundaries, "numbers are crossed by their fixed buckets"
            sizes.append(len(feature.boundaries) + 1)
    assert len(set(cross.parents)) == len(cross.parents) > 1
    assert math.prod(sizes) <= 2 * cross.buckets


@pytest.mark.parametrize("band", BANDS, ids=lambda b: b.name)
def test_a_band_names_each_range_once(band):
    source = LABEL if band.source == LABEL.name else BY_NAME[band.source]
    assert isinstance(source, Number | Label)
    assert rising((source.minimum, *band.edges, source.maximum))
    assert len(set(band.labels)) == len(band.labels) == len(band.edges) + 1


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_a_group_puts_known_words_together(group):
    source = BY_NAME[group.source]
    assert isinstance(source, Category)
    assert {word for word, _ in group.names} < set(source.vocabulary)
    assert group.otherwise not in dict(group.names).values()


def test_slices_are_those_that_were_promised_and_can_be_read():
    assert set(SLICES) == {
        *("plurality", "is_male", "gestation_band"),
        *("mother_age_band", "birth_weight", "ultrasound"),
    }
    known = {*BY_NAME, *(b.name for b in BANDS), *(g.name for g in GROUPS)}
    assert set(SLICES) <= known
