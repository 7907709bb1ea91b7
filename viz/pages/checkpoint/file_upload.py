"""The top of the Checkpoint page: the menu of networks and files, and the upload box."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from models.checkpoints.parsing.parser_pool import start_parser
from models.core.messages import Problem
from viz.escape import escape_markdown
from viz.i18n import _, translate
from viz.pages import cache, checkpoint_store
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.checkpoint.file_summary import file_summary
from viz.pages.controls import requested_network, saved_run, view_menu
from viz.pages.upload_box import upload_box
from viz.pages.uploaded_runs import is_uploaded_run, open_uploaded_run
from viz.session import Session
from viz.uploads import remove_uploads

UPLOAD_KEY, REFUSED_KEY = "checkpoint_box", "checkpoint_refused"


def choose_checkpoint(session: Session) -> CheckpointSelection:
    """Show the menu and the upload box; return the selection.

    A file that cannot be opened shows an error and changes nothing."""
    run = saved_run(session)
    selection = _selection(session, run)
    which, box = st.columns([1, 1], gap="medium", vertical_alignment="top")
    with box:
        _upload(session)
    with which:
        names = cache.network_choices(run)
        view_menu(session, "net", _("Network or file"), names, format_func=cache.named(names))
        st.markdown(escape_markdown(file_summary(selection)))
    return selection


def _selection(session: Session, run: Path | None) -> CheckpointSelection:
    try:
        net = requested_network(session, run)
    except Problem as problem:
        session.reject(translate(problem))
        net = session.view.net if session.view.net in cache.network_choices(run) else cache.network_choices(run)[0]
    session.fill_defaults(net=net)
    if run is not None and net == run.name:
        return CheckpointSelection(net, run=run)
    try:
        edits = cache.active_edits(session.edits)
        if edits.entries:
            assert cache.edited_network(net, edits).network  # raises Problem if they do not fit
        return CheckpointSelection(net, edits)
    except Problem as problem:
        session.add_notice(translate(problem))
        session.fill_defaults(edits="")
        return CheckpointSelection(net)


def _upload(session: Session) -> None:
    generation = st.session_state.setdefault(UPLOAD_KEY, 0)
    start_parser()
    files = upload_box(
        _("Open a checkpoint"),
        accept_multiple_files=True,
        key=f"{UPLOAD_KEY}_{generation}",
        help=_(
            "PyTorch, Lightning, TorchScript, torch.export, safetensors, ONNX, Keras and npz files, recognized by their "
            "content. If a checkpoint is split into several files, upload all of them together with their "
            ".index.json. A saved run, the .npz file of trace.save(...), opens too. Code in a file is never run."
        ),
    )
    if files:
        # Empty the box: an opened file is in the menu now, and a refused one must not be part of the next upload.
        st.session_state[UPLOAD_KEY] = generation + 1
        try:
            with st.spinner(_("Opening {file} …").format(file=escape_markdown(files[0].name))):
                _open(session, {file.name: file.getvalue() for file in files})
        except Problem as problem:
            st.session_state[REFUSED_KEY] = (session.view.net, files[0].name, problem)
        remove_uploads(files)
        st.rerun()
    net, name, refused = st.session_state.get(REFUSED_KEY, (None, "", None))
    if refused is not None and net == session.view.net:
        st.error(escape_markdown(f"{name}: {translate(refused)}"), icon=":material/block:")


def _open(session: Session, files: Mapping[str, bytes]) -> None:
    """Open uploaded files, contents by name, and select what they contain. Raises Problem: they cannot be opened."""
    first, *others = files.items()
    if not others and is_uploaded_run(first[1]):
        session.startup_file = open_uploaded_run(*first)
        st.session_state.pop(REFUSED_KEY, None)
        session.show_file(session.startup_file.name)
    else:
        view_checkpoint(session, checkpoint_store.open_upload(files))


def view_checkpoint(session: Session, opened: checkpoint_store.OpenedCheckpoint, instead: str | None = None) -> None:
    """Select an opened file; in the list of opened networks it replaces ``instead``."""
    st.session_state.pop(REFUSED_KEY, None)
    session.remember_network(opened.name, instead)
    session.show_file(opened.name)
