"""Guided experiments: one click each."""

from dataclasses import dataclass

import streamlit as st

from models.edits.edit_syntax import read_edits
from viz.i18n import N_, _
from viz.pages import cache
from viz.pages.gradients.compare_cells import open_initialization_sliders
from viz.session import Session


@dataclass(frozen=True)
class Experiment:
    """Guided experiment: button label, network, edits, step to show, and what to look for."""

    title: str
    net: str
    edits: str
    step: int
    look_for: str


EXPERIMENTS = (
    Experiment(
        N_("Disconnect the counting unit"),
        "counter",
        "rnn.l0.writes[0]=0",
        9,
        N_(
            "The outgoing weights of unit 0 are set to 0, so its count of the a's no longer reaches the output: "
            "after the first b the network already predicts the end. Undo to restore it."
        ),
    ),
    Experiment(
        N_("Erase the cell state mid-sentence"),
        "recall-lstm",
        "rnn.l0.forget_gate@12=0",
        24,
        N_(
            "At one time step all forget gates are set to 0, which erases the first word (the city) from the cell "
            "state. Which city does the network output after the last word?"
        ),
    ),
)


def experiments(session: Session) -> None:
    """Show the buttons, and what to look for in the active experiment."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(_("Experiments:"), width="content")
        for index, experiment in enumerate(EXPERIMENTS):
            st.button(
                f"{_(experiment.title)} · {cache.display_name(experiment.net)}",
                key=f"experiment_{index}",
                icon=":material/science:",
                on_click=lambda experiment=experiment: _begin(session, experiment),
            )
        if st.button(
            _("Raise the spectral radius above 1 (untrained RNN)"),
            key="experiment_radius",
            icon=":material/science:",
            help=_(
                "Opens the Gradients page. Raise the spectral radius from 0.9: how does the gradient curve of the RNN "
                "change?"
            ),
        ):
            open_initialization_sliders()
            st.switch_page(_gradients_page())
    for experiment in EXPERIMENTS:
        if (session.view.net, session.view.edits) == (experiment.net, experiment.edits):
            st.info(_(experiment.look_for), icon=":material/visibility:")


def _gradients_page() -> st.Page:
    from viz.pages import find_lens  # here, because viz.pages imports this page

    return find_lens("gradients").page()


def _begin(session: Session, experiment: Experiment) -> None:
    start = cache.network(experiment.net).card.default
    session.navigate(
        net=experiment.net, text=start.text, layer=start.layer, unit=start.unit, step=experiment.step, quantity=None, edits=""
    )  # fmt: skip
    session.set_edits(read_edits(experiment.edits))
