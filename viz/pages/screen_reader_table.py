"""Numbers of a chart for screen readers and for whoever reads a page by program: a chart itself tells them nothing."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import streamlit as st

HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap"


def mirror(curves: Iterable[tuple[str, str, str, np.ndarray]], labels: Sequence[str], caption: str, key: str) -> None:
    """A table that takes no room: an element per number, with its full value.

    Args:
        curves: (quantity, network, layer, values (T)) each.
        labels: T strings, one a step.
        caption: what the numbers are.
        key: tells this table from others on the page, as ``data-group``.
    """
    rows = []
    for quantity, net, layer, values in curves:
        attributes = f'data-quantity="{quantity}" data-net="{escape(net)}" data-layer="{escape(layer)}"'
        cells = "".join(
            f'<span role="listitem" {attributes} data-step="{step}" data-value="{as_number(value)}">'
            f"{step + 1} {escape(label)}: {value:.3g}</span> "
            for step, (value, label) in enumerate(zip(values, labels, strict=True))
        )
        rows.append(f'<div role="list" aria-label="{escape(net)} {quantity}">{cells}</div>')
    st.html(f'<div style="{HIDDEN}" data-group="{key}"><p>{escape(caption)}</p>{"".join(rows)}</div>')


def as_number(value: float) -> str:
    """As JavaScript's Number reads it."""
    number = float(value)
    if np.isnan(number):
        return "NaN"
    return repr(number) if np.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")
