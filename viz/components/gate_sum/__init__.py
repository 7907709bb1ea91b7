"""The sum behind one gate of one unit at one step, term by term."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.shared.cell_math import names
from viz.components.streamlit_host import mount
from viz.i18n import _

GATE_SUM = Component("gate_sum", ("cell_math",))


def gate_sum(*, view_id: str = "step", key: str = "gate_sum") -> None:
    """Show the terms of a gate's sum (biases, inputs, previous units), and the activation that makes its value.

    The largest terms are shown one by one, the others together. The gate is the view's quantity; a click on
    a previous unit chooses that unit for the whole view.
    """
    mount(GATE_SUM, gate_sum_data(view_id), key=key)


def gate_sum_data(view_id: str) -> dict[str, Any]:
    """Return the data of the sum."""
    return {"view_id": view_id, "palette": palette(), "words": _words()}


def _words() -> dict[str, object]:
    return {
        "names": names(),
        "choose": _("Gate"),
        "caption": _(
            "Unit {unit}, time step {step}. Each bar starts where the previous one ends; the last bar ends at the sum."
        ),
        "waiting": _("Loading the weights of unit {unit}…"),
        "biases": _("Both biases"),
        "token": _("Token “{token}” (sum)"),
        "below": _("Layer below (sum)"),
        "dimension": _("dimension {n}"),
        "unit_below": _("unit {n}, layer below"),
        "input": _("Input {n}"),
        "unit": _("Unit {n} at {before}"),
        "output": _("Output {n} at {before}"),
        "intermediate": _("Intermediate state {n}"),
        "other_intermediate": _("Other intermediate states ({n})"),
        "choose_unit": _("Show unit {n}"),
        "other_dimensions": _("other dimensions ({n})"),
        "other_units_below": _("other units, layer below ({n})"),
        "other_inputs": _("Other inputs ({n})"),
        "other_units": _("Other units at {before} ({n})"),
        "other_outputs": _("Other outputs at {before} ({n})"),
        "peephole_before": _("Peephole: cell state at {before}"),
        "peephole_now": _("Peephole: new cell state"),
        "clip": _("The sum is clipped to the range from −{bound} to {bound} before the activation function."),
        "norm": _(
            "The layer norms multiply each product by gain ÷ deviation ({input} in the input part, {recurrent} in the "
            "recurrent part) and add shift − mean × gain ÷ deviation."
        ),
        "norm_offset": _("Both layer norms"),
        "sum": _("Sum"),
        "reset_after": _(
            "The reset gate, {value}, multiplies all recurrent terms and the recurrent bias (as in PyTorch and cuDNN)."
        ),
        "reset_before": _(
            "The reset gates multiply the previous hidden state before the weights do (as in Cho et al. 2014)."
        ),
        "trace": _("recorded value {value}"),
        "difference": _("difference {value}"),
    }
