"""Which of Python and the reader set a field of the view last: the player in the browser and its reports need not wait."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PLAYED = ("step", "unit", "quantity", "source")
"""Fields that a reader changes in a player."""


@dataclass
class Revisions:
    """The changes of a view by Python, not by the player, and which of them set each field.

    A field that Python has not set since the player followed it last stays as the reader has it: a reader who steps while
    the page runs, for instance with another layer, keeps that step.

    Attributes:
        last: number of the last change.
    """

    last: int = 0
    _set_at: dict[str, int] = field(default_factory=dict)

    def add(self, fields: Iterable[str] = PLAYED) -> None:
        """Count a change that sets these fields."""
        names = set(fields)
        if names & {"net", "text"}:
            names.update(PLAYED)
        if "layer" in names:  # another layer may have other units and quantities
            names.update(("unit", "quantity"))
        self.last += 1
        self._set_at.update(dict.fromkeys(names, self.last))

    def since(self) -> dict[str, int]:
        """Return the change that last set each of `PLAYED`, 0 if none has."""
        return {name: self._set_at.get(name, 0) for name in PLAYED}

    def not_set_since(self, revision: int, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes of a report about a revision, without the fields that Python has set since."""
        return {name: value for name, value in changes.items() if revision >= self._set_at.get(name, 0)}
