"""Checkpoint: what is in this file, and is it healthy?"""

import streamlit as st

from models.checkpoints.health.findings import Finding
from viz.i18n import _
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection, Run, run_of
from viz.pages.checkpoint.compare_files import compared
from viz.pages.checkpoint.file_upload import look_at
from viz.pages.checkpoint.health_panel import judge
from viz.pages.checkpoint.input_settings import give
from viz.pages.checkpoint.layer_panels import looked_layer, pick_layer, unit_of
from viz.pages.checkpoint.number_formats import formats
from viz.pages.checkpoint.run_panels import set_up
from viz.pages.checkpoint.spectra_panel import spectrums
from viz.pages.checkpoint.tensor_list import contents
from viz.pages.checkpoint.unit_panels import oddities, units
from viz.pages.checkpoint.weight_distributions import histograms, kept
from viz.pages.edited_banner import edited_banner
from viz.pages.page_elements import safe_panel
from viz.session import Session, get_session


def page() -> None:
    """The Checkpoint lens."""
    session = get_session()
    selection = look_at(session)
    edited_banner(session)
    run = run_of(session, selection)
    layer, found = looked_layer(session, selection, run), list[Finding]()
    with safe_panel(
        _("Health check"),
        _("Start with the first line, the overall result. The measured values are next to each finding."),
    ):
        found = judge(selection, layer or "", run)
    layer = looked_layer(session, selection, run, found)
    with safe_panel(
        _("File contents"),
        _("The layers and tensors found in the file. Do their sizes fit together, and is any layer missing?"),
    ):
        contents(session, selection)
    if selection.run is None:
        with safe_panel(
            _("Run the network"),
            _("The layers and the input sequence that all other pages use. Is this how the network was trained?"),
        ):
            how, what = st.columns([3, 2], gap="medium")
            with how:
                set_up(session, selection)
            with what:
                give(session, selection)
    if layer is not None:
        which, _room = st.columns([1, 2])
        with which:
            pick_layer(session, selection, run, layer)
        _layer(session, selection, layer, run)


def _layer(session: Session, selection: CheckpointSelection, layer: str, run: Run | None) -> None:
    with safe_panel(
        _("Weight distributions"),
        _(
            "Histograms of the weights, by matrix and gate. Are the distributions similar? A block that is much "
            "wider or off-center was probably changed most by training."
        ),
    ):
        histograms(selection, layer)
    with safe_panel(
        _("Memory retention from the bias alone"),
        _(
            "Each dot is a unit. Left of the dotted line (b = 0) the forget gate (GRU: update gate) is below 0.5 "
            "by its bias alone, so less than half of the state survives each time step. On which side are most "
            "units?"
        ),
    ):
        kept(selection, layer, unit_of(session, layer, run))
    with safe_panel(
        _("Eigenvalues of the recurrent blocks"),
        _(
            "Eigenvalues λ of each recurrent block. Are any outside the unit circle (|λ| > 1)? Repeated "
            "multiplication by the block makes their directions grow. Backpropagation in a vanilla RNN does "
            "repeat this product; in an LSTM or GRU the gates also act, so take them only as a measure of scale."
        ),
    ):
        spectrums(selection, layer)
    with safe_panel(
        _("Dead, duplicate and saturated units"),
        _(
            "Each dot is a unit. At the left edge its incoming weights are almost 0, at the bottom edge its "
            "outgoing weights: such a unit is dead. Are there any?"
        ),
    ):
        units(selection, layer, run)
    with safe_panel(
        _("NaN, infinite and constant values"),
        _(
            "Unusual values in each array. NaN and ∞ can spread to all states; a row of exactly 0 was probably "
            "never trained. Are there any?"
        ),
    ):
        oddities(selection, layer)
    with safe_panel(
        _("Rounding errors by number format"),
        _(
            "Distance of the hidden state from the one computed in float64. Does it grow over time, or do "
            "rounding errors die out?"
        ),
    ):
        formats(selection, layer, run)
    with safe_panel(
        _("Comparison of two checkpoints"),
        _(
            "Relative change of each weight block. Which block changed most? A large change with cosine ≈ 1: the "
            "direction hardly changed, the weights were only scaled up or down."
        ),
    ):
        compared(session, selection, layer)
