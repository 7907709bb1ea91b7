"""Checkpoint: what is in this file, and is it healthy?"""

import streamlit as st

from models.checkpoints.health.findings import Finding
from viz.escape import escape_markdown
from viz.i18n import _
from viz.pages import cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointRun, CheckpointSelection, own_cells, run_selection
from viz.pages.checkpoint.compare_files import compare_files
from viz.pages.checkpoint.file_upload import choose_checkpoint
from viz.pages.checkpoint.health_panel import health_panel
from viz.pages.checkpoint.input_settings import input_settings
from viz.pages.checkpoint.layer_panels import layer_menu, selected_layer, selected_unit
from viz.pages.checkpoint.number_formats import number_formats
from viz.pages.checkpoint.run_panels import run_settings
from viz.pages.checkpoint.spectra_panel import eigenvalue_caption, spectra_panel
from viz.pages.checkpoint.tensor_list import tensor_list
from viz.pages.checkpoint.unit_panels import anomaly_table, unit_panel
from viz.pages.checkpoint.weight_distributions import forget_bias_caption, forget_bias_panel, histogram_panel
from viz.pages.edited_banner import edited_banner
from viz.pages.keep_panels import keep_panels_button
from viz.pages.panels import panel
from viz.session import Session, get_session


def page() -> None:
    """Show the Checkpoint page."""
    session = get_session()
    selection = choose_checkpoint(session)
    edited_banner(session)
    run = run_selection(session, selection)
    own = [] if selection.run is None else own_cells(cache.load_saved_run(selection.run))
    if own:
        st.info(
            _(
                "These cells are not checked, because the saved run contains their values and formulas but not their "
                "weights: {names}."
            ).format(names=escape_markdown(", ".join(own))),
            icon=":material/info:",
        )
    layer = selected_layer(session, selection, run)

    @panel(
        "health",
        _("Health check"),
        _("Start with the first line, the overall result. The measured values are next to each finding."),
    )
    def draw_health() -> list[Finding]:
        return health_panel(selection, layer or "", run)

    layer = selected_layer(session, selection, run, draw_health.draw_now() or ())

    @panel(
        "contents",
        _("File contents"),
        _("The layers and tensors found in the file. Do their sizes fit together, and is any layer missing?"),
    )
    def draw_contents() -> None:
        tensor_list(session, selection)

    if selection.run is None:

        @panel(
            "run",
            _("Run the network"),
            _("The layers and the input sequence that all other pages use. Is this how the network was trained?"),
        )
        def draw_run() -> None:
            how, what = st.columns([3, 2], gap="medium")
            with how:
                run_settings(session, selection)
            with what:
                input_settings(session, selection)

    if layer is not None:
        which, _room = st.columns([1, 2])
        with which:
            layer_menu(session, selection, run, layer)
        _layer(session, selection, layer, run)
    keep_panels_button(session, "checkpoint")


def _layer(session: Session, selection: CheckpointSelection, layer: str, run: CheckpointRun | None) -> None:
    @panel(
        "distributions",
        _("Weight distributions"),
        _(
            "Histograms of the weights, by matrix and gate. Are the distributions similar? A block that is much "
            "wider or off-center was probably changed most by training."
        ),
        opened=False,  # the first chart of plotly, whose script takes longer than the rest of the page
    )
    def draw_distributions() -> None:
        histogram_panel(selection, layer)

    kind = selection.checkpoint.found[layer].kind

    @panel("retention", _("Memory retention from the bias alone"), forget_bias_caption(kind))
    def draw_retention() -> None:
        forget_bias_panel(selection, layer, selected_unit(session, layer, run))

    @panel("eigenvalues", _("Eigenvalues of the recurrent blocks"), eigenvalue_caption(kind))
    def draw_eigenvalues() -> None:
        spectra_panel(selection, layer)

    @panel(
        "unit_health",
        _("Dead, duplicate and saturated units"),
        _(
            "Each dot is a unit. At the left edge its incoming weights are almost 0, at the bottom edge its "
            "outgoing weights: such a unit is dead. Are there any?"
        ),
    )
    def draw_unit_health() -> None:
        unit_panel(selection, layer, run)

    @panel(
        "anomalies",
        _("NaN, infinite and constant values"),
        _(
            "Unusual values in each array. NaN and ∞ can spread to all states; a row of exactly 0 was probably "
            "never trained. Are there any?"
        ),
    )
    def draw_anomalies() -> None:
        anomaly_table(selection, layer)

    @panel(
        "number_formats",
        _("Rounding errors by number format"),
        _(
            "Distance of the hidden state from the one computed in float64. Does it grow over time, or do "
            "rounding errors die out?"
        ),
    )
    def draw_number_formats() -> None:
        number_formats(selection, layer, run)

    @panel(
        "compare_files",
        _("Comparison of two checkpoints"),
        _(
            "Relative change of each weight block. Which block changed most? A large change with cosine ≈ 1: the "
            "direction hardly changed, the weights were only scaled up or down."
        ),
    )
    def draw_compare_files() -> None:
        compare_files(session, selection, layer)
