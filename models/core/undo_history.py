"""A value as it is, as it was and as it would be again: what undo and redo need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class History(Generic[T]):
    """A value and its changes, itself a value.

    Attributes:
        now: the value that counts.
        past: earlier values, oldest first.
        future: values that were undone, the next one last.
    """

    now: T
    past: tuple[T, ...] = ()
    future: tuple[T, ...] = ()

    def then(self, value: T) -> History[T]:
        """After a change to ``value``; what was undone is forgotten. The same value again changes nothing."""
        return self if value == self.now else History(value, (*self.past, self.now))

    def amend(self, value: T) -> History[T]:
        """After a change that undo does not stop at, such as one of many values while a slider is dragged."""
        return replace(self, now=value)

    def undo(self) -> History[T]:
        """One change back; itself at the beginning."""
        return History(self.past[-1], self.past[:-1], (*self.future, self.now)) if self.past else self

    def redo(self) -> History[T]:
        """One undone change on; itself at the end."""
        return History(self.future[-1], (*self.past, self.now), self.future[:-1]) if self.future else self
