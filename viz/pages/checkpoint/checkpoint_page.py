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
from viz.pages.checkpoint.section import section
from viz.pages.checkpoint.spectra_panel import spectrums
from viz.pages.checkpoint.tensor_list import contents
from viz.pages.checkpoint.unit_panels import oddities, units
from viz.pages.checkpoint.weights import histograms, kept
from viz.pages.edited_banner import edited
from viz.session import Session, get_session


def page() -> None:
    """The Checkpoint lens."""
    session = get_session()
    selection = look_at(session)
    edited(session)
    run = run_of(session, selection)
    layer, found = looked_layer(session, selection, run), list[Finding]()
    with section(_("Is it healthy?"), _("Read the first line; what was measured stands beside each sentence.")):
        found = judge(selection, layer or "", run)
    layer = looked_layer(session, selection, run, found)
    with section(_("What is in the file"), _("Do the sizes fit each other, and is every layer there that you expect?")):
        contents(session, selection)
    if selection.run is None:
        with section(_("Run it"), _("Is this how the network was trained? Then every other lens shows what it does.")):
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
    with section(
        _("The weights of each gate"),
        _("Are the gates alike? A block that is much wider, or not centred on 0, has been pushed hard in training."),
    ):
        histograms(selection, layer)
    with section(
        _("What is kept where nothing is read"),
        _("Left of the dotted line at 0 a gate lets go of more than half of its state at every step."),
    ):
        kept(selection, layer, unit_of(session, layer, run))
    with section(
        _("The spectra of the recurrent blocks"),
        _("Dots outside the circle are directions that grow each time the block is applied; inside, they fade."),
    ):
        spectrums(selection, layer)
    with section(
        _("Dead, duplicate and saturated units"),
        _("Look for units at the edges: they read nothing, or nothing reads them."),
    ):
        units(selection, layer, run)
    with section(
        _("Broken and untouched numbers"), _("NaN and ∞ spread to every state; rows of 0 were never moved by training.")
    ):
        oddities(selection, layer)
    with section(
        _("The same network in other number formats"),
        _("Does the distance grow step by step, or does the network forget its rounding errors?"),
    ):
        formats(selection, layer, run)
    with section(
        _("Two checkpoints: what moved"),
        _("Which gate learned most between the two? A cosine near 1 with a large change: it only grew."),
    ):
        compared(session, selection, layer)
