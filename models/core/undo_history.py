"""A value with its earlier and its undone values, for undo and redo."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as with_fields
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class UndoHistory(Generic[T]):
    """A value and its changes, immutable.

    Attributes:
        now: the current value.
        past: earlier values, oldest first.
        future: undone values, the next one to redo last.
    """

    now: T
    past: tuple[T, ...] = ()
    future: tuple[T, ...] = ()

    def push(self, value: T) -> UndoHistory[T]:
        """Return the history after a change to ``value``, without undone values; itself if the value is the same."""
        return self if value == self.now else UndoHistory(value, (*self.past, self.now))

    def replace(self, value: T) -> UndoHistory[T]:
        """Return the history with another current value and no new undo step, as while a slider is dragged."""
        return with_fields(self, now=value)

    def undo(self) -> UndoHistory[T]:
        """Return the history one change earlier; itself at the beginning."""
        return UndoHistory(self.past[-1], self.past[:-1], (*self.future, self.now)) if self.past else self

    def redo(self) -> UndoHistory[T]:
        """Return the history with the last undone change restored; itself if there is none."""
        return UndoHistory(self.future[-1], (*self.past, self.now), self.future[:-1]) if self.future else self
