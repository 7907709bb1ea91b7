"""Dead, duplicate and saturated units; and NaN, infinite and constant values."""

import streamlit as st

from models.checkpoints.health import check_units_in_run
from models.checkpoints.health.unit_health import ALWAYS_SATURATED_SHARE, CONSTANT_RANGE
from viz.figures.unit_weight_norms import unit_weight_norms
from viz.i18n import _, ngettext
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointRun, CheckpointSelection
from viz.pages.nonfinite_notes import consequence, state_note
from viz.pages.page_elements import chart, dense_table, page_theme
from viz.quantity_names import quantity_names

MAX_LISTED = 24


def unit_panel(selection: CheckpointSelection, layer: str, run: CheckpointRun | None) -> None:
    """Show the units by their weights alone, and their activity in the run."""
    weights, health = selection.checkpoint.layers[layer], checkpoint_cache.layer_unit_health(selection, layer)
    names, count = quantity_names(), weights.hidden_size
    incoming, outgoing = checkpoint_cache.incoming_outgoing_norms(selection, layer)
    twins = sorted({unit for pair in health.duplicates for unit in pair})
    marked = {
        _("incoming weights ≈ 0"): health.no_incoming,
        _("outgoing weights ≈ 0"): health.no_outgoing,
        _("duplicate unit"): twins,
        _("gate always saturated"): sorted({unit for units in health.stuck.values() for unit in units}),
    }
    drawn, listed = st.columns([3, 2], gap="medium")
    with drawn:
        figure = unit_weight_norms(incoming, outgoing, weights.kind, marked, theme=page_theme())
        chart(figure, "unit_lengths", names=(selection.title, layer, "units"))
    with listed:
        st.markdown("**" + _("From the weights alone") + "**")
        rows = [
            (_("dead: incoming weights ≈ 0"), health.no_incoming),
            (_("dead: outgoing weights ≈ 0"), health.no_outgoing),
        ]
        rows += [(_("duplicate units"), tuple(twins))]
        rows += [(_("{gate} always saturated").format(gate=names[gate]), units) for gate, units in health.stuck.items()]
        _table(rows, count)
        ran = run.layer(layer) if run else None
        if ran is None:
            st.markdown(_("Once the network can be run, the activity of its units in a run is shown here."))
            return
        row = run.forward_run.row if run else 0
        note = state_note(ran, row)
        if note is not None:
            st.markdown(f"{note} {consequence()}")
        activity = check_units_in_run(ran, row)
        title = ngettext("In this run of {n} time step", "In this run of {n} time steps", activity.steps).format(
            n=activity.steps
        )
        st.markdown(f"**{title}**")
        rows = [(_("dead in this run: |hidden state| below {n}").format(n=CONSTANT_RANGE), activity.silent)]
        rows += [(_("constant (changes by less than {n})").format(n=CONSTANT_RANGE), activity.constant)]
        rows += [
            (
                _("same as another unit at every time step"),
                tuple(sorted({unit for pair in activity.duplicates for unit in pair})),
            )
        ]
        if activity.inactive:
            rows += [(_("never above 0"), activity.inactive)]
        for gate in activity.closed:
            rows += [(_("{gate} always closed").format(gate=names[gate]), activity.closed[gate])]
            rows += [(_("{gate} always open").format(gate=names[gate]), activity.open[gate])]
        _table(rows, count)
        if activity.closed:
            st.caption(
                _("Always closed: below 0.1, always open: above 0.9, in at least {share} of the time steps.").format(
                    share=f"{ALWAYS_SATURATED_SHARE:.0%}"
                )
            )


def _table(rows: list[tuple[str, tuple[int, ...]]], count: int) -> None:
    dense_table(
        [
            {_("condition"): what, _("units"): f"{len(units):,}\u00a0/\u00a0{count:,}", _("unit numbers"): _list(units)}
            for what, units in rows
        ]
    )


def _list(units: tuple[int, ...]) -> str:
    return ", ".join(map(str, units[:MAX_LISTED])) + (" …" if len(units) > MAX_LISTED else "") or "–"


def anomaly_table(selection: CheckpointSelection, layer: str) -> None:
    """Show a table of anomalous values with a row for each array of the layer."""
    found = checkpoint_cache.layer_anomalies(selection, layer)
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
