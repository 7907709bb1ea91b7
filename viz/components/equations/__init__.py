"""The equations of a cell: with symbols, with one unit's live values, with shapes."""

from collections.abc import Callable, Mapping
from typing import Any

from models.core.cells import Cell
from models.core.custom_cell import CellFormulas
from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from viz.colours import palette
from viz.components import Component
from viz.components.shared.cell_math import names
from viz.components.shared.value_sentences import value_sentences
from viz.components.streamlit_host import mount
from viz.custom_formulas import custom_formulas
from viz.formulas import Formula, activation_definitions, formulas
from viz.i18n import _

EQUATIONS = Component("equations", ("cell_math", "math_lines", "value_sentences"))

FORMS = ("numbers", "symbols", "shapes")


def equations(
    layer: LayerTrace | SavedCell,
    *,
    view_id: str = "step",
    key: str = "equations",
    form: str = "numbers",
    on_form_change: Callable[[], None] = lambda: None,
) -> None:
    """Show a layer's equations, one line per gate and state; the numbers are those of the view's unit and step.

    Args:
        layer: the layer, also one of a cell of the user's own.
        view_id: the store whose values are shown.
        key: of the component in the page.
        form: the form shown first: one of `FORMS`.
        on_form_change: called when the reader chose another; it is then in the component's state as "form".
    """
    data = layer_equations_data(layer, view_id=view_id, form=form)
    mount(EQUATIONS, data, key=key, on={"form": on_form_change})


def layer_equations_data(layer: LayerTrace | SavedCell, *, view_id: str, form: str = "numbers") -> dict[str, Any]:
    """Return the data of a layer's equations."""
    if isinstance(layer, SavedCell):
        widths = {name: layer[name].shape[2] for name in layer.quantities} | {"input": layer.input.shape[2]}
        return custom_equations_data(layer.cell_equations, widths, view_id=view_id, form=form)
    weights = layer.weights
    return equations_data(
        weights.cell,
        view_id=view_id,
        form=form,
        hidden_size=weights.hidden_size,
        input_size=weights.input_size,
        output_size=weights.output_size,
        bias=weights.bias_ih is not None,
        reverse=layer.reverse,
    )


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
    return [_forms(formula) for formula in formulas(cell, **layer)]


def _forms(formula: Formula) -> dict[str, str]:
    return {name: getattr(formula, name) for name in ("quantity", "symbols", "numbers", "shapes")}


def custom_equations_data(
    cell: CellFormulas, widths: Mapping[str, int], *, view_id: str, form: str = "numbers"
) -> dict[str, Any]:
    """Return the data of the equations of a cell of the user's own; ``widths``: units of every quantity, and of ``input``."""
    words = {
        "names": {name: name for name in cell.quantities} | names(),
        "definition": _("activation function"),
        "form": _("Form of the equations"),
        "forms": {"numbers": _("Values"), "symbols": _("Symbols"), "shapes": _("Shapes")},
        "captions": {
            "numbers": _("Unit {unit}, time step {step}. What depends on several units is written with symbols."),
            "symbols": _("Equations as in the code: each parameter and module has its own name; σ is the sigmoid."),
            "shapes": _("Below each symbol, its shape: matrices are rows × columns."),
        },
    }
    return {
        "view_id": view_id,
        "palette": palette(),
        "words": words,
        "kind": cell.kind,
        "lines": [_forms(formula) for formula in custom_formulas(cell, widths)],
        "definitions": [],
        "form": form,
    }


def _words(cell: Cell) -> dict[str, object]:
    symbols = _("Equations in PyTorch's notation; σ is the sigmoid, ⊙ the element-wise product (Hadamard product).")
    if "update_gate" in cell.gates:
        symbols += " " + _("z = 1 keeps the old state; other books swap z and 1 − z.")
    elif cell.gates == ("preactivation",):
        symbols = _("Equations in PyTorch's notation; a is the pre-activation.")
    if cell.kind == "LSTM":
        symbols += " " + _("PyTorch has two biases per gate (b_ih and b_hh); only their sum matters.")
    numbers = _("Unit {unit}, time step {step}: input part (W_ih x + b_ih) + recurrent part (W_hh h + b_hh).")
    if cell.peepholes:
        numbers = _(
            "Unit {unit}, time step {step}: input part (W_ih x + b_ih) + recurrent part (W_hh h + b_hh) + peephole (w_c c)."
        )
    if cell.multiplicative:
        numbers = _(
            "Unit {unit}, time step {step}: input part (W_ih x + b_ih) + recurrent part (W_hh m + b_hh); "
            "m = (W_mx x) ⊙ (W_mh h)."
        )
    if cell.norm is not None:
        symbols += " " + _(
            "LN is a layer norm, over the products of all gates together: (v − mean) ÷ deviation, times a gain, plus a shift."
        )
        numbers = _(
            "Unit {unit}, time step {step}: input part LN(W_ih x + b_ih) + recurrent part LN(W_hh h + b_hh), after the layer "
            "norms."
        )
    if cell.coupled:
        symbols += " " + _("The forget gate is 1 − i: its own weights and biases are not used.")
    if cell.clip is not None:
        symbols += " " + _("clip(a, low, high) bounds a.")
    return {
        "names": names(),
        "sentences": value_sentences(cell),
        "definition": _("activation function"),
        "form": _("Form of the equations"),
        "forms": {"numbers": _("Values"), "symbols": _("Symbols"), "shapes": _("Shapes")},
        "captions": {
            "numbers": numbers,
            "symbols": symbols,
            "shapes": _("Below each symbol, its shape: matrices are rows × columns."),
        },
    }
