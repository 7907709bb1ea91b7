"""The choice of the loss that is backpropagated."""

from typing import cast, get_args

import streamlit as st

from models.core.layer_gradients import LayerGradients
from models.core.messages import Problem
from models.gradients.losses import Loss, LossKind
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction
from viz.escape import escape_markdown
from viz.i18n import _, language, translate
from viz.pages import cache
from viz.pages.gradients import gradient_cache
from viz.pages.page_elements import show_problem
from viz.pages.synced_widget import synced_widget
from viz.pages.view_widgets import TEXT, view_buttons, view_widget
from viz.quantity_names import quantity_names
from viz.session import Session

LOSS = "gradients_asked"
MAX_PLACEHOLDER_STEPS = 12
"""Time steps whose predicted classes are shown in the empty input of the correct ones."""
MAX_LISTED_CLASSES = 30
"""Classes that are named where a typed one is unknown."""
FEW_STEPS = 3
"""Time steps up to that of a loss with which its curves have hardly any points."""


def loss_menu(session: Session, run: ForwardRun) -> Loss:
    """Show the controls and return the chosen loss."""
    names = _names(session, run)
    last = len(run.labels_of(session.view.layer or "")) - 1
    early = (session.view.step or 0) < FEW_STEPS <= last - FEW_STEPS
    tags = run.prediction if isinstance(run.prediction, TagPrediction) and has_network(session) else None
    first = next(iter(names))
    default = "every" if first == "next" and early else first
    kind = cast(
        LossKind, view_buttons(_("Loss L"), cast(dict[str, str], names), name="loss", key=LOSS, default=default)
    )
    further, unit = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    if kind in ("next", "unit"):
        with further:
            _step_slider(session, run, before_last=kind == "next" and not _symbols(session) and tags is None)
            if early:
                _offer_last_step(session, last)
    quantity = "hidden"
    if kind == "unit":
        with unit:
            quantity = _unit_input(session, run)
    classes = _correct_classes(tags) if tags is not None and kind in ("next", "every") else None
    view = session.view
    assert view.step is not None and view.unit is not None
    return Loss(
        kind,
        step=view.step if kind in ("next", "unit") else 0,
        classes=classes,
        unit=view.unit if kind == "unit" else 0,
        quantity="cell" if quantity == "cell" else "hidden",
    )


def _names(session: Session, run: ForwardRun) -> dict[LossKind, str]:
    """Return the losses that the network has, the usual one first."""
    words: dict[LossKind, str] = {
        "saved": _("as saved"),
        "answer": _("final answer"),
        "next": _("next token at time step t") if _symbols(session) else _("next value at time step t"),
        "every": _("all time steps"),
        "unit": _("value of one unit"),
    }
    if not has_network(session):
        output_gradients = gradient_cache.single_sequence(run, session.view.layer or "").recording.output_gradients
        kinds: tuple[LossKind, ...] = ("saved", "unit") if output_gradients is not None else ("unit",)
    else:
        card = cache.network(session.view.net or "").card
        if card.predicts in ("values", "nothing"):
            kinds = ("unit",)
        elif card.predicts == "class":
            kinds = ("answer", "unit")
        elif card.scored == "last":
            kinds = ("answer", "next", "every", "unit")
        elif card.predicts == "tag":
            words["next"] = _("class at time step t")
            kinds = ("next", "every", "unit")
        else:
            kinds = ("next", "every", "unit")
    assert set(kinds) <= set(get_args(LossKind))
    return {kind: words[kind] for kind in kinds}


def _correct_classes(tags: TagPrediction) -> tuple[int, ...] | None:
    """Show the input of the correct classes; return them as in ``Loss.classes``, None for the predicted ones."""
    names = tags.classes[language()]
    text = st.text_input(
        _("Correct classes, separated by commas (one per time step; empty: the predicted classes)"),
        key="gradients_classes",
        placeholder=", ".join(names[best] for best in tags.best[:MAX_PLACEHOLDER_STEPS]),
    )
    typed = [name.strip() for name in text.split(",")] if text.strip() else None
    if typed is None:
        return None
    wrong = next((name for name in typed if name and name not in names), None)
    if wrong is not None:
        problem = Problem(
            "Unknown class “{name}”. Choose among these: {names}.",
            name=wrong,
            names=", ".join(names[:MAX_LISTED_CLASSES]),
        )
    elif len(typed) != len(tags.best):
        problem = Problem(
            "There are {given} correct classes, but {count} time steps. Give one class per time step.",
            given=len(typed),
            count=len(tags.best),
        )
    else:
        return tuple(names.index(name) if name else -1 for name in typed)
    show_problem(problem)
    return None


