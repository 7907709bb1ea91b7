"""Comparison of two checkpoints: the same network at two steps of its training."""

import numpy as np
import streamlit as st

from models.checkpoints.health.compare_checkpoints import BlockChange, CheckpointComparison
from models.core.messages import Problem
from viz.escape import escape_markdown, latex_text, widget_key
from viz.figures.weights_moved import weights_moved
from viz.i18n import _, ngettext
from viz.pages import cache, checkpoint_store
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.page_elements import chart, dense_table, page_theme, show_problem
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.pages.upload_box import upload_box
from viz.quantity_names import quantity_names
from viz.session import Session
from viz.uploads import remove_uploads

MAX_ROWS = 10
UNEDITED = ""


def compare_files(session: Session, selection: CheckpointSelection, layer: str) -> None:
    """Show the menu of the other file, the changes of the layer, and the largest changes in the whole files."""
    which, box = st.columns(2, gap="medium", vertical_alignment="top")
    with box:
        _upload(session)
    with which:
        other = _choose(selection)
    if other is None:
        st.markdown(_("Choose an earlier checkpoint of the same network, or open its file here."))
        return
    both = checkpoint_cache.compare_selections(other, selection)
    _differences(both)
    mine = [name for name, own in both.layers.items() if own == layer]
    if not mine:
        st.markdown(
            _("The other file has no layer with the same shape as {layer}.").format(layer=escape_markdown(layer))
        )
    else:
        found = checkpoint_cache.layer_changes(other, selection, mine[0])
        if any(each.relative != 0 for each in found):
            st.markdown("**" + _("Relative changes in {layer}").format(layer=escape_markdown(layer)) + "**")
            chart(
                weights_moved(found, theme=page_theme()), "moved", names=(other.title, selection.title, layer, "moved")
            )
        else:
            st.markdown(
                _("No weight of {layer} changed. To see another layer, choose it under “{menu}”.").format(
                    layer=escape_markdown(layer), menu=_("Layer shown below")
                )
            )
        hidden_numbers(
            [HiddenNumber(f"moved_{each.part}", layer, each.relative, gate=each.gate or "weight_hr") for each in found],
            _("Relative change of each weight block, ‖Δ‖ / ‖before‖"),
            "moved",
        )
        _formula(found)
    _everywhere(other, selection, both)


def _choose(selection: CheckpointSelection) -> CheckpointSelection | None:
    names = [name for name in cache.network_choices(None) if name != selection.net]
    words = {name: cache.display_name(name) for name in names}
    if selection.edits.entries:
        words = {UNEDITED: _("this network without its edits"), **words}
    candidates = [name for name in words if _has_same_layers(name, selection)]
    chosen = st.selectbox(
        _("Earlier checkpoint"),
        list(words),
        list(words).index(candidates[0]) if candidates else None,
        format_func=words.__getitem__,
        key=f"compare_{selection.key}_{len(names)}",
        placeholder=_("none selected"),
    )
    if chosen is None:
        return None
    return CheckpointSelection(selection.net if chosen == UNEDITED else chosen)


def _has_same_layers(name: str, selection: CheckpointSelection) -> bool:
    """Return whether a network has the same recurrent layers as the selection, or is the selection without its edits."""
    if name == UNEDITED:
        return True
    opened = checkpoint_store.find(name)
    if opened is None:
        return False
    own, other = selection.checkpoint.found, opened.checkpoint.found
    shapes = [{each: layer.parts["weight_hh"].shape for each, layer in found.items()} for found in (own, other)]
    return shapes[0] == shapes[1]


def _upload(session: Session) -> None:
    key = "compare_box"
    generation = st.session_state.setdefault(key, 0)
    file = upload_box(_("Open another file for comparison"), key=f"{key}_{generation}")
    if file is None:
        return
    try:
        opened = checkpoint_store.open_upload({file.name: file.getvalue()})
        remove_uploads([file])
    except Problem as problem:
        show_problem(problem)
        return
    st.session_state[key] = generation + 1
    shown = session.view.net
    session.remember_network(opened.name)
    if shown in session.opened_networks:
        session.remember_network(shown)
    st.rerun()


def _differences(both: CheckpointComparison) -> None:
    """List the tensors that only one of the files has, or that do not correspond."""
    for names, sentence in (
        (both.incompatible, _("Different type or shape: {names}")),
        (both.only_first, _("Only in the earlier checkpoint: {names}")),
        (both.only_second, _("Only in this checkpoint: {names}")),
    ):
        if names:
            shown = ", ".join(names[:MAX_ROWS]) + (" …" if len(names) > MAX_ROWS else "")
            st.caption(sentence.format(names=escape_markdown(shown)))


def _formula(found: list[BlockChange]) -> None:
    most = max((each for each in found if np.isfinite(each.relative)), key=lambda each: each.relative, default=None)
    if most is None or not most.at:
        return
    place = ",".join(map(str, most.at))
    gate = quantity_names()[most.gate] if most.gate else most.part
    st.latex(
        rf"{latex_text(gate)}:\quad \frac{{\|W' - W\|}}{{\|W\|}} = {most.relative:.3g},\qquad "
        rf"w'_{{{place}}} - w_{{{place}}} = {most.after:.4g} - {_signed(most.before)} = {most.after - most.before:.3g}"
    )


def _signed(value: float) -> str:
    return f"({value:.4g})" if value < 0 else f"{value:.4g}"


def _everywhere(other: CheckpointSelection, selection: CheckpointSelection, both: CheckpointComparison) -> None:
    key = f"compare_all_{widget_key(other.net)}_{selection.key}"
    if (selection.is_deferred or other.is_deferred) and not st.session_state.get(key):
        st.button(
            _("Compare everything in both files"), key=key + "_", on_click=lambda: st.session_state.update({key: True})
        )
        return
    with st.spinner(_("Comparing …")):
        found = checkpoint_cache.all_changes(other, selection)
    moved = [each for each in found if each.relative != 0]
    unchanged = len(found) - len(moved)
    if not moved:
        st.markdown(_("No difference: both files contain the same values."))
        return
    moved.sort(key=lambda each: -each.relative if np.isfinite(each.relative) else -np.inf)
    st.markdown("**" + _("Largest relative changes in the whole files") + "**")
    names = quantity_names()
    dense_table(
        [
            {
                _("weight block"): " · ".join(
                    filter(None, (each.name, each.part, names[each.gate] if each.gate else ""))
                ),
                _("relative change"): f"{100 * each.relative:.3g}%" if np.isfinite(each.relative) else _("not finite"),
                _("cosine similarity"): f"{each.cosine:.4f}" if np.isfinite(each.cosine) else "–",
                _("largest single change"): f"{each.largest:.4g}",
                _("weight index"): ", ".join(map(str, each.at)),
                _("before → after"): f"{each.before:.4g} → {each.after:.4g}",
            }
            for each in moved[:MAX_ROWS]
        ]
    )
    if unchanged:
        st.caption(ngettext("{n} block did not change.", "{n} blocks did not change.", unchanged).format(n=unchanged))
