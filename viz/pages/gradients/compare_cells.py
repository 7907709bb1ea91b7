"""Comparison of RNN, LSTM and GRU: the gradient norms of one loss on one sequence."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from models.zoo.recall import EXAMPLES, readable_recall_text
from viz.components.sliders import Slider, slider_values, sliders
from viz.figures.gradient_comparison import gradient_comparison
from viz.i18n import _, language
from viz.pages import cache
from viz.pages.gradients import gradient_cache
from viz.pages.gradients.norm_panels import describe_rate, number_text
from viz.pages.nonfinite_notes import gradient_note, invalid_gradient, shown_norms
from viz.pages.page_elements import norm_chart, page_theme
from viz.pages.page_fragment import page_fragment
from viz.pages.panels import panel
from viz.pages.screen_reader_table import hidden_curves
from viz.pages.view_widgets import keep_slider_values, sliders_of_view, view_buttons
from viz.session import Session, get_session

NETS: dict[Kind, str] = {"RNN": "recall-rnn", "LSTM": "recall-lstm", "GRU": "recall-gru"}
DISTANCE = 40
VANISHED = 1e-3
"""Ratio of the first step's gradient norm to the last step's below which the gradient has vanished."""
LAYER = "rnn.l0"
VIEW_ID = "gradients"
MODE, SLIDERS, REVEAL = "cells_way", "cells_knobs", "cells_led"
FIXED_AXIS = (1e-14, 1e6)
"""Range of the axis while a slider is dragged: fixed, so that the curves move and not the axis."""


def compare_cells(session: Session) -> None:
    """Draw the comparison of the three kinds of cell."""

    @panel(
        "cells",
        _("3 · Vanishing gradient: RNN, LSTM and GRU compared"),
        _(
            "Gradient norm relative to the last time step. How much of it reaches the first step (left end)? "
            "Along the LSTM cell state it is multiplied only by the forget gates, not by W_hh."
        ),
    )
    def draw_cells() -> None:
        _comparison(session)


@page_fragment
def _comparison(session: Session) -> None:
    modes = {
        "started": _("same networks before training"),
        "trained": _("trained to recall the city"),
        "knobs": _("untrained, adjustable"),
    }
    mode = view_buttons(_("Networks"), modes, name="cells", key=MODE, default="started")
    if mode == "knobs":
        _untrained_layers()
    else:
        st.session_state.pop(REVEAL, None)
        _recall_networks(session, started=mode == "started")


def _recall_networks(session: Session, *, started: bool) -> None:
    text = recall_text(session)
    found = {kind: recall_gradients(name, text, started) for kind, name in NETS.items()}
    labels = tuple(cache.network("recall-rnn").labels(text))
    st.markdown(
        _("All three networks read the text “{text}”. Loss: L = −ln p(“{target}”) after the last word.").format(
            text=_short(text), target=labels[0]
        )
    )
    _show(found, labels, names=NETS, lowest=None)
    distance = len(labels) - 1
    st.markdown(_recall_verdict(found, distance, started, text))
    if session.view.text != (long := long_recall_text()) and st.button(
        _("Use a text with {n} words after the city").format(n=DISTANCE), icon=":material/straighten:"
    ):
        net = session.view.net if session.view.net in NETS.values() else "recall-lstm"
        session.navigate(net=net, text=long, layer=LAYER, unit=None, step=None, quantity=None)
        st.rerun()


def open_initialization_sliders() -> None:
    """Make the page open with the sliders of untrained layers, and say which one to drag."""
    get_session().set_view_options(cells="knobs")
    st.session_state[REVEAL] = True


def _untrained_layers() -> None:
    if REVEAL in st.session_state:
        st.info(
            _("Raise the spectral radius of W_hh from 0.9 past 1: how does the curve of the RNN change?"),
            icon=":material/visibility:",
        )
    left, right = st.columns([4, 1], gap="medium")
    scales = sliders_of_view(
        "knobs",
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
    with right:
        activation = view_buttons(
            _("RNN activation function"),
            {"tanh": "tanh", "relu": "relu"},
            name="activation",
            key="knob_activation",
            default="tanh",
        )
    values = slider_values(scales, SLIDERS)
    steps = round(values["steps"])
    config = InitConfig(
        radius=values["radius"],
        memory_bias=values["bias"],
        activation="relu" if activation == "relu" else "tanh",
        steps=steps,
    )
    found = {kind: untrained_gradients(kind, config) for kind in get_args(Kind)}
    st.caption(_("Move the sliders: when does the gradient vanish or explode?"))
    st.caption(
        _(
            "{units} units each, same input sequence and same random seed. L is the last hidden state projected "
            "onto a fixed direction."
        ).format(units=config.hidden)
    )
    labels = tuple(str(step + 1) for step in range(steps))
    names = {kind: f"untrained-{kind.lower()}" for kind in found}
    _show(found, labels, names=names, lowest=FIXED_AXIS[0], highest=FIXED_AXIS[1])
    with left:
        sliders(
            VIEW_ID,
            scales,
            key=SLIDERS,
            reports_release=True,
            on_change=lambda: keep_slider_values("knobs", scales, SLIDERS),
            reveal=st.session_state.get(REVEAL, False),
        )
    if REVEAL in st.session_state:
        st.session_state[REVEAL] = False


def _show(
    found: dict[Kind, LayerGradients],
    labels: tuple[str, ...],
    *,
    names: dict[Kind, str],
    lowest: float | None,
    highest: float | None = None,
) -> None:
    norms = {kind: gradient_cache.state_gradient_norms(each) for kind, each in found.items()}
    hidden = {kind: each["hidden"] for kind, each in norms.items()}
    notes = {kind: gradient_note(each) for kind, each in found.items()}
    drawn = {kind: shown_norms(values, found[kind]) for kind, values in hidden.items()}
    figure = gradient_comparison(drawn, labels, lowest=lowest, highest=highest, theme=page_theme())
    norm_chart(figure, "gradient_comparison", names=("gradient-comparison",))
    for column, (kind, each) in zip(st.columns(3, gap="medium"), found.items(), strict=True):
        gates = recurrent_spectrum(each.layer.weights)
        gate = each.layer.weights.cell.gates[0] if kind == "RNN" else "candidate"
        note = notes[kind]
        with column:
            st.markdown(
                f"**{kind}** · {describe_ratio(hidden[kind])}  \n{describe_rate(hidden[kind])}"
                if note is None
                else f"**{kind}** · {note} {invalid_gradient()}"
            )
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


def first_to_last_ratio(norms: np.ndarray) -> float:
    """Return the ratio of the first step's norm to the last step's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(norms[0] / norms[-1])


