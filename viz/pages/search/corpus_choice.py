"""The choice of the corpus that is searched, and its index."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from models.core.messages import Problem
from models.corpus.corpus_index import CorpusIndex
from models.corpus.read_sources import Document, read_documents
from models.networks.network import Network
from viz.escape import escape_markdown, file_name
from viz.i18n import _, ngettext
from viz.pages.call_note import call_note
from viz.pages.page_elements import caption, show_problem
from viz.pages.search.index_store import find_index, index_key, start_index
from viz.pages.search.sample_corpora import sample_documents
from viz.pages.upload_box import upload_box
from viz.pages.view_widgets import view_buttons
from viz.session import Session

OWN_TEXT, UPLOADS = "search_own_text", "search_uploads"
READ = "search_read_uploads"
"""In the session state: the documents of each uploaded file, which is read once."""

MAX_UPLOAD = 8 << 20
"""Bytes of the files of a corpus that a page reads."""

ENDINGS = ["txt", "md", "py", "jsonl", "ndjson", "csv", "tsv", "parquet"]


def chosen_index(session: Session, network: Network) -> CorpusIndex | None:
    """Show the choice of the corpus and return its index; None while there is none."""
    kinds = {"sample": _("Sample texts"), "own": _("My own texts")}
    opened = opened_index(session)
    if opened is not None:
        kinds = {"opened": _("Opened index")} | kinds
    kind = view_buttons(_("Corpus"), kinds, name="indexed", key="search_corpus", default=next(iter(kinds)))
    try:
        if kind == "opened":
            assert opened is not None
            from_disk = CorpusIndex(opened)
            from_disk.check_network(network)
            _describe(from_disk)
            return from_disk
        documents = sample_documents(network) if kind == "sample" else _own_documents()
        if not documents:
            st.markdown(_("Type or upload texts: the network reads them, and its states at every token are searched."))
            return None
        key = index_key(network, documents)
        stored = find_index(key)
        if stored is None:
            if kind == "own" and not st.button(_("Build the index"), key="search_build", type="primary"):
                return None
            with st.spinner(_("The network reads the corpus …")):
                stored = start_index(network, documents, key)
        index = stored.result()
        if index is None:
            call_note(stored.builds, [key], _("The network reads the corpus …"), key="search_stop")
            return None
    except Problem as problem:
        show_problem(problem)
        return None
    _describe(index)
    return index


def opened_index(session: Session) -> Path | None:
    """Return the folder of an index that the app was started with, or None."""
    path = session.startup_index
    return path if path is not None and path.exists() else None


def _own_documents() -> tuple[Document, ...]:
    """Return the documents that the reader typed or uploaded.

    Raises:
        Problem: they cannot be read.
    """
    typed = st.text_area(
        _("Texts, one document a paragraph"),
        key=OWN_TEXT,
        height=120,
        max_chars=20_000,
        help=_("A blank line begins a new document; the network starts each one from its initial state."),
    )
    files = upload_box(
        _("Or files: text, JSON Lines, CSV, Parquet"), type=ENDINGS, accept_multiple_files=True, key=UPLOADS
    )
    found = [
        Document(_("paragraph {number}").format(number=number), part)
        for number, part in enumerate(filter(str.strip, (typed or "").split("\n\n")), start=1)
    ]
    if sum(each.size for each in files or ()) > MAX_UPLOAD:
        raise Problem(
            "These files are larger than {limit} MB. Index them on the command line: {command}",
            limit=MAX_UPLOAD >> 20,
            command="python -m models.corpus build",
        )
    read: dict[str, list[Document]] = st.session_state.get(READ, {})
    read = {each.file_id: read.get(each.file_id) or _read(each.name, each.getvalue()) for each in files or ()}
    st.session_state[READ] = read
    return (*found, *(document for documents in read.values() for document in documents))


def _read(name: str, content: bytes) -> list[Document]:
    """Return the documents of an uploaded file. Raises Problem: it cannot be read."""
    with TemporaryDirectory(prefix="unrolled-corpus-") as folder:
        path = Path(folder) / f"corpus.{file_name(name.rsplit('.', 1)[-1].lower())}"
        path.write_bytes(content)
        return [
            Document(document.source.replace(str(path), name), document.text, document.annotations)
            for document in read_documents(str(path))
        ]


def _describe(index: CorpusIndex) -> None:
    about = index.about
    count = about["documents"]
    lines = [
        ngettext("{tokens:,} tokens of {n:,} document.", "{tokens:,} tokens of {n:,} documents.", count).format(
            tokens=index.steps, n=count
        ),
        _("The state starts anew at each document."),
        _("States are stored as float16: rounded by at most {error:.1g}.").format(
            error=max(about["rounding"].values())
        ),
    ]
    if about["split_documents"]:
        lines.append(_("Texts of more than {n:,} tokens are several documents.").format(n=about["longest"]))
    if about["unknown"]:
        lines.append(
            _("{share:.1%} of the tokens are not in the vocabulary: the network reads {symbol}.").format(
                share=about["unknown"] / index.steps, symbol=escape_markdown(str(about["unknown_symbol"]))
            )
        )
    caption(" ".join(lines))
