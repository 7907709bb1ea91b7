"""The head of the Checkpoint lens: what is looked at, and the box that opens another file."""

from pathlib import Path

import streamlit as st

from models.checkpoints import CheckpointError
from models.core.messages import Problem
from viz.i18n import _, told
from viz.layout import plain
from viz.pages import cache
from viz.pages import checkpoint_store as checkpoints
from viz.pages.checkpoint.checkpoint_cache import Looked
from viz.pages.checkpoint.file_summary import facts
from viz.pages.checkpoint.upload_text import speak_box
from viz.pages.controls import asked_for, bound, saved_run
from viz.session import Session

BOX, REFUSED = "checkpoint_box", "checkpoint_refused"


def look_at(here: Session) -> Looked:
    """Show the head; gives what is looked at. A file that cannot be opened is told beneath the box, and changes nothing."""
    run = saved_run(here)
    looked = _looked(here, run)
    which, box = st.columns([1, 1], gap="medium", vertical_alignment="top")
    with box:
        _upload(here)
    with which:
        bound(here, "net", _("Network or file"), cache.names(run), format_func=cache.title)
        st.markdown(plain(facts(looked)))
    return looked


def _looked(here: Session, run: Path | None) -> Looked:
    try:
        net = asked_for(here, run)
    except Problem as problem:
        here.refuse(told(problem))
        net = here.view.net if here.view.net in cache.names(run) else cache.names(run)[0]
    here.settle(net=net)
    if run is not None and net == run.name:
        return Looked(net, run=run)
    try:
        edits = cache.active(here.view.edits)
        if edits:
            assert cache.edited(net, edits).network  # where they do not fit, it is told here
        return Looked(net, edits)
    except Problem as problem:
        here.notice(told(problem))
        here.settle(edits="")
        return Looked(net)


def _upload(here: Session) -> None:
    turn = st.session_state.setdefault(BOX, 0)
    speak_box(checkpoints.limit())
    given = st.file_uploader(
        _("Open a checkpoint"),
        accept_multiple_files=True,
        key=f"{BOX}_{turn}",
        help=_(
            "PyTorch, Lightning, TorchScript, safetensors, ONNX, Keras and npz files, known by their content. A checkpoint "
            "in several files: all of them at once, with their .index.json. Nothing in a file is ever run."
        ),
    )
    if given:
        # An empty box from now on: what was opened is in the list, and what was refused must not join the next.
        st.session_state[BOX] = turn + 1
        try:
            with st.spinner(_("Opening {file} …").format(file=plain(given[0].name))):
                opened = checkpoints.open_upload({file.name: file.getvalue() for file in given})
        except CheckpointError as problem:
            st.session_state[REFUSED] = (here.view.net, given[0].name, problem)
        else:
            show(here, opened)
        st.rerun()
    net, name, refused = st.session_state.get(REFUSED, (None, "", None))
    if refused is not None and net == here.view.net:
        st.error(plain(f"{name}: {told(refused)}"), icon=":material/block:")


def show(here: Session, opened: checkpoints.Opened, instead: str | None = None) -> None:
    """Look at an opened file from now on; its network takes the place of ``instead`` in the reader's list."""
    st.session_state.pop(REFUSED, None)
    here.hold(opened.name, instead)
    here.go(net=opened.name, text=None, layer=None, unit=None, step=None, quantity=None, edits="")
