"""Titles and captions of the panels of the Step lens."""

import numpy as np

from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction, ValuePrediction
from viz.i18n import _
from viz.panel_texts import PanelText


def cell_text(layer: LayerTrace | SavedCell) -> PanelText:
    """Return the text of the cell diagram."""
    if isinstance(layer, SavedCell):
        look_for = _(
            "One time step of the cell: each gate and state is computed from the values with a dot on its line. Which "
            "values does a state depend on?"
        )
    elif layer.kind == "RNN":
        look_for = _(
            "One time step of the cell: the input and the previous hidden state are summed and passed through the activation."
        )
    else:
        look_for = _(
            "One time step of the cell. Follow the line that runs straight through it: which gate keeps the previous state, "
            "and which adds to it?"
        )
    return PanelText(_("Inside the cell"), look_for)


def equations_text() -> PanelText:
    """Return the text of the cell's equations."""
    return PanelText(_("Equations"), _("The same cell as equations; select a line to find it in the diagram."))


def gate_sum_text() -> PanelText:
    """Return the text of the terms of a gate's sum."""
    return PanelText(
        _("How this value is computed"),
        _(
            "Terms of the sum before the activation. Which inputs and which units of the previous time step raise "
            "or lower the value most?"
        ),
    )


def units_now_text(layer: LayerTrace | SavedCell) -> PanelText:
    """Return the text of the values of all units at the step."""
    look_for = _(
        "Gates and states of all units. How many gates are fully open (1) or closed (0), and do the units behave alike?"
    )
    if layer.kind == "RNN" and not isinstance(layer, SavedCell):
        look_for = _("Hidden state of all units. How many units are saturated (near ±1)?")
    return PanelText(_("All units at this time step"), look_for)


def units_at_all_steps_text() -> PanelText:
    """Return the text of the heatmaps of all steps."""
    return PanelText(
        _("All units at all time steps"),
        _("Look for rows that change where something in the sequence changes: such a unit may track it."),
    )


def prediction_text(run: ForwardRun) -> PanelText:
    """Return the text of the prediction."""
    return PanelText(_("Prediction"), _prediction_look_for(run))


def _prediction_look_for(run: ForwardRun) -> str:
    if isinstance(run.prediction, ValuePrediction):
        if run.prediction.target is None:
            return _(
                "Values that the network outputs at each time step. The file does not say what they mean. At which time "
                "steps do they change most?"
            )
        return _(
            "Where does the dashed line (prediction) differ from the actual values? There the prediction was wrong."
        )
    if isinstance(run.prediction, ClassPrediction):
        return _(
            "Probability of each class after the whole text. How confident is the prediction? Change one word and "
            "see whether it changes."
        )
    if isinstance(run.prediction, TagPrediction):
        return _(
            "Probability of each class at this time step, and of the most probable class at each time step. Where is the "
            "network least certain?"
        )
    if run.prediction is None and run.outputs:
        return _(
            "Values that the network outputs for the whole sequence. Change one input value and see which of them change."
        )
    look_for = _(
        "Where is the prediction confident, and where not? Peaks are tokens with high surprisal −log₂ p (1 "
        "bit = probability 1/2)."
    )
    if not isinstance(run.prediction, SymbolPrediction):
        return look_for
    bits = run.prediction.surprisal[run.prediction.target >= 0].astype(float)
    perplexity = float(np.exp2(bits.mean())) if len(bits) else np.nan
    if not np.isfinite(perplexity):
        return look_for
    mean = _("Mean of this sequence: {bits} bits, a perplexity of 2^{bits} = {perplexity}.")
    return f"{look_for} {mean.format(bits=f'{bits.mean():.2f}', perplexity=f'{perplexity:.3g}')}"
