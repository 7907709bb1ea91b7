"""The player: step through a sequence, choose what tints the unrolled strip of its tokens."""

from collections.abc import Callable, Mapping
from typing import Any

from viz.colours import palette
from viz.components import define
from viz.components.shared.playback import transport_words
from viz.i18n import _, language
from viz.quantity_names import quantity_names


def player(
    view_id: str,
    *,
    view: Mapping[str, Any],
    key: str,
    on_view_change: Callable[[], None] | None = None,
) -> dict[str, Any] | None:
    """Mount the transport bar, the pickers of quantity and unit, and the unrolled strip; mirror every number.

    Args:
        view_id: the store that `sequence` loaded.
        view: {"step", "unit", "quantity", "revision"}: what the server wants shown. The browser obeys once
            for each new `revision`; in between it moves by itself.
        key: of the component in the page.
        on_view_change: called when the reader has settled elsewhere.

    Returns:
        {"step", "unit", "quantity"} where the reader settled last, or None before the first report. It comes
        400 ms after the last move, and never while the sequence plays.
    """
    mounted = define("player", "playback", "png_export", "held_spans", "token_strip", "number_mirror")(
        key=key,
        data={
            "component": "player",
            "view_id": view_id,
            "view": {name: view.get(name) for name in ("step", "unit", "quantity", "revision")},
            "palette": palette(),
            "words": _words(),
            "lang": language(),
        },
        on_view_change=on_view_change or (lambda: None),
    )
    return mounted.view


def _words() -> dict[str, Any]:
    return {
        **transport_words(),
        "quantities": quantity_names(),
        "tint": _("Tint the tokens by"),
        "unit": _("Unit"),
        "fewer": _("Previous unit"),
        "more": _("Next unit"),
        "readout": _("Step {step} of {steps}, token '{token}': {quantity} of unit {unit} is {value}"),
        "strip": _("The sequence, one cell a token, tinted by {quantity} of unit {unit}"),
        "step_token": _("step {step}, token '{token}'"),
        "unit_value": _("{quantity}, unit {unit}: {value}"),
        "held": _("{quantity} of unit {unit} held, step {steps}"),
        "held_all": _("{quantity} of all units held, step {steps}"),
        "held_here": _("held by an edit"),
        "save": _("Save as PNG"),
        "mirror": _("Every number of layer {layer} at step {step}"),
        "predictions": _("The most probable next symbols"),
        "surprise": _("surprise in bits"),
        "prediction": _("predicted value"),
        "truth": _("true value"),
    }
