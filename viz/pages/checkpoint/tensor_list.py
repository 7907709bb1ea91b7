"""What is in the file: its layers, its other tensors, and what it says of itself."""

import streamlit as st

from models.checkpoints import Checkpoint
from models.checkpoints.layers.stacks import hidden_size_of
from models.checkpoints.save import check_saveable, to_safetensors
from models.core.messages import Problem
from viz.i18n import _, ngettext, translate
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.checkpoint.file_summary import numbers_of
from viz.pages.checkpoint.layer_corrections import assumed_names, correct
from viz.pages.page_elements import dense_table, escape_markdown
from viz.session import Session

LISTED = 12
"""Rows up to which a table is written out."""


def contents(session: Session, selection: CheckpointSelection) -> None:
    """The layers, what the file leaves open of them, the other tensors, and what it says of itself."""
    checkpoint = selection.checkpoint
    if checkpoint.found:
        _layers(checkpoint)
    else:
        st.markdown(_("No recurrent layer was found in this file, neither by name nor by shape."))
    if selection.opened is not None:
        correct(session, selection.opened)
    others, said = st.columns([3, 2], gap="medium")
    with others:
        count = len(checkpoint.stored)
        if not count:
            st.markdown("**" + _("No other tensors") + "**")
        else:
            st.markdown("**" + ngettext("{n} other tensor", "{n} other tensors", count).format(n=f"{count:,}") + "**")
            rows = [
                {_("name"): name, _("shape"): " × ".join(map(str, stored.shape)) or "1", _("data type"): stored.dtype}
                for name, stored in checkpoint.stored.items()
            ]
            if count <= LISTED:
                dense_table(rows)
            else:
                st.dataframe(rows, hide_index=True, height=400)
    with said:
        st.markdown("**" + _("File metadata") + "**")
        if checkpoint.provenance:
            dense_table([{_("name"): name, _("value"): value} for name, value in checkpoint.provenance.items()])
        else:
            st.markdown(_("No metadata (author, date, software)"))
    export(selection)


def _layers(checkpoint: Checkpoint) -> None:
    """A row for each layer; what is certain of all of them is not said of each."""
    rows, names = [], assumed_names()
    guessed = any(layer.certainty < 1 for layer in checkpoint.found.values())
    left_open = any(layer.assumed for layer in checkpoint.found.values())
    for name, layer in checkpoint.found.items():
        row = {
            _("layer"): name,
            _("cell type"): layer.kind,
            _("units"): f"{hidden_size_of(layer):,}",
            _("input size"): f"{layer.parts['weight_ih'].shape[1]:,}",
            _("parameters"): f"{numbers_of(layer):,}",
            _("data type"): layer.parts["weight_hh"].dtype,
        }
        if guessed:
            by_shape = _("tensor shapes, {share} certain").format(share=f"{layer.certainty:.0%}")
            row[_("identified by")] = _("tensor names") if layer.certainty == 1 else by_shape
        if left_open:
            row[_("assumed settings")] = ", ".join(names.get(each, each) for each in layer.assumed) or "–"
        rows.append(row)
    if len(rows) <= LISTED:
        dense_table(rows)
    else:
        st.dataframe(rows, hide_index=True)


def export(selection: CheckpointSelection) -> None:
    """The whole file as safetensors with PyTorch's names."""
    try:
        check_saveable(selection.checkpoint)
    except Problem as problem:
        st.caption(escape_markdown(translate(problem)))
        return
    stem = selection.title.rsplit(".", 1)[0]
    st.download_button(
        _("Download as safetensors (PyTorch names)"),
        lambda: to_safetensors(selection.checkpoint),
        file_name=f"{stem}.safetensors",
        mime="application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
        help=_("Works for every original format: PyTorch modules load it with load_state_dict."),
    )
