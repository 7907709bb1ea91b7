"""The health check: an overall result, and findings with their evidence."""

import streamlit as st

from models.checkpoints.health.findings import Evidence, Finding, Severity
from viz.escape import escape_markdown
from viz.i18n import _, ngettext, translate
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointRun, CheckpointSelection
from viz.pages.checkpoint.file_summary import parameter_count
from viz.quantity_names import quantity_names

MAX_SHOWN, MAX_FOLDED = 6, 100
"""Findings that are shown before an expander, and in it."""
MAX_LISTED = 12
"""Units, rows or pairs that are listed with a finding."""

ICONS: dict[Severity, str] = {
    "broken": ":red[:material/dangerous:]",
    "warning": ":orange[:material/warning:]",
    "note": ":blue[:material/info:]",
    "healthy": ":green[:material/check_circle:]",
}


def health_panel(selection: CheckpointSelection, layer: str, run: CheckpointRun | None) -> list[Finding]:
    """Show the overall result and every finding with its measured values; return the findings."""
    checkpoint = selection.checkpoint
    layers, whole = list(checkpoint.found), not selection.is_deferred
    if not layers:
        parts = [checkpoint_cache.other_findings(selection)]
    elif whole:
        parts = _all(selection, layers, run)
    else:
        parts = [checkpoint_cache.layer_findings(selection, layer, run)]
    found = checkpoint_cache.merge_findings(parts)
    _headline(found, bool(layers))
    if run is not None and run.made_up:
        st.caption(
            _(
                "Only the weights were checked, because the input is an example of random tokens or values. Enter a "
                "sequence of the kind the network was trained on, and its gates and states are checked too."
            )
        )
    unsure = [name for name in (layers if whole else [layer]) if name and checkpoint.found[name].certainty < 1]
    if unsure:
        st.caption(
            _(
                "{layers}: identified by shape, not by name. The findings here depend on that guess; check it below."
            ).format(layers=escape_markdown(", ".join(unsure)))
        )
    for finding in found[:MAX_SHOWN]:
        _show(finding)
    if found[MAX_SHOWN:]:
        more = len(found) - MAX_SHOWN
        with st.expander(ngettext("{n} more finding", "{n} more findings", more).format(n=more)):
            for finding in found[MAX_SHOWN : MAX_SHOWN + MAX_FOLDED]:
                _show(finding)
            rest = more - MAX_FOLDED
            if rest > 0:
                st.caption(ngettext("{n} more finding", "{n} more findings", rest).format(n=f"{rest:,}"))
    if not whole:
        st.caption(
            _("This file is large, so only {layer} was checked; all findings here are about this layer.").format(
                layer=escape_markdown(layer)
            )
        )
        label = _("Check the whole file ({n} parameters)").format(n=f"{parameter_count(checkpoint):,}")
        st.button(label, key="judge_all", on_click=selection.request_all, icon=":material/hourglass:")
    return found


def _all(selection: CheckpointSelection, layers: list[str], run: CheckpointRun | None) -> list[list[Finding]]:
    bar = st.progress(0.0, _("Checking …"))
    parts = []
    for place, name in enumerate(layers):
        bar.progress(place / (len(layers) + 1), _("Checking {layer} …").format(layer=escape_markdown(name)))
        parts.append(checkpoint_cache.layer_findings(selection, name, run))
    parts.append(checkpoint_cache.other_findings(selection))
    bar.empty()
    return parts


def _headline(found: list[Finding], layers: bool) -> None:
    worst = found[0].severity if found else "note"
    count = sum(finding.severity == worst for finding in found)
    if worst == "broken":
        st.error(
            _("Broken: the weights contain NaN or infinite values, so the output is not valid."),
            icon=":material/dangerous:",
        )
    elif worst == "warning":
        st.warning(
            ngettext(
                "Usable, but {n} possible problem was found.",
                "Usable, but {n} possible problems were found.",
                count,
            ).format(n=count),
            icon=":material/warning:",
        )
    elif layers:
        st.success(_("No serious problems found in the weights."), icon=":material/check_circle:")


def _show(finding: Finding) -> None:
    sentence, evidence = st.columns([3, 2], gap="medium")
    with sentence:
        st.markdown(f"{ICONS[finding.severity]} {escape_markdown(translate(finding))}")
    with evidence:
        shown = [each for each in finding.evidence if each.value] or finding.evidence
        for each in shown[:4]:
            st.markdown(_evidence(each))


def _evidence(each: Evidence) -> str:
    place, _colon, gate = each.where.partition(": ")
    names = quantity_names()
    where = f"{place}, {names[gate]}" if gate in names else each.where.replace(": ", ".")
    whole = float(each.value).is_integer()
    value = f"{each.value:,.0f}" if whole and abs(each.value) < 1e15 else f"{each.value:.4g}"
    value = value.replace("-", "−")
    line = f"{escape_markdown(where)} · {translate(each.measure)}: **{value}**"
    if each.threshold is not None:
        line += " " + _("(limit {threshold})").format(threshold=f"{each.threshold:.3g}".replace("-", "−"))
    which = [*map(str, each.units), *(f"{one}\u00a0=\u00a0{other}" for one, other in each.pairs)]
    if which:
        shown = ", ".join(which[:MAX_LISTED]) + (" …" if len(which) > MAX_LISTED else "")
        line += " · " + _("indices: {list}").format(list=shown)
    if each.source:
        line += f" · :gray[{escape_markdown(each.source)}]"
    return line
