"""Contents of a file: its layers, its other tensors, and its metadata."""

from contextlib import suppress

import streamlit as st

from models.checkpoints import Checkpoint
from models.checkpoints.layers.stacks import hidden_size_of
from models.checkpoints.save import check_saveable, to_safetensors
from models.core.messages import Problem
from models.networks.network_metadata import network_metadata
from viz.escape import escape_markdown, file_name
from viz.i18n import _, ngettext, translate
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.checkpoint.file_summary import layer_parameter_count
from viz.pages.checkpoint.layer_corrections import layer_corrections
from viz.pages.checkpoint.setting_names import setting_names
from viz.pages.page_elements import dense_table, scrolling_table
from viz.session import Session

MAX_TABLE_ROWS = 12
"""Rows up to which a table is shown without scrolling."""
MAX_LISTED_CLASSES = 12
"""Classes of unopened objects that are listed."""


def tensor_list(session: Session, selection: CheckpointSelection) -> None:
    """Show the layers, their unspecified settings, the other tensors, and the metadata."""
    checkpoint = selection.checkpoint
    if checkpoint.found:
        _layers(checkpoint)
    else:
        st.markdown(_("No recurrent layer was found in this file, neither by name nor by shape."))
    if selection.opened is not None:
        layer_corrections(session, selection.opened)
    others, metadata = st.columns([3, 2], gap="medium")
    with others:
        count = len(checkpoint.stored)
        if not count:
            st.markdown("**" + _("No other tensors") + "**")
        else:
            st.markdown("**" + ngettext("{n} other tensor", "{n} other tensors", count).format(n=f"{count:,}") + "**")
            columns = _("name"), _("shape"), _("data type")
            rows = [
                dict(zip(columns, (name, " × ".join(map(str, stored.shape)) or "1", stored.dtype), strict=True))
                for name, stored in checkpoint.stored.items()
            ]
            if count <= MAX_TABLE_ROWS:
                dense_table(rows)
            else:
                scrolling_table(rows, height=400)
    with metadata:
        st.markdown("**" + _("File metadata") + "**")
        if checkpoint.provenance:
            dense_table([{_("name"): name, _("value"): value} for name, value in checkpoint.provenance.items()])
        else:
            st.markdown(_("No metadata (author, date, software)"))
        if checkpoint.opaque:
            names = [escape_markdown(name) for name in checkpoint.opaque[:MAX_LISTED_CLASSES]]
            names += ["…"] if len(checkpoint.opaque) > len(names) else []
            st.caption(
                _(
                    "The tensors were read. These objects were not, because they need code that is not in the file: {names}."
                ).format(names=", ".join(names))
            )
    safetensors_download(selection)


def _layers(checkpoint: Checkpoint) -> None:
    """Show a row for each layer; columns on assumptions only if a layer has one."""
    rows, names = [], setting_names()
    by_guess = any(layer.certainty < 1 for layer in checkpoint.found.values())
    has_assumed = any(layer.assumed for layer in checkpoint.found.values())
    for name, layer in checkpoint.found.items():
        row = {
            _("layer"): name,
            _("cell type"): layer.kind,
            _("units"): f"{hidden_size_of(layer):,}",
            _("input size"): f"{layer.parts['weight_ih'].shape[1]:,}",
            _("parameters"): f"{layer_parameter_count(layer):,}",
            _("data type"): layer.parts["weight_hh"].dtype,
        }
        if by_guess:
            by_shape = _("tensor shapes, {share} certain").format(share=f"{layer.certainty:.0%}")
            row[_("identified by")] = _("tensor names") if layer.certainty == 1 else by_shape
        if has_assumed:
            row[_("assumed settings")] = ", ".join(names.get(each, each) for each in layer.assumed) or "–"
        rows.append(row)
    if len(rows) <= MAX_TABLE_ROWS:
        dense_table(rows)
    else:
        scrolling_table(rows)


def _choices(selection: CheckpointSelection) -> dict[str, str]:
    """Return what the reader chose, or the file states, about what its network predicts; nothing where none runs."""
    if selection.opened is None:
        return {}
    with suppress(Problem):
        setup = selection.opened.setup
        return network_metadata(setup.predicts, setup.classes, setup.vocabulary)
    return {}


def safetensors_download(selection: CheckpointSelection) -> None:
    """Show the button that downloads the file as safetensors with PyTorch's names."""
    try:
        check_saveable(selection.checkpoint)
    except Problem as problem:
        st.caption(escape_markdown(translate(problem)))
        return
    st.download_button(
        _("Download as safetensors (PyTorch names)"),
        lambda: to_safetensors(selection.checkpoint, _choices(selection)),
        file_name=f"{file_name(selection.title.rsplit('.', 1)[0])}.safetensors",
        mime="application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
        help=_("Works for every original format: PyTorch modules load it with load_state_dict."),
    )
