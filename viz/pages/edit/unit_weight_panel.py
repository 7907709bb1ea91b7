"""The weights of the chosen unit as lists: those by which it is moved, and those by which it moves others."""

from models.edits.unit_weights import UnitWeight, weights_of_unit
from models.edits.weight_edits import Parameters
from models.networks.forward_run import ForwardRun
from viz.components.unit_weight_list import picked_weight, unit_weight_list
from viz.i18n import _
from viz.pages.edit import edit_cache as edit_sources
from viz.pages.edit.edit_cache import VIEW_ID
from viz.pages.edit.weight_selection import axis_names, pick
from viz.pages.page_elements import panel
from viz.quantity_names import quantity_names
from viz.session import Session

KEY = "edit_links"
MOST = 60

Axes = tuple[list[str], list[str]]
"""What a matrix's rows and columns stand for."""


def unit_weights(session: Session, reading: ForwardRun) -> None:
    """Both lists."""
    known = edit_sources.parameters(session)
    layer, unit = session.view.layer or "", session.view.unit or 0
    with panel(
        _("Weights of unit {unit}").format(unit=unit),
        _(
            "The incoming and outgoing weights, largest first. Which are much larger than the rest? Click one to "
            "edit it above. To see another unit, select it in the playback controls."
        ),
    ):
        reads, writes = (weights_of_unit(known, layer, unit, way) for way in ("reads", "writes"))
        axes = {name: axis_names(known, name, reading) for name in {link.name for link in reads + writes}}
        unit_weight_list(
            VIEW_ID,
            lists=[
                (
                    _("{n} incoming weights and biases").format(n=f"{len(reads):,}"),
                    [(_read(known, reading, axes[link.name], link), link) for link in reads[:MOST]],
                ),
                (
                    _("{n} outgoing weights").format(n=f"{len(writes):,}"),
                    [(_written(known, axes[link.name], layer, link), link) for link in writes[:MOST]],
                ),
            ],
            key=KEY,
            on_picked=_pick,
        )


def _read(known: Parameters, reading: ForwardRun, axes: Axes, link: UnitWeight) -> str:
    """Which gate is moved, and by what."""
    gate = quantity_names()[link.gate or ""]
    if known.arrays[link.name].dim() == 1:
        return _("{gate}: bias ({name})").format(gate=gate, name=link.name.rpartition(".")[2])
    column = axes[1][link.column]
    if link.name.endswith("weight_hh"):
        return _("{gate} ← unit {unit}").format(gate=gate, unit=column)
    if known.columns_are_units(link.name):
        return _("{gate} ← unit {unit} of the layer below").format(gate=gate, unit=column)
    if reading.input_names is not None:
        return f"{gate} ← “{column}”"
    return _("{gate} ← input {column}").format(gate=gate, column=column)


def _written(known: Parameters, axes: Axes, layer: str, link: UnitWeight) -> str:
    """What is moved."""
    owner = link.name.rpartition(".")[0]
    row = axes[0][link.row]
    if link.gate is None:
        return _("→ score of “{symbol}”").format(symbol=row) if known.columns_are_units(link.name) else f"→ {row}"
    if owner == layer:
        return _("→ {gate} of unit {unit}").format(gate=quantity_names()[link.gate], unit=row)
    return _("→ {gate} of unit {unit} in {layer}").format(gate=quantity_names()[link.gate], unit=row, layer=owner)


def _pick() -> None:
    place = picked_weight(KEY)
    if place is not None:
        pick(*place)
