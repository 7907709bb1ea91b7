"""Lists of the incoming and the outgoing weights of the selected unit."""

from models.core.cells import NORM_NAMES
from models.edits.unit_weights import UnitWeight, weights_of_unit
from models.edits.weight_edits import Parameters
from models.networks.forward_run import ForwardRun
from viz.components.unit_weight_list import picked_weight, unit_weight_list
from viz.escape import escape_markdown
from viz.i18n import _, ngettext
from viz.pages.edit import edit_cache
from viz.pages.edit.edit_cache import VIEW_ID
from viz.pages.edit.weight_selection import axis_names, select_entry
from viz.pages.panels import panel
from viz.quantity_names import quantity_names
from viz.session import Session

LIST_KEY = "edit_links"
MAX_LISTED = 60

Axes = tuple[list[str], list[str]]
"""Labels of a matrix's rows and columns."""


def unit_weight_panel(session: Session, run: ForwardRun) -> None:
    """Show both lists."""
    parameters = edit_cache.edited_parameters(session)
    layer, unit = session.view.layer or "", session.view.unit or 0

    @panel(
        "unit_weights",
        _("Weights of unit {unit} in {layer}").format(unit=unit, layer=escape_markdown(layer)),
        _(
            "The incoming and outgoing weights, largest first. Which are much larger than the rest? Click one to "
            "edit it above. To see another unit, select it in the playback controls."
        ),
    )
    def draw_unit_weights() -> None:
        incoming, outgoing = (weights_of_unit(parameters, layer, unit, way) for way in ("reads", "writes"))
        axes = {name: axis_names(parameters, name, run) for name in {weight.name for weight in incoming + outgoing}}
        unit_weight_list(
            VIEW_ID,
            lists=[
                (
                    ngettext("{n} incoming weight or bias", "{n} incoming weights and biases", len(incoming)).format(
                        n=f"{len(incoming):,}"
                    ),
                    [
                        (_incoming_label(parameters, run, axes[weight.name], weight), weight)
                        for weight in incoming[:MAX_LISTED]
                    ],
                ),
                (
                    ngettext("{n} outgoing weight", "{n} outgoing weights", len(outgoing)).format(
                        n=f"{len(outgoing):,}"
                    ),
                    [
                        (_outgoing_label(parameters, axes[weight.name], layer, weight), weight)
                        for weight in outgoing[:MAX_LISTED]
                    ],
                ),
            ],
            key=LIST_KEY,
            on_picked=_pick,
        )


def _incoming_label(parameters: Parameters, run: ForwardRun, axes: Axes, weight: UnitWeight) -> str:
    """Return the label of an incoming weight: its gate and its source."""
    gate = quantity_names()[weight.gate or ""]
    if weight.name.endswith(".weight_ch"):
        return _("{gate}: peephole from its own cell state").format(gate=gate)
    if weight.name.rpartition(".")[2] in NORM_NAMES:
        return _("{gate}: layer norm ({name})").format(gate=gate, name=weight.name.rpartition(".")[2])
    if parameters.arrays[weight.name].dim() == 1:
        return _("{gate}: bias ({name})").format(gate=gate, name=weight.name.rpartition(".")[2])
    column = axes[1][weight.column]
    layer, _dot, kind = weight.name.rpartition(".")
    if kind == "weight_hh" and parameters.cells[layer].multiplicative:
        return _("{gate} ← intermediate state of unit {unit}").format(gate=gate, unit=column)
    if kind in ("weight_hh", "weight_mh"):
        return _("{gate} ← unit {unit}").format(gate=gate, unit=column)
    if parameters.columns_are_units(weight.name):
        return _("{gate} ← unit {unit} of the layer below").format(gate=gate, unit=column)
    if run.input_names is not None:
        return f"{gate} ← “{column}”"
    return _("{gate} ← input {column}").format(gate=gate, column=column)


def _outgoing_label(parameters: Parameters, axes: Axes, layer: str, weight: UnitWeight) -> str:
    """Return the label of an outgoing weight: its target."""
    owner = weight.name.rpartition(".")[0]
    row = axes[0][weight.row]
    if weight.gate is None:
        return (
            _("→ score of “{symbol}”").format(symbol=row) if parameters.columns_are_units(weight.name) else f"→ {row}"
        )
    if owner == layer:
        return _("→ {gate} of unit {unit}").format(gate=quantity_names()[weight.gate], unit=row)
    return _("→ {gate} of unit {unit} in {layer}").format(gate=quantity_names()[weight.gate], unit=row, layer=owner)


def _pick() -> None:
    place = picked_weight(LIST_KEY)
    if place is not None:
        select_entry(*place)
