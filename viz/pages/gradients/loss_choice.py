"""The choice of the loss: what is differentiated?"""

from typing import get_args

import streamlit as st

from models.gradients.losses import Loss, LossKind
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction
from viz.i18n import _, language
from viz.pages import cache
from viz.pages.gradients import gradient_cache as gradients_sources
from viz.pages.synced_widget import synced_widget
from viz.quantity_names import quantity_names
from viz.session import Session

ASKED = "gradients_asked"


def pick_loss(session: Session, reading: ForwardRun) -> Loss:
    """Show the controls and read what they say."""
    names = _names(session, reading)
    if st.session_state.get(ASKED) not in names:
        st.session_state[ASKED] = next(iter(names))
    asked = st.segmented_control(_("Loss L"), list(names), format_func=names.__getitem__, required=True, key=ASKED)
    assert asked is not None
    further, unit = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    if asked in ("next", "unit"):
        with further:
            _pick_step(session, reading, before_last=asked == "next" and not _symbols(session))
    quantity = "hidden"
    if asked == "unit":
        with unit:
            quantity = _pick_unit(session, reading)
    view = session.view
    assert view.step is not None and view.unit is not None
    return Loss(
        asked,
        step=view.step if asked in ("next", "unit") else 0,
        unit=view.unit if asked == "unit" else 0,
        quantity="cell" if quantity == "cell" else "hidden",
    )


def _names(session: Session, reading: ForwardRun) -> dict[LossKind, str]:
    """The losses that there are here, the usual one first."""
    words: dict[LossKind, str] = {
        "saved": _("as saved"),
        "answer": _("final answer"),
        "next": _("next token at time step t") if _symbols(session) else _("next value at time step t"),
        "every": _("all time steps"),
        "unit": _("value of one unit"),
    }
    if not bundled(session):
        arrivals = gradients_sources.alone(reading, session.view.layer or "").recording.output_gradients
        kinds: tuple[LossKind, ...] = ("saved", "unit") if arrivals is not None else ("unit",)
    else:
        card = cache.network(session.view.net or "").card
        if card.predicts in ("values", "nothing"):
            kinds = ("unit",)
        elif card.predicts == "class":
            kinds = ("answer", "unit")
        elif card.scored == "last":
            kinds = ("answer", "next", "every", "unit")
        else:
            kinds = ("next", "every", "unit")
    assert set(kinds) <= set(get_args(LossKind))
    return {kind: words[kind] for kind in kinds}


def bundled(session: Session) -> bool:
    """Whether the view's network itself is there, not a saved run alone."""
    return cache.is_network(session.view.net)


def _symbols(session: Session) -> bool:
    return not bundled(session) or cache.network(session.view.net or "").vocabulary is not None


def _pick_step(session: Session, reading: ForwardRun, *, before_last: bool) -> None:
    labels = reading.labels_of(session.view.layer or "")
    last = len(labels) - 1 - before_last
    step = min(session.view.step or 0, max(last, 0))
    if step != session.view.step:
        session.fill_defaults(step=step)
    if last < 1:
        return
    synced_widget(
        st.slider,
        _("Time step t of the loss (now “{token}”)").format(token=labels[step]),
        1,
        last + 1,
        key="gradients_step",
        value=step + 1,
        changed=lambda number: session.navigate(step=number - 1),
    )


def _pick_unit(session: Session, reading: ForwardRun) -> str:
    layer = reading.trace.layers[session.view.layer or ""]
    states, names = list(layer.weights.cell.states), quantity_names()
    state = "gradients_state"
    which, what = st.columns(2, vertical_alignment="bottom")
    if st.session_state.get(state) not in states:
        st.session_state[state] = "hidden"
    with what:
        quantity = str(st.selectbox(_("State"), states, format_func=names.__getitem__, key=state))
    width = layer.weights.output_size if quantity == "hidden" else layer.weights.hidden_size
    if (session.view.unit or 0) >= width:
        session.fill_defaults(unit=width - 1)
    with which:
        unit = session.view.unit or 0
        synced_widget(
            st.number_input,
            _("Unit"),
            0,
            width - 1,
            key="gradients_unit",
            value=unit,
            changed=lambda n: session.navigate(unit=n),
        )
    return quantity


def loss_step(session: Session, reading: ForwardRun, loss: Loss) -> int | None:
    """Where in the sequence the loss reads the chosen layer; None where at every step."""
    layer = reading.trace.layers[session.view.layer or ""]
    if loss.kind in ("next", "unit"):
        return loss.step
    if loss.kind == "answer":
        return 0 if layer.reverse else len(reading.labels_of(layer.name)) - 1
    return None


def in_words(session: Session, reading: ForwardRun, loss: Loss, last: int | None) -> str:
    """What L is, in one sentence; ``last`` is the symbol or class that the last step is asked for."""
    labels = reading.labels_of(session.view.layer or "")
    if loss.kind == "saved":
        return _("L: the loss that was backpropagated before this run was saved")
    if loss.kind == "unit":
        letter = "c" if loss.quantity == "cell" else "h"
        return _("L = {letter} of unit {unit} at time step {step}, “{token}”").format(
            letter=letter, unit=loss.unit, step=loss.step + 1, token=labels[loss.step]
        )
    prediction = reading.prediction
    if isinstance(prediction, ClassPrediction):
        name = prediction.classes[language()][prediction.best if last is None else last]
        return _("L = −ln p(“{target}”) for the most probable class").format(target=name)
    if not isinstance(prediction, SymbolPrediction):
        return (
            _("L = sum of the squared errors of all predicted values")
            if loss.kind == "every"
            else _("L = squared error of the value predicted after time step {step}").format(step=loss.step + 1)
        )
    if loss.kind == "every":
        return _(
            "L = sum over all time steps of −ln p(actual next token): the cross-entropy, in nats (surprisal is in bits)"
        )
    step = len(labels) - 1 if loss.kind == "answer" else loss.step
    target = int(prediction.target[step])
    if target < 0 and last is not None:
        target = last
    return _("L = −ln p(“{target}”) after time step {step}, “{token}”").format(
        target=prediction.vocabulary[target], step=step + 1, token=labels[step]
    )
