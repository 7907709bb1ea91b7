"""The network's prediction at the current step, before and after an edit."""

from typing import Any

from viz.colours import BEFORE_AFTER, palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _, language

EDITED_PREDICTION = Component("edited_prediction", ("raster", "prediction_symbols"))


def edited_prediction(view_id: str, *, key: str) -> None:
    """Mount the predictions of both runs in the store `view_id` (`viz.payloads.edited_payload`).

    A network of symbols: the most probable ones of both runs, and over all steps the probability of the true next
    symbol. A network of values: the predicted values, beside the true ones if there are any. A classifier: the probability
    of each class. A tagger: the most probable classes of both runs, and over all steps the probability of the one before.
    """
    mount(EDITED_PREDICTION, edited_prediction_data(view_id), key=key)


def edited_prediction_data(view_id: str) -> dict[str, Any]:
    """Return the data of the predictions."""
    return {
        "view_id": view_id,
        "palette": palette(),
        "colours": {theme: [side[theme] for side in BEFORE_AFTER] for theme in ("light", "dark")},
        "words": _words(),
        "lang": language(),
    }


def _words() -> dict[str, str]:
    return {
        "expected": _("Prediction after time step {step}, “{token}”"),
        "value_after": _("Predicted value after time step {step}"),
        "outputs_after": _("Outputs at time step {step}"),
        "answers": _("Class probabilities after the whole sequence"),
        "class_at": _("Class at time step {step}, “{token}”"),
        "class_before": _("Probability of the class predicted before the edits, per time step"),
        "next": _("Probability of the actual next token, per time step"),
        "generated_next": _("Probability of the generated token, per time step"),
        "values": _("Predicted value per time step (dotted: actual value)"),
        "output": _("output {unit}"),
        "output_chart": _("Output {unit} at each time step"),
        "not_drawn": _("Charts: the first {shown} of {count} outputs."),
        "before": _("before"),
        "after": _("after"),
        "true": _("actual next token"),
        "generated_true": _("generated token"),
        "step_token": _("step {step}, token '{token}'"),
    }
