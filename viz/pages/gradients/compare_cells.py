"""The third part of the Gradients lens: one sequence and one loss in an RNN, an LSTM and a GRU."""

from typing import get_args

import numpy as np
import streamlit as st

from models.core.cells import Kind
from models.core.layer_gradients import LayerGradients
from models.gradients.initialized import InitConfig, initialized_gradients
from models.gradients.jacobian import recurrent_spectrum
from models.gradients.losses import Loss, differentiate
from models.networks.network import Network
from models.zoo.catalogue import initial_network
from models.zoo.recall import EXAMPLES, readable_text
from viz.components.sliders import Slider, slider_values, sliders
from viz.figures.gradient_comparison import gradient_comparison
from viz.i18n import _, language
from viz.pages import cache
from viz.pages.gradients import gradient_cache as gradients_sources
from viz.pages.gradients.norm_panels import prose, rate_in_words
from viz.pages.page_elements import chart, page_theme, panel
from viz.pages.screen_reader_table import hidden_curves
from viz.session import Session

NETS: dict[Kind, str] = {"RNN": "recall-rnn", "LSTM": "recall-lstm", "GRU": "recall-gru"}
DISTANCE = 40
VANISHED = 1e-3
"""Below this share of the last step's gradient the first step learns next to nothing."""
LAYER = "rnn.l0"
VIEW_ID = "gradients"
WAY, KNOBS, LED = "cells_way", "cells_knobs", "cells_led"
STANDING = (1e-14, 1e6)
"""The axis while knobs move: it stands still, so that the curves are seen to move."""


def cells(session: Session) -> None:
    """The three kinds side by side."""
    with panel(
        _("3 · Vanishing gradient: RNN, LSTM and GRU compared"),
        _(
            "Gradient norm relative to the last time step. How much of it reaches the first step (left end)? "
            "Along the LSTM cell state it is multiplied only by the forget gates, not by W_hh."
        ),
    ):
        _side_by_side(session)


@st.fragment
def _side_by_side(session: Session) -> None:
    ways = {
        "trained": _("trained to recall the city"),
        "started": _("same networks before training"),
        "knobs": _("untrained, adjustable"),
    }
    way = st.segmented_control(
        _("Networks"),
        list(ways),
        format_func=ways.__getitem__,
        default=None if WAY in st.session_state else "trained",  # another lens may have chosen
        required=True,
        key=WAY,
    )
    if way == "knobs":
        _with_knobs()
    else:
        st.session_state.pop(LED, None)
        _recall(session, started=way == "started")


def _recall(session: Session, *, started: bool) -> None:
    text = recall_text(session)
    found = {kind: of_recall(name, text, started) for kind, name in NETS.items()}
    labels = tuple(cache.network("recall-rnn").labels(text))
    st.markdown(
        _("Input text of all three: “{text}” Loss: L = −ln p(“{target}”) after the last word.").format(
            text=_short(text), target=labels[0]
        )
    )
    _show(found, labels, names=NETS, lowest=None)
    distance = len(labels) - 1
    st.markdown(_verdict(found, distance, started, text))
    if session.view.text != (long := long_text()) and st.button(
        _("Use a text with {n} words after the city").format(n=DISTANCE), icon=":material/straighten:"
    ):
        net = session.view.net if session.view.net in NETS.values() else "recall-lstm"
        session.navigate(net=net, text=long, layer=LAYER, unit=None, step=None, quantity=None)
        st.rerun()


def lead_to_knobs() -> None:
    """Have the lens open at its knobs, with a word on which to turn."""
    st.session_state[WAY], st.session_state[LED] = "knobs", True


def _with_knobs() -> None:
    if LED in st.session_state:
        st.info(
            _("Raise the spectral radius of W_hh from 0.9 past 1: how does the curve of the RNN change?"),
            icon=":material/visibility:",
        )
    turning, switching = st.columns([4, 1], gap="medium")
    scales = (
        Slider("steps", _("Sequence length"), 5, 200, 1, 40),
        Slider("radius", _("Spectral radius of W_hh (each gate)"), 0.1, 3.0, 0.05, 0.9),
        Slider(
            "bias",
            _("Forget gate bias"),
            -2.0,
            5.0,
            0.25,
            1.0,
            hint=_(
                "For the GRU this is the bias of the update gate z. As in PyTorch, z near 1 keeps the old state. The "
                "RNN has neither gate."
            ),
        ),
    )
    with switching:
        activation = st.segmented_control(
            _("RNN activation function"), ["tanh", "relu"], default="tanh", required=True, key="knob_activation"
        )
    values = slider_values(scales, KNOBS)
    steps = round(values["steps"])
    setting = InitConfig(
        radius=values["radius"],
        memory_bias=values["bias"],
        activation="relu" if activation == "relu" else "tanh",
        steps=steps,
    )
    found = {kind: of_knobs(kind, setting) for kind in get_args(Kind)}
    st.caption(
        _(
            "{units} units each, same input sequence and same random seed. L is the last hidden state projected "
            "onto a fixed direction."
        ).format(units=setting.hidden)
    )
    labels = tuple(str(step + 1) for step in range(steps))
    names = {kind: f"untrained-{kind.lower()}" for kind in found}
    _show(found, labels, names=names, lowest=STANDING[0], highest=STANDING[1])
    with turning:
        sliders(VIEW_ID, scales, key=KNOBS, reveal=st.session_state.get(LED, False))
    if LED in st.session_state:
        st.session_state[LED] = False


