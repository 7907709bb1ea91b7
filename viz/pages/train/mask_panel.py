"""The panel with the masks of dropout and zoneout of a training step, drawn over the unrolled network."""

from __future__ import annotations

from functools import partial

import streamlit as st

from models.core.cells import cell_of
from models.runs.open_run import TrainingRun
from models.training.step_masks import StepMask, step_masks
from models.training.training_options import TrainingOptions
from models.training.training_tasks import task_data
from viz.figures.mask_grid import MAX_STEPS, MAX_UNITS, DrawnMask, mask_grid
from viz.i18n import _
from viz.pages.page_elements import caption, page_theme
from viz.pages.panels import panel
from viz.pages.train.live_chart import live_chart
from viz.pages.train.shown_run import ShownRun
from viz.quantity_names import quantity_names


def mask_panel(run: ShownRun, recording: TrainingRun, options: TrainingOptions) -> None:
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
        # a snapshot after n updates is that before step n, and the last one has no step of its own
        step = max(0, min(recording.updates if run.step is None else run.step, recording.updates - 1))
        drawn = [drawn_mask(mask, options) for mask in masks_of(options, step)]
        draw_figure = partial(mask_grid, drawn, theme=page_theme())
        live_chart(draw_figure, "masks", run.name, f"masks-{step}")
        words = []
        if any(not each.keeps for each in drawn):
            words.append(_("Coloured: values that are dropped (multiplied by 0)."))
        if any(each.keeps for each in drawn):
            words.append(_("Coloured in the masks of zoneout: units that keep their previous state."))
        words.append(
            _(
                "The first sequence of the batch of training step {step:,}; the first {units} units and {steps} time steps "
                "at most. Masks are used in training only."
            ).format(step=step, units=MAX_UNITS, steps=MAX_STEPS)
        )
        if any(each.gates for each in drawn):
            words.append(_("Where each gate has its own mask, the first {n} units of each.").format(n=_by_gate(drawn)))
        caption(" ".join(words))


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


def drawn_mask(mask: StepMask, options: TrainingOptions) -> DrawnMask:
    """Return a mask with its title and the names of its gates."""
    gates = cell_of(options.cell).gates if mask.values.shape[1] > 1 else ()
    names = tuple(quantity_names()[gate] for gate in gates)
    return DrawnMask(mask_title(mask), mask.values, mask.place.startswith("keep"), names)


def _by_gate(drawn: list[DrawnMask]) -> int:
    """Return the largest number of units that are drawn of each gate."""
    return max(each.units for each in drawn if each.gates)


def mask_title(mask: StepMask) -> str:
    """Return what a mask acts on."""
    titles = {
        "input": _("{layer}: input"),
        "hidden": _("{layer}: previous hidden state (along time)"),
        "keep_hidden": _("{layer}: zoneout of the hidden state"),
        "keep_cell": _("{layer}: zoneout of the cell state"),
    }
    return titles[mask.place].format(layer=mask.layer)
