"""Sentences about the largest effects of the edits."""

import numpy as np

from models.edits.edit_effects import EditEffects
from models.edits.tracked_effects import TrackedEffect
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction, ValuePrediction
from viz.i18n import _, language
from viz.pages.states.tracking_panel import PROPERTIES
from viz.quantity_names import quantity_names


def describe_effects(found: EditEffects, tracked: TrackedEffect | None, before: ForwardRun, after: ForwardRun) -> str:
    """Return a text on the changes of the prediction, then on those of the states."""
    if found.first is None and not found.predictions:
        return _("Nothing changed: no gate, state or prediction differs by more than rounding error.")
    sentences = [*_flipped(found, before, after), *_largest_prediction_change(found, after)]
    if tracked is not None:
        sentences += _tracked_unit(tracked, after)
    elif found.states:
        sentences.append(_largest_state_change(found, after))
    if found.surprise is not None and _format(found.surprise[0]) != _format(found.surprise[1]):
        sentences.append(
            _("Mean surprisal: {before} → {after} bits.").format(**_both(found.surprise[0], found.surprise[1]))
        )
    return " ".join(sentences)


def _flipped(found: EditEffects, before: ForwardRun, after: ForwardRun) -> list[str]:
    """Return a sentence on the first step at which the predicted symbol or class differs."""
    turn = found.flip
    if before.decoder_input is not None and after.decoder_input is not None:
        old, new = (_output(each) for each in (before, after))
        return [] if old == new else [_("Output: “{before}” → “{after}”.").format(after=new, before=old)]
    if turn is None:
        return []
    if turn.symbols is not None:
        return [
            _("Prediction after time step {step} (“{token}”): “{before}” → “{after}”.").format(
                step=turn.step + 1,
                token=after.prediction_labels[turn.step],
                after=turn.symbols[1],
                before=turn.symbols[0],
            )
        ]
    assert isinstance(after.prediction, ClassPrediction | TagPrediction)
    classes = after.prediction.classes[language()]
    if isinstance(after.prediction, TagPrediction):
        return [
            _("Class of time step {step} (“{token}”): “{before}” → “{after}”.").format(
                step=turn.step + 1,
                token=after.prediction_labels[turn.step],
                after=classes[turn.after],
                before=classes[turn.before],
            )
        ]
    return [
        _("Predicted class: “{before}” → “{after}”.").format(after=classes[turn.after], before=classes[turn.before])
    ]


def _largest_prediction_change(found: EditEffects, after: ForwardRun) -> list[str]:
    """Return a sentence on the prediction that changed most."""
    if not found.predictions:
        return [_("No prediction changed.")] if after.prediction is not None else []
    most = found.predictions[0]
    if most.symbol is not None:
        return [
            _("Probability of “{symbol}” after time step {step} (“{token}”): {before} → {after}.").format(
                symbol=most.symbol,
                step=most.step + 1,
                token=after.prediction_labels[most.step],
                **_both(most.before, most.after),
            )
        ]
    if isinstance(after.prediction, TagPrediction):
        return [
            _("Probability of the class “{symbol}” at time step {step} (“{token}”): {before} → {after}.").format(
                symbol=after.prediction.classes[language()][most.index],
                step=most.step + 1,
                token=after.prediction_labels[most.step],
                **_both(most.before, most.after),
            )
        ]
    if isinstance(after.prediction, ClassPrediction):
        return [
            _("Probability of “{symbol}”: {before} → {after}.").format(
                symbol=after.prediction.classes[language()][most.index],
                **_both(most.before, most.after),
            )
        ]
    numbers = {"step": most.step + 1, "output": most.index} | _both(most.before, most.after)
    assert isinstance(after.prediction, ValuePrediction)
    if after.prediction.target is None or after.prediction.value.shape[1] > 1:
        return [_("Output {output} at time step {step}: {before} → {after}.").format(**numbers)]
    return [_("Predicted value after time step {step}: {before} → {after}.").format(**numbers)]


def _tracked_unit(tracked: TrackedEffect, after: ForwardRun) -> list[str]:
    """Return sentences on a unit that tracks a property."""
    effect = tracked.effect
    unit = {"unit": effect.unit, "layer": effect.layer, "property": _(PROPERTIES[tracked.match.name])}
    sentences = [
        _(
            "Unit {unit} of {layer}, which tracks “{property}”: its {quantity} first differs at time step {since}. "
            "Largest change: time step {step} (“{token}”), {before} → {after}."
        ).format(
            since=effect.since + 1,
            quantity=quantity_names()[effect.quantity],
            step=effect.step + 1,
            token=after.labels_of(effect.layer)[effect.step],
            **_both(effect.before, effect.after),
            **unit,
        )
    ]
    if tracked.correlation is not None:
        sentence = (
            _("The unit no longer tracks this property: correlation in this text {before} → {after}.")
            if tracked.lost
            else _("Correlation with the property in this text: {before} → {after}.")
        )
        sentences.append(sentence.format(**_both(tracked.correlation[0], tracked.correlation[1])))
    return sentences


def _largest_state_change(found: EditEffects, after: ForwardRun) -> str:
    """Return a sentence on the gate or state that changed most."""
    effect = found.states[0]
    return _(
        "The gates and states first differ at time step {first}. Largest change: {quantity} of unit {unit} in "
        "{layer} at time step {step} (“{token}”), {before} → {after}."
    ).format(
        first=(found.first or 0) + 1,
        quantity=quantity_names()[effect.quantity],
        unit=effect.unit,
        layer=effect.layer,
        step=effect.step + 1,
        token=after.labels_of(effect.layer)[effect.step],
        **_both(effect.before, effect.after),
    )


def _output(run: ForwardRun) -> str:
    """Return the output of an encoder-decoder."""
    assert isinstance(run.prediction, SymbolPrediction)
    symbols = (run.prediction.vocabulary[int(each)] for each in run.prediction.target)
    return "".join(symbols).removesuffix("⊣")


def _format(value: float, digits: int = 2) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}f}".replace("-", "−")


def _both(before: float, after: float) -> dict[str, str]:
    """Return both numbers with two decimals, or with as many as they need to differ."""
    pairs = ({"before": _format(before, digits), "after": _format(after, digits)} for digits in range(2, 8))
    return next(
        (pair for pair in pairs if pair["before"] != pair["after"]),
        {"before": _format(before), "after": _format(after)},
    )
