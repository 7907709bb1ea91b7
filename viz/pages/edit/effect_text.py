"""What an edit changed most, in a few sentences."""

from models.edits.edit_effects import Effects
from models.edits.tracked_effects import TrackedEffect
from models.networks.forward_run import ClassPrediction, Reading, SymbolPrediction
from viz.i18n import _, language
from viz.pages.states.tracking_panel import PROPERTIES
from viz.quantity_names import quantity_names


def in_words(found: Effects, tracked: TrackedEffect | None, before: Reading, after: Reading) -> str:
    """What became of the prediction first, then what moved inside."""
    if found.first is None and not found.predictions:
        return _("Nothing changed: no gate, no state and no prediction differs by more than rounding.")
    sentences = [*_turned(found, before, after), *_predicted(found, after)]
    if tracked is not None:
        sentences += _tracked(tracked, after)
    elif found.states:
        sentences.append(_moved(found, after))
    if found.surprise is not None and _told(found.surprise[0]) != _told(found.surprise[1]):
        sentences.append(
            _("Mean surprise: {before} → {after} bits.").format(**_both(found.surprise[0], found.surprise[1]))
        )
    return " ".join(sentences)


def _turned(found: Effects, before: Reading, after: Reading) -> list[str]:
    """Where it expects something else than before."""
    turn = found.turn
    if before.read is not None and after.read is not None:
        old, new = (_written(each) for each in (before, after))
        return [] if old == new else [_("It now writes “{after}”, no longer “{before}”.").format(after=new, before=old)]
    if turn is None:
        return []
    if turn.symbols is not None:
        return [
            _("After step {step}, “{token}”, it now expects “{after}”, no longer “{before}”.").format(
                step=turn.step + 1,
                token=after.prediction_labels[turn.step],
                after=turn.symbols[1],
                before=turn.symbols[0],
            )
        ]
    assert isinstance(after.prediction, ClassPrediction)
    classes = after.prediction.classes[language()]
    return [
        _("It now answers “{after}”, no longer “{before}”.").format(
            after=classes[turn.after], before=classes[turn.before]
        )
    ]


def _predicted(found: Effects, after: Reading) -> list[str]:
    """The prediction that changed most."""
    if not found.predictions:
        return [_("No prediction changes.")] if after.prediction is not None else []
    most = found.predictions[0]
    if most.symbol is not None:
        return [
            _("Probability of “{symbol}” after step {step}, “{token}”: {before} → {after}.").format(
                symbol=most.symbol,
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
    return [
        _("The predicted value after step {step}: {before} → {after}.").format(
            step=most.step + 1, **_both(most.before, most.after)
        )
    ]


def _tracked(tracked: TrackedEffect, after: Reading) -> list[str]:
    """What became of the unit that tracks something."""
    effect = tracked.effect
    unit = {"unit": effect.unit, "layer": effect.layer, "property": _(PROPERTIES[tracked.match.name])}
    sentences = [
        _(
            "From step {since} on, unit {unit} of {layer}, which tracks “{property}”, goes another way: its {quantity} at "
            "step {step}, “{token}”: {before} → {after}."
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
            _("It no longer tracks it: their correlation in this text goes from {before} to {after}.")
            if tracked.lost
            else _("Their correlation in this text goes from {before} to {after}.")
        )
        sentences.append(sentence.format(**_both(tracked.correlation[0], tracked.correlation[1])))
    return sentences


def _moved(found: Effects, after: Reading) -> str:
    """The gate or state that changed most."""
    effect = found.states[0]
    return _(
        "Inside, nothing differs before step {first}; most of all does the {quantity} of unit {unit} in {layer} at step "
        "{step}, “{token}”: {before} → {after}."
    ).format(
        first=(found.first or 0) + 1,
        quantity=quantity_names()[effect.quantity],
        unit=effect.unit,
        layer=effect.layer,
        step=effect.step + 1,
        token=after.labels_of(effect.layer)[effect.step],
        **_both(effect.before, effect.after),
    )


def _written(reading: Reading) -> str:
    """What a network that writes a sequence wrote."""
    assert isinstance(reading.prediction, SymbolPrediction)
    symbols = (reading.prediction.vocabulary[int(each)] for each in reading.prediction.following)
    return "".join(symbols).removesuffix("⊣")


def _told(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _both(before: float, after: float) -> dict[str, str]:
    """Both with two decimals, or with as many as they need to differ."""
    pairs = ({"before": _told(before, digits), "after": _told(after, digits)} for digits in range(2, 8))
    return next(
        (pair for pair in pairs if pair["before"] != pair["after"]), {"before": _told(before), "after": _told(after)}
    )
