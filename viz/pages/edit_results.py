"""What the edits did: in words, to the prediction, to the states."""

import streamlit as st

from models.reading import ClassPrediction, Reading
from viz.changed_payload import changed_names
from viz.components.changed_prediction import changed_prediction
from viz.components.heatmap import heatmap
from viz.components.sequence import sequence
from viz.components.together import together
from viz.i18n import _, language
from viz.names import quantity_names
from viz.pages import edit_sources
from viz.pages.edit_live import Part
from viz.pages.edit_sources import CHANGED_ID, VIEW_ID, edits_of
from viz.pages.panel import panel
from viz.plain import plain
from viz.session import Session


def told(here: Session) -> list[Part]:
    """What changed, in words and in the prediction; nothing while nothing is edited. Gives what draws it."""
    if not edits_of(here).on:
        return []
    with panel(_("What changed"), _("Does the first change stay where you made it, or does it spread?")):
        words = st.container()
        changed_prediction(CHANGED_ID, key="changed_prediction")
    carrier = st.container()
    together(VIEW_ID, CHANGED_ID, key="edit_together")

    def carry(after: Reading) -> None:
        before, steps = edit_sources.before(here), edit_sources.origin(here)
        layer, quantity = here.view.layer or "", here.view.quantity or ""
        with carrier:
            sequence(edit_sources.changed(before, after, layer, quantity, steps), key="edit_changed")

    def tell(after: Reading) -> None:
        before, steps = edit_sources.before(here), edit_sources.origin(here)
        with words:
            st.markdown(plain(in_words(edit_sources.compared(before, after, steps), before, after)))

    return [carry, tell]


def compared(here: Session) -> None:
    """Every unit at every step: how far it was moved, and from where to where; nothing while nothing is edited."""
    if not edits_of(here).on:
        return
    quantity = here.view.quantity or ""
    before, after, change = changed_names(quantity)
    name = quantity_names()[quantity]
    names = {
        before: _("{quantity}, before").format(quantity=name),
        after: _("{quantity}, after").format(quantity=name),
        change: _("{quantity}: after − before").format(quantity=name),
    }
    with panel(
        _("Every unit, before and after"),
        _("Follow the first coloured column to the right: does the change die out, or does it last?"),
    ):
        heatmap(CHANGED_ID, form="sequence", key="changed_states", quantities=[change], names=names)
        heatmap(CHANGED_ID, form="sequence", key="changed_pair", quantities=[before, after], names=names)


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
