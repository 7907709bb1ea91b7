"""What the network predicts at the current step, before and after an edit."""

from viz.colours import PAIR, palette
from viz.components import define
from viz.i18n import _, language


def changed_prediction(view_id: str, *, key: str) -> None:
    """Mount the predictions that the store `view_id` holds of both runs (`viz.payloads.edited_payload`).

    Of a network of symbols the most probable ones of both, and over all steps the probability of what came next; of numbers
    the predicted values beside the true ones; of a network that answers once, how probable it holds each answer.
    """
    define("edited_prediction", "raster", "prediction_symbols")(
        key=key,
        data={
            "component": "changed_prediction",
            "view_id": view_id,
            "palette": palette(),
            "colours": {theme: [side[theme] for side in PAIR] for theme in ("light", "dark")},
            "words": _words(),
            "lang": language(),
        },
    )


def _words() -> dict[str, str]:
    return {
        "expected": _("Expected after step {step}, “{token}”"),
        "value_after": _("Predicted after step {step}"),
        "answers": _("Answered after the whole sequence"),
        "next": _("Probability of what really came next, over all steps"),
        "values": _("Predicted value over all steps (dotted: what really came)"),
        "before": _("before"),
        "after": _("after"),
        "true": _("true next"),
    }
