"""What a notebook shows of a trace, a network, a training and a checkpoint at the end of a cell."""

from __future__ import annotations

from typing import Any

from models.checkpoints import Checkpoint
from models.checkpoints.parsing.contents import FoundLayer
from models.core.cells import GATE_COUNTS
from viz.escape import escape_html
from viz.i18n import _, ngettext
from viz.show.show_lens import show


def notebook_html(thing: Any) -> str:
    """Return HTML: the Step lens of a run or a network, a training, or the recurrent layers of a checkpoint.

    Raises:
        Problem: it cannot be shown; one sentence says why.
    """
    return checkpoint_table(thing) if isinstance(thing, Checkpoint) else show(thing)._repr_html_()


def checkpoint_table(checkpoint: Checkpoint) -> str:
    """Return the recurrent layers of a checkpoint as a table: name, cell, inputs, units, and what is not certain."""
    head = "".join(f"<th>{escape_html(name)}</th>" for name in (_("Layer"), _("Cell"), _("Inputs"), _("Units"), ""))
    rows = "".join(f"<tr>{_cells(name, layer)}</tr>" for name, layer in checkpoint.found.items())
    others = ngettext("{n} other tensor", "{n} other tensors", len(checkpoint.stored)).format(n=len(checkpoint.stored))
    title = f"{checkpoint.format} · {others}"
    if not rows:
        nothing = _("No recurrent layer was found in this file, neither by name nor by shape.")
        return f"<p>{escape_html(title)}</p><p>{escape_html(nothing)}</p>"
    return f"<p>{escape_html(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(name: str, layer: FoundLayer) -> str:
    gates = GATE_COUNTS.get(layer.kind)
    shapes = {part: stored.shape for part, stored in layer.parts.items()}
    inputs = shapes["weight_ih"][1] if len(shapes.get("weight_ih", ())) == 2 else None
    units = shapes["weight_hh"][0] // gates if gates and len(shapes.get("weight_hh", ())) == 2 else None
    doubts = []
    if layer.unexplained:
        doubts.append(_("not read: {names}").format(names=", ".join(layer.unexplained)))
    if layer.assumed:
        doubts.append(_("assumed: {names}").format(names=", ".join(layer.assumed)))
    values = (name, layer.kind, *("?" if each is None else f"{each:,}" for each in (inputs, units)), "; ".join(doubts))
    return "".join(f"<td>{escape_html(value)}</td>" for value in values)