def layer_gradients(session: Session, run: ForwardRun, loss: Loss) -> LayerGradients:
    """Return the gradients of the view's layer. Raises Problem: the loss cannot be differentiated here."""
    view = session.view
    net, text, layer = view.net or "", view.text or "", view.layer or ""
    return gradient_cache.gradients(run, net, text, layer, loss, session.edits)


def gradients_if_any(session: Session, run: ForwardRun, loss: Loss) -> LayerGradients | None:
    """Return `layer_gradients`; where there are none, show why in a caption and return None."""
    try:
        return layer_gradients(session, run, loss)
    except Problem as problem:
        st.caption(translate(problem))
        return None


def has_network(session: Session) -> bool:
    """Return whether the view has a network that can be run, not only a saved run."""
    return cache.is_network(session.view.net)


def _symbols(session: Session) -> bool:
    return not has_network(session) or cache.network(session.view.net or "").vocabulary is not None


def _step_slider(session: Session, run: ForwardRun, *, before_last: bool) -> None:
    labels = run.labels_of(session.view.layer or "")
    last = len(labels) - 1 - before_last
    step = min(session.view.step or 0, max(last, 0))
    if step != session.view.step:
        session.fill_defaults(step=step)
    if last < 1:
        return
    synced_widget(
        st.slider,
        _("Time step t of the loss (now “{token}”)").format(token=escape_markdown(labels[step])),
        1,
        last + 1,
        key="gradients_step",
        value=step + 1,
        changed=lambda number: session.navigate(step=number - 1),
    )


def _offer_last_step(session: Session, last: int) -> None:
    """Show a button for the last time step, because before an early one there is hardly anything to backpropagate through."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="early_loss"):
        st.caption(_("Before this time step there are too few others for the gradient to change much."))
        st.button(
            _("Loss at the last time step"),
            key="gradients_last_step",
            on_click=lambda: session.navigate(step=last),
        )


def _unit_input(session: Session, run: ForwardRun) -> str:
    layer = run.trace.layers[session.view.layer or ""]
    states, names = list(layer.weights.cell.states), quantity_names()
    which, what = st.columns(2, vertical_alignment="bottom")
    with what:
        quantity = view_widget(
            st.selectbox,
            _("State"),
            states,
            name="state",
            key="gradients_state",
            form=TEXT,
            default="hidden",
            is_valid=states.__contains__,
            initial_argument="index",
            format_func=names.__getitem__,
        )
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


def loss_step(session: Session, run: ForwardRun, loss: Loss) -> int | None:
    """Return the step of the layer that the loss depends on directly, or None if it is every step."""
    layer = run.trace.layers[session.view.layer or ""]
    if loss.kind in ("next", "unit"):
        return loss.step
    if loss.kind == "answer":
        return 0 if layer.reverse else len(run.labels_of(layer.name)) - 1
    return None


def describe_loss(session: Session, run: ForwardRun, loss: Loss, last: int | None) -> str:
    """Return the definition of L in one sentence of Markdown; ``last`` is the target symbol or class of the last step."""
    labels = run.labels_of(session.view.layer or "")
    if loss.kind == "saved":
        return _("L: the loss that was backpropagated before this run was saved")
    if loss.kind == "unit":
        letter = "c" if loss.quantity == "cell" else "h"
        return _("L = {letter} of unit {unit} at time step {step}, “{token}”").format(
            letter=letter, unit=loss.unit, step=loss.step + 1, token=escape_markdown(labels[loss.step])
        )
    prediction = run.prediction
    if isinstance(prediction, ClassPrediction):
        name = prediction.classes[language()][prediction.best if last is None else last]
        return _("L = −ln p(“{target}”) for the most probable class").format(target=escape_markdown(name))
    if isinstance(prediction, TagPrediction):
        if loss.kind == "every":
            return (
                _("L = sum over all time steps of −ln p(predicted class): the cross-entropy, in nats")
                if loss.classes is None
                else _("L = sum over all time steps of −ln p(correct class): the cross-entropy, in nats")
            )
        correct = -1 if loss.classes is None else loss.classes[loss.step]
        name = prediction.classes[language()][int(prediction.best[loss.step]) if correct < 0 else correct]
        return _("L = −ln p(“{target}”) at time step {step}, “{token}”").format(
            target=escape_markdown(name), step=loss.step + 1, token=escape_markdown(labels[loss.step])
        )
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
        target=escape_markdown(prediction.vocabulary[target]),
        step=step + 1,
        token=escape_markdown(labels[step]),
    )
