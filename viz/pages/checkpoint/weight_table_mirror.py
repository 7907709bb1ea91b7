"""Numbers of the Checkpoint lens for screen readers and for whoever reads the page by program."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import streamlit as st

from viz.pages.screen_reader_table import HIDDEN, as_number


@dataclass(frozen=True)
class Number:
    """One number and what it is of."""

    quantity: str
    layer: str
    value: float
    unit: int | None = None
    gate: str | None = None

    def html(self) -> str:
        """An element that carries it."""
        further = "" if self.unit is None else f' data-unit="{self.unit}"'
        further += "" if self.gate is None else f' data-gate="{escape(self.gate)}"'
        of = self.gate if self.unit is None else self.unit
        return (
            f'<span role="listitem" data-quantity="{self.quantity}" data-layer="{escape(self.layer)}"{further} '
            f'data-value="{as_number(self.value)}">{escape(str(of))}: {self.value:.4g}</span> '
        )


def mirror(numbers: Iterable[Number], caption: str, key: str) -> None:
    """A list that takes no room: an element per number, with its full value; ``key`` is its ``data-group``."""
    cells = "".join(number.html() for number in numbers)
    st.html(f'<div style="{HIDDEN}" data-group="{key}"><p>{escape(caption)}</p><div role="list">{cells}</div></div>')
