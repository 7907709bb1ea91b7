"""Run it: which of the file's tensors embed, recur and score, and what the symbols are called."""

from typing import Any

import streamlit as st

from models.checkpoints.running import TIED, Fit, Setup, usual
from models.checkpoints.stacks import Stack
from models.checkpoints.vocabulary import is_of_characters, read_vocabulary, typed_vocabulary
from models.problem import Problem
from viz.i18n import _
from viz.pages.checkpoint_open import show
from viz.pages.checkpoint_section import say
from viz.pages.checkpoint_sources import Looked
from viz.session import Session


def set_up(here: Session, looked: Looked) -> None:
    """The controls. What they say is run at once; what does not fit is told, and the last way to run it stays."""
    opened = looked.opened
    if opened is None:
        st.markdown(_("This network comes with the app, with its own embedding and decoder: it runs as it is."))
        return
    able, now = opened.fit, opened.setup
    digest = opened.file.digest[:12]
    try:
        setup = _chosen(able, now, digest)
        if setup is not None and setup != now:
            show(here, opened.run_as(setup), instead=opened.name)
            st.rerun()
    except Problem as problem:
        say(problem)


def _chosen(able: Fit, now: Setup, digest: str) -> Setup | None:
    """What the controls say; None while something is still to be given."""
    name = now.stack
    if len(able.stacks) > 1:
        names = list(dict.fromkeys([*able.stacks, now.stack]))
        name = _select(_("Recurrent layers"), names, names.index(now.stack), f"run_stack_{digest}", str)
    base = now if name == now.stack else usual(able, name)
    stack, key = able.stack(name), f"{digest}_{name}"
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        embedding = _embedding(able, stack, base, key)
    with second:
        decoder = _decoder(able, stack, base, embedding, f"{key}_{embedding}")
    symbols = _symbols(able, stack, base, embedding, f"{key}_{embedding}")
    if symbols is None:
        return None
    vocabulary, kind = symbols
    predicts, classes = _scores(able, base, embedding, decoder, stack, f"{key}_{embedding}_{decoder}")
    return Setup(name, embedding, decoder, vocabulary, kind, predicts, classes)


def _select(label: str, options: list[Any], index: int, key: str, names: Any, **more: Any) -> Any:
    return st.selectbox(label, options, index, key=key, format_func=names, **more)


def _sized(able: Fit, name: str) -> str:
    shape = able.checkpoint.stored[name].shape
    return f"{name} · {' × '.join(map(str, shape))}"


def _embedding(able: Fit, stack: Stack, base: Setup, key: str) -> str | None:
    options = [*able.embeddings(stack.name), None]
    return _select(
        _("Embedding: a vector for each symbol"),
        options,
        options.index(base.embedding),
        f"run_embedding_{key}",
        lambda name: _("none") if name is None else _sized(able, name),
    )


def _decoder(able: Fit, stack: Stack, base: Setup, embedding: str | None, key: str) -> str | None:
    options = [*able.decoders(stack.name, embedding), None]
    names = {None: _("none"), TIED: _("the embedding's own matrix (tied)")}
    return _select(
        _("Decoder: scores from the last hidden state"),
        options,
        options.index(base.decoder) if base.decoder in options else len(options) - 1,
        f"run_decoder_{key}",
        lambda name: names[name] if name in names else _sized(able, name),
    )


def _symbols(able: Fit, stack: Stack, base: Setup, embedding: str | None, key: str) -> tuple[Any, Any] | None:
    """The vocabulary and what a step is; None while no vocabulary has been given."""
    size = able.checkpoint.stored[embedding].shape[0] if embedding else stack.inputs
    own = {name: listed for name, listed in able.checkpoint.vocabularies.items() if len(listed) == size}
    given = base.vocabulary if base.vocabulary not in own.values() else None
    kept = given if given and len(given) == size else None
    words = {f"own {name}": _("from the file: {name}").format(name=name) for name in own}
    if kept:
        words["kept"] = _("the {n} symbols that were given").format(n=f"{size:,}")
    ids = _("not known: ids from 0 to {last}") if embedding else _("not known: one-hot, ids from 0 to {last}")
    words |= {"file": _("from a second file"), "typed": _("typed"), "ids": ids.format(last=f"{size - 1:,}")}
    if embedding is None:
        words["numbers"] = _("none: {n} numbers a step").format(n=f"{size:,}")
    listed = next((f"own {name}" for name, symbols in own.items() if symbols == base.vocabulary), None)
    likely = listed or ("kept" if kept else base.kind)
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        index = list(words).index(likely) if likely in words else 0
        choice = _select(_("Symbols"), list(words), index, f"run_symbols_{key}_{bool(kept)}", words.__getitem__)
    if choice in ("ids", "numbers"):
        return None, choice
    vocabulary = (
        own[choice[4:]] if choice.startswith("own ") else kept if choice == "kept" else _given(choice, size, key)
    )
    if vocabulary is None:
        return None
    kinds = {"characters": _("characters"), "words": _("words")}
    usually = base.kind if base.kind in kinds else "characters" if is_of_characters(vocabulary) else "words"
    with second:
        kind = st.segmented_control(
            _("A text is read as"),
            list(kinds),
            format_func=kinds.__getitem__,
            default=usually,
            required=True,
            key=f"run_kind_{key}",
        )
    return vocabulary, kind


def _given(choice: str, size: int, key: str) -> tuple[str, ...] | None:
    """The symbols from a second file, or typed."""
    if choice == "typed":
        text = st.text_area(
            _("{n} symbols in the order of their ids: one a line, or characters in a row").format(n=f"{size:,}"),
            key=f"run_typed_{key}",
            height=104,
        )
        return typed_vocabulary(text) if text.strip() else None
    given = st.file_uploader(
        _("{n} symbols in the order of their ids: JSON, or a text with one a line").format(n=f"{size:,}"),
        key=f"run_file_{key}",
        max_upload_size=16,
    )
    return read_vocabulary(given.getvalue()) if given else None


def _scores(
    able: Fit, base: Setup, embedding: str | None, decoder: str | None, stack: Stack, key: str
) -> tuple[Any, tuple[str, ...] | None]:
    """What the scores are of, and what the classes are called."""
    if decoder is None:
        return None, None
    rows = able.decoder(stack.name, decoder, embedding).rows
    read = able.checkpoint.stored[embedding].shape[0] if embedding else stack.inputs
    words = {
        "next": _("what comes next, after every step"),
        "class": _("the whole sequence: a class"),
        "values": _("values after every step"),
    }
    if rows != read:
        del words["next"]
    likely = "next" if rows == read else "values" if rows == 1 and base.kind == "numbers" else "class"
    now = base.predicts or likely
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        choice = _select(
            _("The {n} scores are of").format(n=f"{rows:,}"),
            list(words),
            list(words).index(now) if now in words else 0,
            f"run_scores_{key}",
            words.__getitem__,
        )
    classes = None
    if choice == "class":
        with second:
            typed = st.text_input(
                _("Names of the classes, with commas between"), ", ".join(base.classes or ()), key=f"run_classes_{key}"
            )
        classes = tuple(name.strip() for name in typed.split(",") if name.strip()) or None
    return (base.predicts if choice == now else choice), classes
