"""The equations of a cell: with symbols, with one unit's live numbers, with shapes."""

from collections.abc import Callable
from typing import Any

from models.core.cells import Cell
from viz.colours import palette
from viz.components import define
from viz.components.shared.cell_math import names
from viz.formulas import definitions, formulas
from viz.i18n import _

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
        view_id: the store whose numbers they show.
        key: of the component in the page.
        form: what is shown to begin with: one of `FORMS`.
        on_form_change: called when the reader chose another; it is then in the component's state as "form".
    """
    sizes = {"hidden_size": hidden_size, "input_size": input_size, "output_size": output_size}
    define("equations", "cell_math")(
        key=key,
        data={
            "component": "equations",
            "view_id": view_id,
            "palette": palette(),
            "words": words(),
            "kind": cell.kind,
            "lines": lines(cell, bias=bias, reverse=reverse, **sizes),
            "definitions": definitions(cell),
            "form": form,
        },
        height="content",
        on_form_change=on_form_change,
    )


def lines(cell: Cell, **layer: Any) -> list[dict[str, str]]:
    """The equations as the browser takes them; `layer` is what `viz.formulas.formulas` takes."""
    return [
        {"quantity": f.quantity, "symbols": f.symbols, "numbers": f.numbers, "shapes": f.shapes}
        for f in formulas(cell, **layer)
    ]


def words() -> dict[str, object]:
    """The strings of the equations, in the language in force."""
    return {
        "names": names(),
        "definition": _("activation"),
        "form": _("Form of the equations"),
        "forms": {"numbers": _("Numbers"), "symbols": _("Symbols"), "shapes": _("Shapes")},
        "captions": {
            "numbers": _("Unit {unit} at step {step}: input part + recurrent part, biases included."),
            "symbols": _("The layer's equations, with PyTorch's names; ⊙ multiplies unit by unit."),
            "shapes": _("Under each symbol, its shape: matrices are rows × columns."),
        },
    }
