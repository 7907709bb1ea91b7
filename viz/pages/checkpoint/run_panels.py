"""Run it: which of the file's tensors embed, recur and score, and what the symbols are called."""

from dataclasses import replace
from typing import Any

import streamlit as st

from models.checkpoints.building.build import TIED, CompatibleParts, Setup, compatible_parts, default_setup
from models.checkpoints.layers.stacks import Stack
from models.core.messages import Problem
from viz.i18n import _
from viz.pages.cache import network
from viz.pages.checkpoint.answer_settings import answer, answered
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.checkpoint.file_upload import show
from viz.pages.checkpoint.forward_formula import chain
from viz.pages.checkpoint.vocabulary_input import symbols
from viz.pages.page_elements import show_problem
from viz.session import Session

NONE = ""
"""No embedding, or no decoder: an option like the others, where None would be an empty box."""


def set_up(session: Session, selection: CheckpointSelection) -> None:
    """The controls. What they say is run at once; what does not fit is told, and the last way to run it stays."""
    opened = selection.opened
    if opened is None:
        st.markdown(_("This network is bundled with the app and ready to run: there is nothing to set here."))
        _bundled_chain(selection)
        return
    able, now = opened.parts, opened.setup
    digest = opened.file.digest[:12]
    try:
        setup = _chosen(able, now, digest)
        if setup is not None and setup != now:
            show(session, opened.run_as(setup), instead=opened.name)
            st.rerun()
    except Problem as problem:
        show_problem(problem)
    chain(able, now)


def _bundled_chain(selection: CheckpointSelection) -> None:
    """The way of a step, where the file's tensors alone tell it."""
    card = network(selection.net).card
    if card.predicts in ("next", "class") and selection.checkpoint.found:
        able = compatible_parts(selection.checkpoint)
        kind = card.kind if card.vocabulary is not None else "numbers"
        chain(able, replace(default_setup(able), kind=kind))


def _chosen(able: CompatibleParts, now: Setup, digest: str) -> Setup | None:
    """What the controls say; None while something is still to be given."""
    name = now.stack
    if len(able.stacks) > 1:
        names = list(dict.fromkeys([*able.stacks, now.stack]))
        name = _select(_("Recurrent layers"), names, names.index(now.stack), f"run_stack_{digest}", str)
    base = now if name == now.stack else default_setup(able, name)
    stack, key = able.stack(name), f"{digest}_{name}"
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        embedding = _embedding(able, stack, base, key)
    key += f"_{embedding}"
    decoder = second.empty()  # stands beside the embedding, but what it offers depends on what writes the answer
    read = symbols(able, stack, base, embedding, key)
    if read is None:
        return None
    vocabulary, kind = read
    setup = replace(base, embedding=embedding, vocabulary=vocabulary, kind=kind)
    answers = answer(able, setup, key) if kind != "numbers" else None
    if answers is not None:
        return answered(able, setup, answers)
    with decoder:
        chosen = _decoder(able, stack, base, embedding, key)
    predicts, classes = _scores(able, base, embedding, chosen, stack, f"{key}_{chosen}")
    return replace(setup, decoder=chosen, predicts=predicts, classes=classes, target=None)


def _select(label: str, options: list[Any], index: int, key: str, names: Any) -> Any:
    return st.selectbox(label, options, index, key=key, format_func=names)


def _sized(able: CompatibleParts, name: str) -> str:
    shape = able.checkpoint.stored[name].shape
    return f"{name} · {' × '.join(map(str, shape))}"


def _embedding(able: CompatibleParts, stack: Stack, base: Setup, key: str) -> str | None:
    options = [*able.embeddings(stack.name), NONE]
    chosen = _select(
        _("Embedding: one vector per symbol"),
        options,
        options.index(base.embedding or NONE),
        f"run_embedding_{key}",
        lambda name: _("none") if name == NONE else _sized(able, name),
    )
    return chosen or None


def _decoder(able: CompatibleParts, stack: Stack, base: Setup, embedding: str | None, key: str) -> str | None:
    options = [*able.decoders(stack.name, embedding), NONE]
    names = {NONE: _("none"), TIED: _("the embedding matrix (weight tying)")}
    chosen = _select(
        _("Output layer: scores from the top layer's hidden state"),
        options,
        options.index(base.decoder) if base.decoder in options else len(options) - 1,
        f"run_decoder_{key}",
        lambda name: names[name] if name in names else _sized(able, name),
    )
    return chosen or None


def _scores(
    able: CompatibleParts, base: Setup, embedding: str | None, decoder: str | None, stack: Stack, key: str
) -> tuple[Any, tuple[str, ...] | None]:
    """What the scores are of, and what the classes are called."""
    if decoder is None:
        return None, None
    rows = able.decoder(stack.name, decoder, embedding).rows
    read = able.checkpoint.stored[embedding].shape[0] if embedding else stack.input_size
    words = {
        "next": _("scores of the next token"),
        "class": _("class of the sequence"),
        "values": _("values at each time step"),
    }
    if rows != read:
        del words["next"]
    likely = "next" if rows == read else "values" if rows == 1 and base.kind == "numbers" else "class"
    now = base.predicts or likely
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        choice = _select(
            _("Meaning of the {n} outputs").format(n=f"{rows:,}"),
            list(words),
            list(words).index(now) if now in words else 0,
            f"run_scores_{key}",
            words.__getitem__,
        )
    classes = None
    if choice == "class":
        with second:
            typed = st.text_input(
                _("Class names, separated by commas"), ", ".join(base.classes or ()), key=f"run_classes_{key}"
            )
        classes = tuple(name.strip() for name in typed.split(",") if name.strip()) or None
    return (base.predicts if choice == now else choice), classes
