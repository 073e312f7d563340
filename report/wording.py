"""How a page speaks of the table it is about: names, nouns and units, as they are declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models import features
from models.declaration import Label
from models.feature_kinds import label_digits

OVERALL = "all examples"


@dataclass(frozen=True)
class Wording:
    """How to speak of a table.

    Attributes:
        label: What is predicted.
        titles: What people read for columns and slicing features, by name.
        calendar: The columns that say when; none where none does.
    """

    label: Label
    titles: Mapping[str, str]
    calendar: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        """What one calls the label in a sentence."""
        return self.label.noun

    @property
    def digits(self) -> int:
        """Digits behind the point that tell errors apart: four below the label's whole range."""
        return label_digits(self.label)

    def title(self, name: str) -> str:
        """What people read for a column or a slicing feature."""
        return self.titles.get(name) or name.replace("_", " ")

    def slice_title(self, feature: str, value: str) -> str:
        """What people read for a slice; both are empty for all examples."""
        return f"{self.title(feature)} {value}" if feature else OVERALL

    def in_unit(self, quantity: str, power: str = "") -> str:
        """The name of a quantity with the label's unit, if it has one, such as `RMSE, kg`."""
        return f"{quantity}, {self.label.unit}{power}" if self.label.unit else quantity

    def amount(self, value: float, more_digits: int = 0) -> str:
        """An amount with the label's unit, if it has one, such as `1.034 kg`."""
        return f"{value:,.{self.digits + more_digits}f} {self.label.unit}".rstrip()


def declared_wording() -> Wording:
    """How to speak of the table that this project declares."""
    titled = (*features.FEATURES, *features.BANDS, *features.GROUPS)
    titles = {each.name: each.title for each in titled}
    when = features.CALENDAR
    return Wording(
        features.LABEL,
        titles | {features.LABEL.name: features.LABEL.noun},
        (when.year, when.month) if when else (),
    )
