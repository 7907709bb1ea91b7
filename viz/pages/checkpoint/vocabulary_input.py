"""The vocabulary of an opened network: from the file, from a second file, typed, or unknown."""

from typing import Any

import streamlit as st

from models.checkpoints.building.build import CompatibleParts, Setup
from models.checkpoints.building.vocabulary import is_character_level, parse_typed_vocabulary, read_vocabulary
from models.checkpoints.layers.stacks import Stack
from viz.i18n import _
from viz.pages.upload_box import upload_box


def vocabulary_input(
    parts: CompatibleParts, stack: Stack, base: Setup, embedding: str | None, key: str
) -> tuple[Any, Any] | None:
    """Show the menus; return the vocabulary and the kind of tokens, None while no vocabulary is entered.

    Raises Problem if the vocabulary cannot be parsed."""
    size = parts.checkpoint.stored[embedding].shape[0] if embedding else stack.input_size
    own = {name: listed for name, listed in parts.checkpoint.vocabularies.items() if len(listed) == size}
    other = base.vocabulary if base.vocabulary not in own.values() else None
    previous = other if other and len(other) == size else None
    words = {f"own {name}": _("from this file: {name}").format(name=name) for name in own}
    if previous:
        words["kept"] = _("the {n} symbols specified before").format(n=f"{size:,}")
    ids = _("unknown: token ids 0 to {last}") if embedding else _("unknown: one-hot, token ids 0 to {last}")
    words |= {"file": _("from another file"), "typed": _("typed in"), "ids": ids.format(last=f"{size - 1:,}")}
    if embedding is None:
        words["numbers"] = _("none: {n} values per time step").format(n=f"{size:,}")
    listed = next((f"own {name}" for name, symbols in own.items() if symbols == base.vocabulary), None)
    default = listed or ("kept" if previous else base.kind)
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        index = list(words).index(default) if default in words else 0
        choice = st.selectbox(
            _("Symbols"), list(words), index, key=f"run_symbols_{key}_{bool(previous)}", format_func=words.__getitem__
        )
    if choice in ("ids", "numbers"):
        return None, choice
    if choice.startswith("own "):
        vocabulary: tuple[str, ...] | None = own[choice.removeprefix("own ")]
    else:
        vocabulary = (
            previous if choice == "kept" else symbols_input(choice, _("The {n} symbols").format(n=f"{size:,}"), key)
        )
    if vocabulary is None:
        return None
    kinds = {"characters": _("characters"), "words": _("words")}
    default_kind = base.kind if base.kind in kinds else "characters" if is_character_level(vocabulary) else "words"
    with second:
        kind = st.segmented_control(
            _("Tokenization"),
            list(kinds),
            format_func=kinds.__getitem__,
            default=default_kind,
            required=True,
            key=f"run_kind_{key}",
        )
    return vocabulary, kind


def graph_vocabulary_input(parts: CompatibleParts, base: Setup, size: int, key: str) -> tuple[Any, Any] | None:
    """Show the menus of the ``size`` symbols of a file's own graph; return as ``vocabulary_input``.

    Raises Problem if the vocabulary cannot be parsed."""
    own = {name: listed for name, listed in parts.checkpoint.vocabularies.items() if len(listed) == size}
    known = base.vocabulary if base.vocabulary is not None and base.vocabulary not in own.values() else None
    words = {f"own {name}": _("from this file: {name}").format(name=name) for name in own}
    if known:
        words["kept"] = _("the {n} symbols specified before").format(n=f"{size:,}")
    words |= {"file": _("from another file"), "typed": _("typed in")}
    words["ids"] = _("unknown: token ids 0 to {last}").format(last=f"{size - 1:,}")
    listed = next((f"own {name}" for name, symbols in own.items() if symbols == base.vocabulary), None)
    default = listed or ("kept" if known else "ids")
    choice = st.selectbox(
        _("Symbols"),
        list(words),
        list(words).index(default),
        key=f"run_graph_symbols_{key}_{bool(known)}",
        format_func=words.__getitem__,
    )
    if choice == "ids":
        return None, "ids"
    vocabulary = own.get(choice.removeprefix("own ")) if choice.startswith("own ") else known
    if choice in ("typed", "file"):
        vocabulary = symbols_input(choice, _("The {n} symbols").format(n=f"{size:,}"), f"{key}_graph")
    if vocabulary is None:
        return None
    if vocabulary == base.vocabulary:
        return vocabulary, base.kind
    return vocabulary, "characters" if is_character_level(vocabulary) else "words"


def symbols_input(choice: str, what: str, key: str) -> tuple[str, ...] | None:
    """Show the input of symbols; return them, None while there are none.

    Args:
        choice: "typed" or "file".
        what: name of the symbols, part of the label.
        key: suffix of the widget's key.

    Raises:
        Problem: they cannot be parsed.
    """
    if choice == "typed":
        text = st.text_area(
            _("{what}, ordered by id: one per line, or characters without separators").format(what=what),
            key=f"run_typed_{key}",
            height=104,
        )
        return parse_typed_vocabulary(text) if text.strip() else None
    file = upload_box(
        _("{what}, ordered by id: a JSON file, or a text file with one symbol per line").format(what=what),
        key=f"run_file_{key}",
        max_upload_size=16,
    )
    return read_vocabulary(file.getvalue()) if file else None
