"""The panel with the masks of dropout and zoneout of a training step, drawn over the unrolled network."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from models.training.step_masks import StepMask, step_masks
from models.training.training_options import TrainingOptions
from models.training.training_tasks import task_data
from viz.figures.mask_grid import MAX_STEPS, MAX_UNITS, mask_grid
from viz.i18n import _
from viz.pages.page_elements import caption, page_theme
from viz.pages.panels import panel
from viz.pages.train.live_chart import live_chart
from viz.pages.train.shown_run import ShownRun


def mask_panel(run: ShownRun, options: TrainingOptions) -> None:
    """Declare the panel, for a run with dropout or zoneout."""

    @panel(
        "dropout_masks",
        _("Dropout masks over the unrolled network"),
        _(
            "Rows of the same colour at all time steps: one mask for the sequence (variational). Another pattern at each "
            "time step: fresh masks."
        ),
        opened=False,
    )
    def draw() -> None:
        step = run.step or 0
        masks = masks_of(options, step)
        drawn = [(mask_title(mask), by_gate(mask), mask.place.startswith("keep")) for mask in masks]
        draw_figure = partial(mask_grid, drawn, theme=page_theme())
        live_chart(draw_figure, "masks", run.name, f"masks-{step}")
        caption(
            _(
                "The first sequence of the batch of training step {step:,}; the first {units} units and {steps} time steps "
                "at most. Masks are used in training only."
            ).format(step=step, units=MAX_UNITS, steps=MAX_STEPS)
        )


def has_masks(options: TrainingOptions) -> bool:
    """Return whether a run draws masks."""
    rates = (
        options.input_dropout, options.depth_dropout, options.time_dropout, options.zoneout, options.zoneout_cell
    )  # fmt: skip
    return max(rates) > 0


@st.cache_resource(show_spinner=False, max_entries=16)
def masks_of(options: TrainingOptions, step: int) -> list[StepMask]:
    """Return the masks of the first sequence of a training step."""
    return step_masks(options, task_data(options), step)


def by_gate(mask: StepMask) -> np.ndarray:
    """Return a mask as (T, units), the masks of several gates one above the other."""
    steps, gates, _units = mask.values.shape
    shown = mask.values[:, :, : max(1, MAX_UNITS // gates)] if gates > 1 else mask.values
    return shown.reshape(steps, -1)


def mask_title(mask: StepMask) -> str:
    """Return what a mask acts on."""
    titles = {
        "input": _("{layer}: input"),
        "hidden": _("{layer}: previous hidden state (along time)"),
        "keep_hidden": _("{layer}: zoneout of the hidden state"),
        "keep_cell": _("{layer}: zoneout of the cell state"),
    }
    title = titles[mask.place].format(layer=mask.layer)
    gates = mask.values.shape[1]
    return title if gates == 1 else _("{title}, one mask for each of {n} gates").format(title=title, n=gates)
