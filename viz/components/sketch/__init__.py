"""A curve over the time steps that the reader draws, by pointer or keyboard; beside it the computed one, once it is given."""

from collections.abc import Callable, Sequence
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

SKETCH = Component("sketch")


def sketch(
    tokens: Sequence[str],
    bounds: tuple[float, float],
    *,
    drawn: Sequence[float] | None = None,
    computed: Sequence[float] | None = None,
    key: str,
    on_drawn: Callable[[], None],
) -> None:
    """Mount the drawing.

    Args:
        tokens: of the sequence, one per time step.
        bounds: lowest and highest value.
        drawn: the reader's curve, a value per time step; None if it is not drawn yet.
        computed: the curve to show beside it, which ends the drawing; None to draw.
        key: of the component in the page.
        on_drawn: called when the reader has finished: {"values"} is then in the component's state as "drawn".
    """
    mount(SKETCH, sketch_data(tokens, bounds, drawn=drawn, computed=computed), key=key, on={"drawn": on_drawn})


def sketch_data(
    tokens: Sequence[str],
    bounds: tuple[float, float],
    *,
    drawn: Sequence[float] | None = None,
    computed: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return the data of the drawing; arguments as of `sketch`."""
    return {
        "view_id": "sketch",
        "tokens": list(tokens),
        "low": bounds[0],
        "high": bounds[1],
        "drawn": None if drawn is None else list(drawn),
        "computed": None if computed is None else list(computed),
        "words": {
            "label": _("Curve over the time steps"),
            "hint": _("Draw with the pointer from left to right. By keyboard: ← → choose a time step, ↑ ↓ its value."),
            "value": _("Time step {step}, “{token}”: {value}"),
            "empty": _("Time step {step}, “{token}”: not drawn yet"),
            "finish": _("Compare with the computed curve"),
            "clear": _("Clear"),
            "drawn": _("your curve"),
            "computed": _("computed"),
        },
    }
