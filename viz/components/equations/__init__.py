"""The equations of a cell: with symbols, with one unit's live values, with shapes."""

from collections.abc import Callable
from typing import Any

from models.core.cells import Cell
from viz.colours import palette
from viz.components import Component
from viz.components.shared.cell_math import names
from viz.components.streamlit_host import mount
from viz.formulas import activation_definitions, formulas
from viz.i18n import _

EQUATIONS = Component("equations", ("cell_math",))

FORMS = ("numbers", "symbols", "shapes")


def equations(
    cell: Cell,
    *,
    hidden_size: int,
    input_size: int,
    output_size: int | None = None,
    bias: bool = True,
    reverse: bool = False,
    view_id: str = "step",
    key: str = "equations",
    form: str = "numbers",
    on_form_change: Callable[[], None] = lambda: None,
) -> None:
    """Show the cell's equations, one line per gate and state; the numbers are those of the view's unit and step.

    Args:
        cell: the equations, `LayerWeights.cell` of the layer shown.
        hidden_size, input_size, output_size, bias, reverse: see `viz.formulas.formulas`.
        view_id: the store whose values are shown.
        key: of the component in the page.
        form: the form shown first: one of `FORMS`.
        on_form_change: called when the reader chose another; it is then in the component's state as "form".
    """
    sizes = {"hidden_size": hidden_size, "input_size": input_size, "output_size": output_size}
    data = equations_data(cell, view_id=view_id, form=form, bias=bias, reverse=reverse, **sizes)
    mount(EQUATIONS, data, key=key, on={"form": on_form_change})


def equations_data(cell: Cell, *, view_id: str, form: str = "numbers", **layer: Any) -> dict[str, Any]:
    """Return the data of the equations; ``layer``: the arguments of `viz.formulas.formulas`."""
    return {
        "view_id": view_id,
        "palette": palette(),
        "words": _words(cell),
        "kind": cell.kind,
        "lines": _lines(cell, **layer),
        "definitions": activation_definitions(cell),
        "form": form,
    }


def _lines(cell: Cell, **layer: Any) -> list[dict[str, str]]:
    """Return each equation's quantity and its three forms as MathML."""
    return [
        {"quantity": f.quantity, "symbols": f.symbols, "numbers": f.numbers, "shapes": f.shapes}
        for f in formulas(cell, **layer)
    ]


def _words(cell: Cell) -> dict[str, object]:
    symbols = _("Equations in PyTorch's notation; σ is the sigmoid, ⊙ the element-wise product (Hadamard product).")
    if "update_gate" in cell.gates:
        symbols += " " + _("z = 1 keeps the old state; other books swap z and 1 − z.")
    elif cell.gates == ("preactivation",):
        symbols = _("Equations in PyTorch's notation; a is the pre-activation.")
    if cell.kind == "LSTM":
        symbols += " " + _("PyTorch has two biases per gate (b_ih and b_hh); only their sum matters.")
    return {
        "names": names(),
        "definition": _("activation function"),
        "form": _("Form of the equations"),
        "forms": {"numbers": _("Values"), "symbols": _("Symbols"), "shapes": _("Shapes")},
        "captions": {
            "numbers": _("Unit {unit}, time step {step}: input part (W_ih x + b_ih) + recurrent part (W_hh h + b_hh)."),
            "symbols": symbols,
            "shapes": _("Below each symbol, its shape: matrices are rows × columns."),
        },
    }
