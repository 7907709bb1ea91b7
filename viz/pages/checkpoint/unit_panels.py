"""Units that do nothing, do the same, or cannot do anything else; and numbers that are none."""

import streamlit as st

from models.checkpoints.health import units_in
from models.checkpoints.health.unit_health import ALWAYS, STILL
from viz.figures.unit_lengths import unit_lengths
from viz.i18n import _, ngettext
from viz.pages.chart import chart, theme
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection, Run
from viz.pages.checkpoint.dense_table import table
from viz.quantity_names import quantity_names

LISTED = 24


def units(selection: CheckpointSelection, layer: str, run: Run | None) -> None:
    """The units by their weights alone, and in the run of the reader's sequence."""
    weights, said = selection.checkpoint.layers[layer], checkpoint_cache.units(selection, layer)
    names, count = quantity_names(), weights.hidden_size
    reads, read = checkpoint_cache.lengths(selection, layer)
    twins = sorted({unit for pair in said.duplicates for unit in pair})
    marked = {
        _("reads nothing"): said.unreading,
        _("nothing reads it"): said.unread,
        _("double of another"): twins,
        _("stuck gate"): sorted({unit for units in said.stuck.values() for unit in units}),
    }
    drawn, listed = st.columns([3, 2], gap="medium")
    with drawn:
        figure = unit_lengths(reads, read, weights.kind, marked, theme=theme())
        chart(figure, "unit_lengths", names=(selection.title, layer, "units"))
    with listed:
        st.markdown("**" + _("By the weights alone") + "**")
        rows = [(_("dead: reads nothing"), said.unreading), (_("dead: nothing reads it"), said.unread)]
        rows += [(_("doubles of each other"), tuple(twins))]
        rows += [(_("{gate} stuck").format(gate=names[gate]), units) for gate, units in said.stuck.items()]
        _table(rows, count)
        ran = run.layer(layer) if run else None
        if ran is None:
            st.markdown(_("What the units do in a run is shown here as soon as it can be run."))
            return
        did = units_in(ran, run.reading.row if run else 0)
        told = ngettext("In a run of {n} step", "In a run of {n} steps", did.steps).format(n=did.steps)
        st.markdown(f"**{told}**")
        rows = [(_("did not move (by {n})").format(n=STILL), did.still)]
        rows += [(_("same as another throughout"), tuple(sorted({unit for pair in did.duplicates for unit in pair})))]
        if did.silent:
            rows += [(_("never above 0"), did.silent)]
        for gate in did.closed:
            rows += [(_("{gate} always shut").format(gate=names[gate]), did.closed[gate])]
            rows += [(_("{gate} always open").format(gate=names[gate]), did.open[gate])]
        _table(rows, count)
        if did.closed:
            st.caption(
                _("Always: below 0.1, or above 0.9, at {share} of the steps or more.").format(share=f"{ALWAYS:.0%}")
            )


def _table(rows: list[tuple[str, tuple[int, ...]]], count: int) -> None:
    table(
        [
            {_("what"): what, _("units"): f"{len(units):,}\u00a0/\u00a0{count:,}", _("which"): _list(units)}
            for what, units in rows
        ]
    )


def _list(units: tuple[int, ...]) -> str:
    return ", ".join(map(str, units[:LISTED])) + (" …" if len(units) > LISTED else "") or "–"


def oddities(selection: CheckpointSelection, layer: str) -> None:
    """A row for each array of the layer."""
    found = checkpoint_cache.odd(selection, layer)
    table(
        [
            {
                _("array"): part,
                _("numbers"): f"{each.size:,}",
                "NaN": f"{each.nan:,}",
                "∞": f"{each.inf:,}",
                _("denormal"): f"{each.denormal:,}",
                _("rows of 0"): f"{len(each.zero_rows):,}",
                _("rows of one other number"): f"{len(each.constant_rows):,}",
                _("largest magnitude"): f"{each.largest:.4g}",
            }
            for part, each in found.items()
        ]
    )