def _show(
    found: dict[Kind, LayerGradients],
    labels: tuple[str, ...],
    *,
    names: dict[Kind, str],
    lowest: float | None,
    highest: float | None = None,
) -> None:
    norms = {kind: gradients_sources.norms_of(each) for kind, each in found.items()}
    hidden = {kind: each["hidden"] for kind, each in norms.items()}
    figure = gradient_comparison(hidden, labels, lowest=lowest, highest=highest, theme=page_theme())
    chart(figure, "gradient_comparison", names=("gradient-comparison",))
    for column, (kind, each) in zip(st.columns(3, gap="medium"), found.items(), strict=True):
        gates = recurrent_spectrum(each.layer.weights)
        gate = each.layer.weights.cell.gates[0] if kind == "RNN" else "candidate"
        with column:
            st.markdown(f"**{kind}** · {share_in_words(hidden[kind])}  \n{rate_in_words(hidden[kind])}")
            words = (
                _("W_hh: spectral radius {radius}, spectral norm {norm}")
                if kind == "RNN"
                else _("Candidate W_h: spectral radius {radius}, spectral norm {norm}")
            )
            st.caption(words.format(radius=f"{gates[gate].radius:.2f}", norm=f"{gates[gate].norm:.2f}"))
    hidden_curves(
        [
            (f"{state}_grad_norm", names[kind], found[kind].layer.name, values)
            for kind, each in norms.items()
            for state, values in each.items()
        ],
        labels,
        _("Gradient norms with respect to the states at every time step, for three networks."),
        "comparison",
    )


def share(norms: np.ndarray) -> float:
    """How much of the last step's norm there is at the first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(norms[0] / norms[-1])


def share_in_words(norms: np.ndarray) -> str:
    """The first step's norm against the last's."""
    part = share(norms)
    if not np.isfinite(part):
        return _("the gradient is NaN or infinite")
    return _("gradient at the first step: {share} × that at the last").format(share=prose(part))


def _verdict(found: dict[Kind, LayerGradients], distance: int, started: bool, text: str) -> str:
    shares = {kind: share(gradients_sources.norms_of(each)["hidden"]) for kind, each in found.items()}
    # For translators: {rnn} and {lstm} are numbers such as 0.16 or 2.8·10⁻¹².
    facts = _("Gradient at the first step, {n} steps back: RNN {rnn} ×, LSTM {lstm} × that at the last step.").format(
        n=distance, rnn=prose(shares["RNN"], 2), lstm=prose(shares["LSTM"], 2)
    )
    if shares["RNN"] < VANISHED <= shares["LSTM"]:
        told = _("The gradient of the RNN has vanished (below {limit}); that of the LSTM has not.").format(
            limit=VANISHED
        )
    elif max(shares.values()) < VANISHED:
        told = (
            _(
                "All gradients have vanished (below {limit}). The LSTM's, whose forget gate biases were initialized "
                "to 1, decays most slowly."
            ).format(limit=VANISHED)
            if max(shares, key=shares.__getitem__) == "LSTM"
            else _("All gradients have vanished (below {limit}).").format(limit=VANISHED)
        )
    elif shares["RNN"] >= VANISHED and not started:
        radius = recurrent_spectrum(found["RNN"].layer.weights)["preactivation"].radius
        first = of_recall(NETS["RNN"], text, True)
        before = recurrent_spectrum(first.layer.weights)["preactivation"].radius
        told = _(
            "Unlike the textbook case, the gradient of this RNN has not vanished. Training changed the spectral "
            "radius of its W_hh from {before} to {after}. Before training, the first word got {share} × the last "
            "step's gradient; see “{way}”."
        ).format(
            before=f"{before:.2f}",
            after=f"{radius:.2f}",
            share=prose(share(gradients_sources.norms_of(first)["hidden"]), 2),
            way=_("same networks before training"),
        )
    else:
        told = _(
            "A gradient below {limit} × that at the last step counts as vanished: the first step then hardly "
            "learns from this loss."
        ).format(limit=VANISHED)
    return f"**{facts}** {told}"


def recall_text(session: Session) -> str:
    """The page's text where a recall network reads it, else the one that the recall networks begin with."""
    if session.view.net in NETS.values() and session.view.text:
        return session.view.text
    return recall_default()


def recall_default() -> str:
    """The text that the recall networks begin with."""
    return cache.network("recall-rnn").card.default.text


def long_text() -> str:
    """A text of the recall grammar with 40 words after the city, in the reader's language."""
    return next(
        readable_text(distance, each, seed)
        for distance, each, seed in EXAMPLES
        if distance == DISTANCE and each == language()
    )


@st.cache_resource(show_spinner=False, max_entries=32)
def of_recall(name: str, text: str, started: bool) -> LayerGradients:
    """The gradients of the answer's loss in a recall network, as it was trained or as its training found it."""
    network: Network = cache.network(name)
    done = differentiate(initial_network(network) if started else network, text, Loss("answer"))
    return done.trace.layers[LAYER].gradients


@st.cache_resource(show_spinner=False, max_entries=256)
def of_knobs(kind: Kind, knobs: InitConfig) -> LayerGradients:
    """The gradients in an untrained layer."""
    return initialized_gradients(kind, knobs)


def _short(text: str) -> str:
    return text if len(text) <= 90 else f"{text[:56]} … {text[-30:]}"
