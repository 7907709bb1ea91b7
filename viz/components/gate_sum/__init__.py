"""The arithmetic of one gate of one unit at one step, term by term."""

from viz.colours import palette
from viz.components import define
from viz.components.shared.cell_math import names
from viz.i18n import _


def arithmetic(*, view_id: str = "step", key: str = "arithmetic") -> None:
    """Show how a gate's value comes about: biases, inputs and previous units add up, an activation makes the value.

    The terms that weigh most are shown one by one, the others together. The gate is the view's quantity; a click on
    a previous unit chooses that unit for the whole view.
    """
    define("gate_sum", "cell_math")(
        key=key,
        data={"component": "arithmetic", "view_id": view_id, "palette": palette(), "words": words()},
        height="content",
    )


def words() -> dict[str, object]:
    """The strings of the arithmetic, in the language in force."""
    return {
        "names": names(),
        "choose": _("Gate"),
        "caption": _(
            "Unit {unit} at step {step}. Each bar starts where the one before ended; the last end is the sum."
        ),
        "waiting": _("Fetching the weights of unit {unit} …"),
        "biases": _("Both biases"),
        "token": _("Token “{token}” in all"),
        "below": _("Layer below in all"),
        "dimension": _("dimension {n}"),
        "unit_below": _("unit {n} below"),
        "input": _("Input {n}"),
        "unit": _("Unit {n} before"),
        "output": _("Output {n} before"),
        "choose_unit": _("Show unit {n}"),
        "other_dimensions": _("other dimensions ({n})"),
        "other_units_below": _("other units below ({n})"),
        "other_inputs": _("Other inputs ({n})"),
        "other_units": _("Other units before ({n})"),
        "other_outputs": _("Other outputs before ({n})"),
        "sum": _("Sum"),
        "reset_after": _("The reset gate, {value}, multiplies every recurrent term and the recurrent bias."),
        "reset_before": _("The reset gates multiply the previous units before their weights do."),
        "trace": _("in the trace {value}"),
        "difference": _("difference {value}"),
    }
