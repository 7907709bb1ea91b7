"""What the edits did: in words, to the prediction, to the states."""

from html import escape

import numpy as np
import streamlit as st

from models.edit_effects import origin_of
from models.edits import Clamp
from models.reading import ClassPrediction, Reading, SymbolPrediction
from viz.figures.changed_prediction import changed_prediction
from viz.figures.changed_states import changed_states
from viz.i18n import _, language
from viz.names import quantity_names
from viz.pages import edit_sources, states_sources
from viz.pages.chart import chart, theme
from viz.pages.edit_gradients import gradients
from viz.pages.edit_sources import edits_of
from viz.pages.mirror import HIDDEN
from viz.pages.panel import panel
from viz.plain import plain
from viz.session import Session

SHOWN = 6


def results(here: Session, after: Reading) -> None:
    """Before, after and difference; nothing while nothing is edited."""
    if not edits_of(here).on:
        return
    before, steps = edit_sources.before(here), edit_sources.origin(here)
    found = edit_sources.compared(before, after, steps)
    with panel(_("What changed"), _("Does the first change stay where you made it, or does it spread?")):
        st.markdown(plain(in_words(found, before, after)), width="stretch")
        _prediction(here, before, after)
    with panel(
        _("Every unit, before and after"),
        _("Follow the first coloured column to the right: does the change die out, or does it last?"),
    ):
        _states(here, before, after)
    gradients(here, before, after)


def in_words(found: "edit_sources.Effects", before: Reading, after: Reading) -> str:
    """What changed most, in a few sentences."""
    if found.first is None and not found.predictions:
        return _("Nothing changed: no gate, no state and no prediction differs by more than rounding.")
    sentences = []
    if found.states:
        effect, names = found.states[0], quantity_names()
        sentences.append(
            _(
                "From step {first} on the run is another one; most of all the {quantity} of unit {unit} in {layer} at step "
                "{step}, “{token}”: {before} → {after}."
            ).format(
                first=(found.first or 0) + 1,
                quantity=names[effect.quantity],
                unit=effect.unit,
                layer=effect.layer,
                step=effect.step + 1,
                token=after.labels_of(effect.layer)[effect.step],
                before=f"{effect.before:.3g}",
                after=f"{effect.after:.3g}",
            )
        )
    if found.turn is not None:
        turn = found.turn
        if turn.symbols is not None:
            sentences.append(
                _("After step {step}, “{token}”, it now expects “{after}”, no longer “{before}”.").format(
                    step=turn.step + 1,
                    token=after.prediction_labels[turn.step],
                    after=turn.symbols[1],
                    before=turn.symbols[0],
                )
            )
        elif isinstance(after.prediction, ClassPrediction):
            classes = after.prediction.classes[language()]
            sentences.append(
                _("It now answers “{after}”, no longer “{before}”.").format(
                    after=classes[turn.after], before=classes[turn.before]
                )
            )
    if found.predictions:
        most = found.predictions[0]
        if most.symbol is not None:
            sentences.append(
                _("Probability of “{symbol}” after step {step}, “{token}”: {before} → {after}.").format(
                    symbol=most.symbol,
                    step=most.step + 1,
                    token=after.prediction_labels[most.step],
                    before=f"{most.before:.2g}",
                    after=f"{most.after:.2g}",
                )
            )
        elif isinstance(after.prediction, ClassPrediction):
            sentences.append(
                _("Probability of “{symbol}”: {before} → {after}.").format(
                    symbol=after.prediction.classes[language()][most.index],
                    before=f"{most.before:.2g}",
                    after=f"{most.after:.2g}",
                )
            )
        else:
            sentences.append(
                _("The predicted value after step {step}: {before} → {after}.").format(
                    step=most.step + 1, before=f"{most.before:.3g}", after=f"{most.after:.3g}"
                )
            )
    else:
        sentences.append(_("No prediction changes."))
    if found.surprise is not None:
        sentences.append(
            _("Mean surprise: {before} → {after} bits.").format(
                before=f"{found.surprise[0]:.2f}", after=f"{found.surprise[1]:.2f}"
            )
        )
    return " ".join(sentences)


def _prediction(here: Session, before: Reading, after: Reading) -> None:
    """The prediction at the step, before and after, drawn and for who reads the page by program."""
    step = min(here.view.step or 0, len(after.prediction_labels) - 1)
    steps = origin_of(before, after, None, edit_sources.origin(here))
    was = step if steps is None else steps[step]
    figure = changed_prediction(before, after, step=step, was=was, language=language(), theme=theme())
    if figure is None:
        return
    chart(figure, "changed_prediction", names=(here.view.net, "edited", "prediction"))
    first, second = before.prediction, after.prediction
    if not (isinstance(first, SymbolPrediction) and isinstance(second, SymbolPrediction)) or was is None:
        return
    cells = []
    for index in second.top(SHOWN)[step]:
        old, new = float(first.probability[was, index]), float(second.probability[step, index])
        for quantity, value in (("before", old), ("after", new), ("change", new - old)):
            token = escape(second.vocabulary[index])
            cells.append(
                f'<span role="listitem" data-quantity="probability_{quantity}" data-token="{token}" '
                f'data-step="{step}" data-value="{value!r}">{token} {quantity}: {value:.3g}</span> '
            )
    st.html(f'<div style="{HIDDEN}" data-group="edit-prediction" role="list">{"".join(cells)}</div>')


def _states(here: Session, before: Reading, after: Reading) -> None:
    layer, quantity = here.view.layer or "", here.view.quantity or ""
    words = {"difference": _("difference"), "before": _("before"), "after": _("after")}
    shows = st.segmented_control(
        _("Shown of the {quantity}").format(quantity=quantity_names()[quantity]),
        list(words),
        format_func=words.__getitem__,
        default="difference",
        required=True,
        key="edit_shows",
    )
    reading = before if shows == "before" else after
    if shows == "difference":
        values = edit_sources.changed(before, after, layer, quantity, edit_sources.origin(here))
    else:
        values = states_sources.values(reading, layer, quantity)
    held = [
        (edit.first, len(values) - 1 if edit.last is None else edit.last, edit.unit)
        for edit in edits_of(here).dynamics
        if isinstance(edit, Clamp) and edit.layer == layer and edit.quantity == quantity and shows != "before"
    ]
    span = after.trace.layers[layer].cell_equations.ranges[quantity]
    figure = changed_states(
        values, reading.labels_of(layer), span=None if shows == "difference" else span, held=held, theme=theme()
    )
    chart(figure, "changed_states", names=(here.view.net, layer, quantity, shows))
    if shows == "difference":
        unit, step = here.view.unit or 0, min(here.view.step or 0, len(values) - 1)
        if unit < values.shape[1] and np.isfinite(values[step, unit]):
            new = states_sources.values(after, layer, quantity)[step, unit]
            st.latex(
                rf"\Delta_{{t={step + 1},\,u={unit}}} = {new:.4g} - ({new - values[step, unit]:.4g})"
                rf" = {values[step, unit]:.4g}"
            )