def describe_ratio(norms: np.ndarray) -> str:
    """Return that ratio in words."""
    part = first_to_last_ratio(norms)
    if not np.isfinite(part):
        return _("the gradient is NaN or infinite")
    return _("gradient at the first step: {share} × that at the last").format(share=number_text(part))


def _recall_verdict(found: dict[Kind, LayerGradients], distance: int, started: bool, text: str) -> str:
    if any(gradient_note(each) is not None for each in found.values()):
        return ""  # said above, beside each network
    ratios = {
        kind: first_to_last_ratio(gradient_cache.state_gradient_norms(each)["hidden"]) for kind, each in found.items()
    }
    if not np.isfinite(list(ratios.values())).all():
        return _("the gradient is NaN or infinite")
    # For translators: {rnn} and {lstm} are numbers such as 0.16 or 2.8·10⁻¹².
    facts = _("Gradient at the first step, {n} steps back: RNN {rnn} ×, LSTM {lstm} × that at the last step.").format(
        n=distance, rnn=number_text(ratios["RNN"], 2), lstm=number_text(ratios["LSTM"], 2)
    )
    training = None
    if ratios["RNN"] >= VANISHED and not started:
        first = recall_gradients(NETS["RNN"], text, True)
        before, after = (
            recurrent_spectrum(each.layer.weights)["preactivation"].radius for each in (first, found["RNN"])
        )
        ratio = first_to_last_ratio(gradient_cache.state_gradient_norms(first)["hidden"])
        training = Training(before, after, ratio)
    return f"**{facts}** {vanishing_verdict(ratios, training)}"


