"""What the network predicts at the current step."""

from viz.colours import palette
from viz.components import define
from viz.i18n import _, language


def prediction(view_id: str, *, key: str) -> None:
    """Mount the prediction of the trace in the store `view_id`.

    A network of symbols: the most probable next symbols, the true one marked, and its surprise in bits.
    A network of numbers: predicted beside true values, and both over all steps.
    A network that answers once, after the whole sequence: how probable it holds each answer.
    """
    define(
        "prediction",
        "raster",
        "png_export",
        "prediction_png",
        "prediction_symbols",
        "prediction_values",
        "prediction_class",
    )(
        key=key,
        data={
            "component": "prediction",
            "view_id": view_id,
            "palette": palette(),
            "words": _words(),
            "lang": language(),
        },
    )


def _words() -> dict[str, str]:
    return {
        "after": _("After '{token}' the network expects"),
        "true": _("true next"),
        "no_next": _("The sequence ends here: there is no true next symbol."),
        "surprise": _("Surprise at the true next symbol: {bits} bits"),
        "surprise_chart": _("Surprise in bits over all steps"),
        "bits_at": _("{bits} bits"),
        "next_value": _("The next value"),
        "predicted": _("predicted"),
        "truth": _("true"),
        "error": _("error"),
        "chart": _("Predicted and true next value over all steps"),
        "step_token": _("step {step}, token '{token}'"),
        "answers": _("After the whole sequence the network answers"),
        "once": _("It answers once, from the last state of each direction: stepping changes nothing here."),
        "save": _("Save as PNG"),
        "unpredicted": _("This network predicts nothing at each step."),
    }
