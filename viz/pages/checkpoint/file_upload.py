"""The head of the Checkpoint lens: what is looked at, and the box that opens another file."""

from pathlib import Path

import streamlit as st

from models.checkpoints import CheckpointError
from models.core.messages import Problem
from viz.i18n import _, language, translate
from viz.pages import cache
from viz.pages import checkpoint_store as checkpoints
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.checkpoint.file_summary import facts
from viz.pages.controls import requested_network, saved_run, view_menu
from viz.pages.page_elements import escape_markdown
from viz.session import Session

BOX, REFUSED = "checkpoint_box", "checkpoint_refused"
BUTTON = '[data-testid="stFileUploaderDropzone"] button [data-testid="stMarkdownContainer"]'
HINT = '[data-testid="stFileUploaderDropzoneInstructions"] span'


def look_at(session: Session) -> CheckpointSelection:
    """Show the head; gives what is looked at. A file that cannot be opened is told beneath the box, and changes nothing."""
    run = saved_run(session)
    selection = _looked(session, run)
    which, box = st.columns([1, 1], gap="medium", vertical_alignment="top")
    with box:
        _upload(session)
    with which:
        view_menu(session, "net", _("Network or file"), cache.network_choices(run), format_func=cache.display_name)
        st.markdown(escape_markdown(facts(selection)))
    return selection


def _looked(session: Session, run: Path | None) -> CheckpointSelection:
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
            assert cache.edited_network(net, edits).network  # where they do not fit, it is told here
        return CheckpointSelection(net, edits)
    except Problem as problem:
        session.add_notice(translate(problem))
        session.fill_defaults(edits="")
        return CheckpointSelection(net)


def _upload(session: Session) -> None:
    turn = st.session_state.setdefault(BOX, 0)
    _translate_box(checkpoints.max_upload_bytes())
    given = st.file_uploader(
        _("Open a checkpoint"),
        accept_multiple_files=True,
        key=f"{BOX}_{turn}",
        help=_(
            "PyTorch, Lightning, TorchScript, safetensors, ONNX, Keras and npz files, recognized by their "
            "content. If a checkpoint is split into several files, upload all of them together with their "
            ".index.json. Code in a file is never run."
        ),
    )
    if given:
        # An empty box from now on: what was opened is in the list, and what was refused must not join the next.
        st.session_state[BOX] = turn + 1
        try:
            with st.spinner(_("Opening {file} …").format(file=escape_markdown(given[0].name))):
                opened = checkpoints.open_upload({file.name: file.getvalue() for file in given})
        except CheckpointError as problem:
            st.session_state[REFUSED] = (session.view.net, given[0].name, problem)
        else:
            show(session, opened)
        st.rerun()
    net, name, refused = st.session_state.get(REFUSED, (None, "", None))
    if refused is not None and net == session.view.net:
        st.error(escape_markdown(f"{name}: {translate(refused)}"), icon=":material/block:")


def show(session: Session, opened: checkpoints.OpenedCheckpoint, instead: str | None = None) -> None:
    """Look at an opened file from now on; its network takes the place of ``instead`` in the reader's list."""
    st.session_state.pop(REFUSED, None)
    session.remember_network(opened.name, instead)
    session.navigate(net=opened.name, text=None, layer=None, unit=None, step=None, quantity=None, edits="")


def _translate_box(limit: int) -> None:
    """Replace Streamlit's own English text in upload boxes, which has no parameter; ``limit`` in bytes."""
    if language() == "en":
        return
    words = {BUTTON: _("Choose a file"), HINT: _("or drop it here · up to {n} MB").format(n=limit >> 20)}
    rules = [
        f'{at} {{ font-size: 0; }} {at}::after {{ content: "{word}"; font-size: 1rem; }}' for at, word in words.items()
    ]
    st.html(f"<style>{''.join(rules)}</style>")
