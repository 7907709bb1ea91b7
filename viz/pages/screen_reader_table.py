"""Hidden tables of a chart's numbers, for screen readers and for programs that read a page: a chart itself has no text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from viz.escape import escape_html

HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap"


@dataclass(frozen=True)
class HiddenNumber:
    """One number, with the quantity, layer and unit or gate that it belongs to."""

    quantity: str
    layer: str
    value: float
    unit: int | None = None
    gate: str | None = None

    def html(self) -> str:
        """Return the list item of the number."""
        further = "" if self.unit is None else f' data-unit="{self.unit}"'
        further += "" if self.gate is None else f' data-gate="{escape_html(self.gate)}"'
        of = self.gate if self.unit is None else self.unit
        return (
            f'<span role="listitem" data-quantity="{self.quantity}" data-layer="{escape_html(self.layer)}"{further} '
            f'data-value="{js_number(self.value)}">{escape_html(str(of))}: {self.value:.4g}</span> '
        )


def hidden_numbers(numbers: Iterable[HiddenNumber], caption: str, key: str) -> None:
    """Add a list that takes no room: an element per number, with its full value; ``key`` is its ``data-group``."""
    cells = "".join(number.html() for number in numbers)
    st.html(
        f'<div style="{HIDDEN}" data-group="{key}"><p>{escape_html(caption)}</p><div role="list">{cells}</div></div>'
    )


def hidden_curves(
    curves: Iterable[tuple[str, str, str, np.ndarray]], labels: Sequence[str], caption: str, key: str
) -> None:
    """Add a table that takes no room: a list per curve, an element per time step, with its full value.

    Args:
        curves: (quantity, network, layer, values (T)) each.
        labels: T strings, one a step.
        caption: what the numbers are.
        key: differs between the tables of a page; their ``data-group``.
    """
    rows = []
    for quantity, net, layer, values in curves:
        attributes = f'data-quantity="{quantity}" data-net="{escape_html(net)}" data-layer="{escape_html(layer)}"'
        cells = "".join(
            f'<span role="listitem" {attributes} data-step="{step}" data-value="{js_number(value)}">'
            f"{step + 1} {escape_html(label)}: {value:.3g}</span> "
            for step, (value, label) in enumerate(zip(values, labels, strict=True))
        )
        rows.append(f'<div role="list" aria-label="{escape_html(net)} {quantity}">{cells}</div>')
    st.html(f'<div style="{HIDDEN}" data-group="{key}"><p>{escape_html(caption)}</p>{"".join(rows)}</div>')


def js_number(value: float) -> str:
    """Return ``value`` as JavaScript's ``Number`` parses it."""
    number = float(value)
    if np.isnan(number):
        return "NaN"
    return repr(number) if np.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")
