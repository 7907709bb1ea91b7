"""Sentences about NaN and infinity in a run. Each page shows them beside the numbers that depend on these values."""

import numpy as np
import streamlit as st

from models.core.layer_gradients import LayerGradients
from models.core.layer_run import LayerRun
from models.decoding import Decoding
from models.gradients.nonfinite import NonFinite, describe_nonfinite, first_nonfinite_state, first_nonfinite_value
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction, ValuePrediction
from viz.i18n import _, translate
from viz.pages import cache

MAX_CELL_VALUES = 4_000_000
"""Elements of a state up to which the cell state is examined too, which needs all gates of the layer."""


def state_note(layer: LayerRun, sequence: int = 0) -> str | None:
    """Return the sentence about the first time step at which a state of one sequence is NaN or infinite, or None."""
    found = first_nonfinite_state(layer, sequence, _examined_states(layer, sequence))
    return None if found is None else translate(describe_nonfinite(*found))


def _examined_states(layer: LayerRun, sequence: int) -> tuple[str, ...]:
    size = int(layer.lengths[sequence]) * layer.shape[2]
    return layer.cell_equations.states if size <= MAX_CELL_VALUES else layer.cell_equations.states[-1:]


def gradient_note(gradients: LayerGradients) -> str | None:
    """Return the sentence about the first NaN or infinity in the states of a single sequence, or else in its gradients.

    The states come first: where they are not finite, the gradients are not meaningful even where they are 0. The derivative
    of relu at NaN is 0, for example.
    """
    note = state_note(gradients.layer)
    if note is not None:
        return note
    for quantity in ("hidden_grad", "cell_grad"):
        if quantity == "cell_grad" and gradients.layer.kind != "LSTM":
            continue
        values = gradients.hidden if quantity == "hidden_grad" else gradients.cell
        place = first_nonfinite_value(values, last_first=not gradients.layer.reverse)
        if place is not None:
            return translate(describe_nonfinite(quantity, place))
    return None


def shown_norms(norms: np.ndarray, gradients: LayerGradients) -> np.ndarray:
    """Return gradient norms (T) to draw: NaN for a 0 in a run whose states are not finite: that 0 is not decay."""
    return np.where(norms == 0, np.nan, norms) if state_note(gradients.layer) is not None else norms


Place = tuple[str | None, str, NonFinite]
"""A layer (None: the prediction), its state, and where that first is NaN or infinite."""


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=cache.HASH_FUNCS)
def _places(run: ForwardRun) -> list[Place]:
    found: list[Place] = []
    for name, layer in run.trace.layers.items():
        place = first_nonfinite_state(layer, run.row, _examined_states(layer, run.row))
        if place is not None:
            found.append((name, *place))
    prediction = run.prediction
    if isinstance(prediction, SymbolPrediction | ClassPrediction | TagPrediction):
        values = np.atleast_2d(prediction.probability)
    elif isinstance(prediction, ValuePrediction):
        values = prediction.value
    else:
        return found
    bad = np.flatnonzero(~np.isfinite(values).all(axis=-1))
    if len(bad):
        step = len(run.labels) - 1 if isinstance(prediction, ClassPrediction) else int(bad[0])
        found.append((None, "prediction", NonFinite(step, run.row, 0, "nan")))
    return found


def run_note(run: ForwardRun) -> str | None:
    """Return the sentences about where states and predictions of a run first are NaN or infinite, or None."""
    found = _places(run)
    if not found:
        return None
    several = len(run.trace.layers) > 1
    sentences = [
        f"{layer}: {translate(describe_nonfinite(state, place))}"
        if several
        else translate(describe_nonfinite(state, place))
        for layer, state, place in found
        if layer is not None
    ]
    sentences += [_prediction_sentence(place.position) for layer, _state, place in found if layer is None]
    return " ".join([*sentences, consequence()])


def decoding_note(decoding: Decoding) -> str | None:
    """Return the sentences about NaN and infinity in the states and probabilities of a generated output, or None."""
    layers = decoding.trace.layers.items()
    sentences = [f"{name}: {note}" for name, layer in layers if (note := state_note(layer)) is not None]
    prediction = prediction_note(decoding.probability)
    if prediction is not None:
        sentences.append(prediction)
    return " ".join([*sentences, consequence()]) if sentences else None


def show_nonfinite(run: ForwardRun) -> None:
    """Show, once per page, where states and predictions of a run first are NaN or infinite."""
    note = run_note(run)
    if note is not None:
        st.warning(note, icon=":material/error:")


def consequence() -> str:
    """Return what NaN and infinity mean for the numbers that are computed from them."""
    return _(
        "Values computed from it are not valid. A 0 or a gap there does not mean that a state or gradient became small."
    )


def invalid_gradient() -> str:
    """Return what NaN or infinite states mean for the gradients of the same run."""
    return _("The gradient is therefore not comparable: where it is 0, it is not because it decayed.")


def prediction_note(probability: np.ndarray) -> str | None:
    """Return the sentence about the first step whose predicted values (T, V) are NaN or infinite, or None."""
    bad = np.flatnonzero(~np.isfinite(probability).all(axis=-1))
    return _prediction_sentence(int(bad[0])) if len(bad) else None


def _prediction_sentence(position: int) -> str:
    return _("The prediction first becomes NaN or infinite at time step {step}.").format(step=position + 1)
