"""Units that do nothing, do the same, or cannot do anything else; and numbers that are none."""

import streamlit as st

from models.checkpoints.health import check_units_in_run
from models.checkpoints.health.unit_health import ALWAYS_SATURATED_SHARE, CONSTANT_RANGE
from viz.figures.unit_lengths import unit_lengths
from viz.i18n import _, ngettext
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection, Run
from viz.pages.page_elements import chart, dense_table, page_theme
from viz.quantity_names import quantity_names

LISTED = 24


def units(selection: CheckpointSelection, layer: str, run: Run | None) -> None:
    """The units by their weights alone, and in the run of the reader's sequence."""
    weights, said = selection.checkpoint.layers[layer], checkpoint_cache.units(selection, layer)
    names, count = quantity_names(), weights.hidden_size
    reads, read = checkpoint_cache.lengths(selection, layer)
    twins = sorted({unit for pair in said.duplicates for unit in pair})
    marked = {
        _("incoming weights ≈ 0"): said.no_incoming,
        _("outgoing weights ≈ 0"): said.no_outgoing,
        _("duplicate unit"): twins,
        _("gate always saturated"): sorted({unit for units in said.stuck.values() for unit in units}),
    }
    drawn, listed = st.columns([3, 2], gap="medium")
    with drawn:
        figure = unit_lengths(reads, read, weights.kind, marked, theme=page_theme())
        chart(figure, "unit_lengths", names=(selection.title, layer, "units"))
    with listed:
        st.markdown("**" + _("From the weights alone") + "**")
        rows = [
            (_("dead: incoming weights ≈ 0"), said.no_incoming),
            (_("dead: outgoing weights ≈ 0"), said.no_outgoing),
        ]
        rows += [(_("duplicate units"), tuple(twins))]
        rows += [(_("{gate} always saturated").format(gate=names[gate]), units) for gate, units in said.stuck.items()]
        _table(rows, count)
        ran = run.layer(layer) if run else None
        if ran is None:
            st.markdown(_("Once the network can be run, the activity of its units in a run is shown here."))
            return
        did = check_units_in_run(ran, run.reading.row if run else 0)
        told = ngettext("In this run of {n} time step", "In this run of {n} time steps", did.steps).format(n=did.steps)
        st.markdown(f"**{told}**")
        rows = [(_("constant (changes by less than {n})").format(n=CONSTANT_RANGE), did.constant)]
        rows += [
            (
                _("same as another unit at every time step"),
                tuple(sorted({unit for pair in did.duplicates for unit in pair})),
            )
        ]
        if did.inactive:
            rows += [(_("never above 0"), did.inactive)]
        for gate in did.closed:
            rows += [(_("{gate} always closed").format(gate=names[gate]), did.closed[gate])]
            rows += [(_("{gate} always open").format(gate=names[gate]), did.open[gate])]
        _table(rows, count)
        if did.closed:
            st.caption(
                _("Always closed: below 0.1, always open: above 0.9, in at least {share} of the time steps.").format(
                    share=f"{ALWAYS_SATURATED_SHARE:.0%}"
                )
            )


def _table(rows: list[tuple[str, tuple[int, ...]]], count: int) -> None:
    dense_table(
        [
            {_("item"): what, _("units"): f"{len(units):,}\u00a0/\u00a0{count:,}", _("unit numbers"): _list(units)}
            for what, units in rows
        ]
    )


def _list(units: tuple[int, ...]) -> str:
    return ", ".join(map(str, units[:LISTED])) + (" …" if len(units) > LISTED else "") or "–"


def oddities(selection: CheckpointSelection, layer: str) -> None:
    """A row for each array of the layer."""
    found = checkpoint_cache.odd(selection, layer)
    dense_table(
        [
            {
                _("array"): part,
                _("parameters"): f"{each.size:,}",
                "NaN": f"{each.nan:,}",
                "∞": f"{each.inf:,}",
                _("denormal"): f"{each.denormal:,}",
                _("all-zero rows"): f"{len(each.zero_rows):,}",
                _("other constant rows"): f"{len(each.constant_rows):,}",
                _("largest absolute value"): f"{each.largest:.4g}",
            }
            for part, each in found.items()
        ]
    )
