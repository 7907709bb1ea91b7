"""The network's prediction at the current step."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _, language

PREDICTION = Component("prediction", ("raster", "png_export", "prediction_symbols"))


def prediction(view_id: str, *, key: str) -> None:
    """Mount the prediction of the trace in the store `view_id`.

    A network of symbols: the most probable next symbols, the true one marked, and its surprisal in bits.
    A network of values: predicted beside true values, and both over all steps; without true values, the outputs alone.
    A classifier: the probability of each class, after the whole sequence. A tagger: the most probable classes of the step.
    """
    mount(PREDICTION, prediction_data(view_id), key=key)


def prediction_data(view_id: str) -> dict[str, Any]:
    """Return the data of the prediction."""
    return {"view_id": view_id, "palette": palette(), "words": _words(), "lang": language()}


def _words() -> dict[str, str]:
    return {
        "after": _("Prediction after '{token}'"),
        "true": _("actual next token"),
        "generated": _("generated token"),
        "no_next": _("Last token of the sequence: no next token to compare with."),
        "surprise": _("Surprisal of the actual next token: {bits} bits (−log₂ p; 1 bit: p = 1/2)"),
        "generated_surprise": _("Surprisal of the generated token: {bits} bits (−log₂ p; 1 bit: p = 1/2)"),
        "surprise_chart": _("Surprisal per time step (bits)"),
        "bits_at": _("{bits} bits"),
        "next_value": _("Next value"),
        "outputs": _("Outputs at this time step"),
        "output": _("output {unit}"),
        "output_chart": _("Output {unit} at each time step"),
        "not_drawn": _("Charts: the first {shown} of {count} outputs. The others as numbers:"),
        "predicted": _("predicted"),
        "truth": _("actual"),
        "error": _("error"),
        "chart": _("Predicted and actual next value per time step"),
        "step_token": _("step {step}, token '{token}'"),
        "answers": _("Class probabilities after the whole sequence"),
        "class_at": _("Class at time step {step}, “{token}”"),
        "class_chart": _("Probability of the most probable class per time step"),
        "once": _("One prediction for the whole sequence: the same at every time step."),
        "save": _("Save as PNG"),
        "unpredicted": _("This network makes no prediction at individual time steps."),
    }
