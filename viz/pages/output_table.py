"""The table of what a file's own graph puts out besides its prediction."""

import numpy as np
import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.i18n import _
from viz.pages.page_elements import dense_table
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

MAX_OUTPUTS, MAX_VALUES = 8, 12
"""Outputs in the table, and values of each."""


def output_table(run: ForwardRun, key: str, before: ForwardRun | None = None) -> None:
    """Show the outputs of a run that are not its prediction: name, shape and first values.

    Args:
        run: the run.
        key: differs between the tables of a page.
        before: the run before the edits, whose values are shown too.
    """
    rows = []
    for name, values in list(run.outputs.items())[:MAX_OUTPUTS]:
        row = {_("Output of the file"): name, _("Shape"): " × ".join(map(str, values.shape)) or "1"}
        old = None if before is None else before.outputs.get(name)
        if old is not None:
            row[_("Values before the edits")] = _first(old)
        row[_("Values")] = _first(values)
        rows.append(row)
    if rows:
        dense_table(rows)
        numbers = [
            HiddenNumber("output", name, value, unit)
            for name, values in list(run.outputs.items())[:MAX_OUTPUTS]
            for unit, value in enumerate(_head(values).tolist())
        ]
        hidden_numbers(numbers, _("Outputs of the file"), key)
    if len(run.outputs) > MAX_OUTPUTS:
        st.caption(_("{n} more outputs are not shown.").format(n=len(run.outputs) - MAX_OUTPUTS))


def _head(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1)[:MAX_VALUES]


def _first(values: np.ndarray) -> str:
    """Return the first values as text."""
    shown = ", ".join(f"{value:.4g}".replace("-", "−") for value in _head(values).tolist())
    return f"{shown}, …" if values.size > MAX_VALUES else shown
