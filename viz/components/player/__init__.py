"""The player: step through a sequence, and choose the quantity and unit that colour its token strip."""

from collections.abc import Callable, Mapping
from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.shared.playback import playback_words
from viz.components.streamlit_host import mount
from viz.i18n import _, language
from viz.quantity_names import quantity_names

PLAYER = Component("player", ("spoken_step", "playback", "swipe", "png_export", "fixed_spans"))


def player(
    view_id: str,
    *,
    view: Mapping[str, Any],
    key: str,
    on_view_change: Callable[[], None] | None = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """Mount the playback controls, the pickers of quantity and unit, and the token strip.

    Args:
        view_id: the store that `trace_loader` loaded.
        view: {"step", "unit", "quantity", "revision", "since"}: what to show. The browser follows each of the first three
            once for each new revision in `since`, or `revision` without it; in between the reader moves freely.
        key: of the component in the page.
        on_view_change: called after the reader moved elsewhere.
        names: names of quantities that are neither gates nor states.

    Returns:
        {"step", "unit", "quantity"} where the reader stopped last, or None before the first report. Reports come
        400 ms after the last move, and never during playback.
    """
    mounted = mount(
        PLAYER, player_data(view_id, view=view, names=names), key=key, on={"view": on_view_change or (lambda: None)}
    )
    return mounted.view


def player_data(view_id: str, *, view: Mapping[str, Any], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the data of the player; arguments as of `player`."""
    return {
        "view_id": view_id,
        "view": {name: view.get(name) for name in ("step", "unit", "quantity", "revision", "since")},
        "palette": palette(),
        "words": _words(names or {}),
        "lang": language(),
    }


def _words(names: Mapping[str, str]) -> dict[str, Any]:
    return {
        **playback_words(),
        "quantities": quantity_names() | dict(names),
        "colour_by": _("Color tokens by"),
        "unit": _("Unit"),
        "fewer": _("Previous unit"),
        "more": _("Next unit"),
        "readout": _("Step {step} of {steps}, token '{token}': {quantity} of unit {unit} = {value}"),
        "spoken": _("Step {step} of {steps}: '{token}'"),
        "spoken_prediction": _("Step {step} of {steps}: '{token}', predicted {prediction}"),
        "strip": _("Input sequence, one cell per token, colored by the {quantity} of unit {unit}"),
        "step_token": _("step {step}, token '{token}'"),
        "unit_value": _("{quantity}, unit {unit}: {value}"),
        "fixed": _("{quantity} of unit {unit} fixed, step {steps}"),
        "fixed_all": _("{quantity} of all units fixed, step {steps}"),
        "fixed_here": _("fixed by an edit"),
        "save": _("Save as PNG"),
        "mirror": _("All values of layer {layer} at time step {step}"),
        "predictions": _("Most probable next tokens"),
        "classes": _("Most probable classes at this time step"),
        "surprise": _("surprisal −log₂ p (bits)"),
        "prediction": _("predicted value"),
        "truth": _("actual value"),
        "output": _("output"),
    }