@dataclass(frozen=True)
class Training:
    """The change of the RNN by training.

    Attributes:
        radius_before, radius_after: the spectral radius of its W_hh.
        ratio_before: the ratio of the first step's gradient norm to the last step's, before training.
    """

    radius_before: float
    radius_after: float
    ratio_before: float


def vanishing_verdict(ratios: Mapping[Kind, float], training: Training | None) -> str:
    """Return which gradients have vanished.

    Args:
        ratios: the first step's gradient norm divided by the last step's, of each kind of cell; finite.
        training: of a trained RNN, to explain why its gradient has not vanished; else None.
    """
    vanished = [kind for kind in ratios if ratios[kind] < VANISHED]
    left = [kind for kind in ratios if ratios[kind] >= VANISHED]
    if not left:
        return (
            _(
                "All gradients have vanished (below {limit}). The LSTM's, whose forget gate biases were initialized "
                "to 1, decays most slowly."
            ).format(limit=VANISHED)
            if max(ratios, key=ratios.__getitem__) == "LSTM"
            else _("All gradients have vanished (below {limit}).").format(limit=VANISHED)
        )
    if ratios["RNN"] >= VANISHED and training is not None:
        return _trained_rnn_verdict(ratios["RNN"], training)
    if not vanished:
        return _("No gradient has vanished (all at least {limit} × the last step's) over this distance.").format(
            limit=VANISHED
        )
    if "RNN" in vanished and "LSTM" in left and "GRU" in left:
        return _("The gradient of the RNN has vanished (below {limit}); that of the LSTM has not.").format(
            limit=VANISHED
        )
    return _("Vanished (below {limit}): {vanished}; not vanished: {left}.").format(
        limit=VANISHED, vanished=", ".join(vanished), left=", ".join(left)
    )


def _trained_rnn_verdict(ratio: float, training: Training) -> str:
    sentences = [
        _("The gradient of this RNN grows during backpropagation (exploding gradient).")
        if ratio > 1
        else _("Unlike the textbook case, the gradient of this RNN has not vanished.")
        if training.ratio_before < VANISHED
        else _("The gradient of this RNN has not vanished."),
        _("Training changed the spectral radius of its W_hh from {before} to {after}.").format(
            before=f"{training.radius_before:.2f}", after=f"{training.radius_after:.2f}"
        ),
    ]
    if training.ratio_before < VANISHED:
        sentences.append(
            _("Before training, the first word got only {share} × the last step's gradient; see “{mode}”.").format(
                share=number_text(training.ratio_before, 2), mode=_("same networks before training")
            )
        )
    return " ".join(sentences)


def recall_text(session: Session) -> str:
    """Return the text of the view if its network is a recall network, else the default text of these networks."""
    if session.view.net in NETS.values() and session.view.text:
        return session.view.text
    return default_recall_text()


def default_recall_text() -> str:
    """Return the default text of the recall networks."""
    return cache.network("recall-rnn").card.default.text


def long_recall_text() -> str:
    """Return a text of the recall grammar with 40 words after the city, in the reader's language."""
    return next(
        readable_recall_text(distance, each, seed)
        for distance, each, seed in EXAMPLES
        if distance == DISTANCE and each == language()
    )


@st.cache_resource(show_spinner=False, max_entries=32)
def recall_gradients(name: str, text: str, started: bool) -> LayerGradients:
    """Return the gradients of the answer's loss in a recall network, trained or (``started``) initialized."""
    network: Network = cache.network(name)
    done = differentiate(initial_network(network) if started else network, text, Loss("answer"))
    return done.trace.layers[LAYER].gradients


@st.cache_resource(show_spinner=False, max_entries=256)
def untrained_gradients(kind: Kind, config: InitConfig) -> LayerGradients:
    """Return the gradients in an untrained layer."""
    return initialized_gradients(kind, config)


def _short(text: str) -> str:
    return text if len(text) <= 90 else f"{text[:56]} … {text[-30:]}"
