"""What a reader can do with an input of more time steps than are run at once: run a part of it, or all of it."""

import time

import streamlit as st

from models.decoding.run_network import run_network
from models.networks.forward_run import SymbolPrediction, TagPrediction
from models.networks.input_limit import MAX_INPUT_STEPS, TooManyStepsError
from viz.i18n import _
from viz.pages import cache
from viz.session import Session

MAX_NUMBERS = 100_000_000
"""Numbers of a run, gates, states and probabilities, that are kept in memory at once: 400 MB."""


def offer_parts(session: Session) -> None:
    """Show below a text that is too long what can be run instead: its first steps, a part, or all and how long that takes."""
    rejected = session.rejected or session.view
    name, text = rejected.net or session.view.net or "", rejected.text or ""
    if len(text) <= session.input_limit or not cache.is_network(name):
        return
    network = cache.network(name)
    try:
        network.tokenize(text)
        return
    except TooManyStepsError as error:
        count, limit = error.count, error.limit
    except ValueError:
        return

    def run(first: int, steps: int) -> None:
        session.navigate(net=name, text=network.part(text, first, steps), step=None)

    def run_all() -> None:
        session.input_limit = count
        session.navigate(net=name, text=text, step=None)

    with st.container(horizontal=True, vertical_alignment="bottom", key="long_input"):
        st.button(
            _("Run the first {n} time steps").format(n=f"{limit:,}"), on_click=run, args=(0, limit), key="run_first"
        )
        first = st.number_input(
            _("First time step of the part (1 to {last})").format(last=f"{count - limit + 1:,}"),
            1,
            count - limit + 1,
            min(limit + 1, count - limit + 1),
            key=f"part_first_{count}",
            width=260,
        )
        st.button(
            _("Run {n} time steps from there").format(n=f"{limit:,}"),
            on_click=run,
            args=(int(first) - 1, limit),
            key="run_part",
        )
        if network.card.predicts == "sequence":
            return
        seconds, numbers = _cost_per_step(name)
        if count * numbers <= MAX_NUMBERS:
            st.button(
                _("Run all {n} time steps (about {seconds} s)").format(
                    n=f"{count:,}", seconds=f"{count * seconds:.2g}"
                ),
                on_click=run_all,
                key="run_whole",
            )
        else:
            st.caption(
                _("All {n} time steps need too much memory; at most {most} can be run at once.").format(
                    n=f"{count:,}", most=f"{int(MAX_NUMBERS // numbers):,}"
                )
            )


@st.cache_resource(show_spinner=False, max_entries=cache.MAX_RUNS)
def _cost_per_step(name: str) -> tuple[float, float]:
    """Return the seconds and the numbers of one time step of a network, measured on its default input, repeated."""
    network = cache.network(name)
    separator = "" if network.kind == "characters" else "; " if network.card.columns > 1 else " "
    text = network.card.default.text
    repeats = MAX_INPUT_STEPS // max(1, len(network.tokens(text)))
    text = separator.join([text] * max(1, repeats))
    steps = min(len(network.tokens(text)), MAX_INPUT_STEPS)
    text = network.part(text, 0, steps)
    began = time.perf_counter()
    run = run_network(network, text)
    numbers = sum(layer[quantity].shape[2] for layer in run.trace.layers.values() for quantity in layer.quantities)
    seconds = time.perf_counter() - began
    if isinstance(run.prediction, SymbolPrediction | TagPrediction):
        numbers += run.prediction.probability.shape[1]
    return seconds / steps, numbers
