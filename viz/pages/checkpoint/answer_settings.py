"""Settings of an encoder-decoder in a file: the layers of the decoder and its output symbols."""

from dataclasses import replace

import streamlit as st

from models.checkpoints.building.build import TIED, CompatibleParts, Setup, TargetSetup, find_target_setup
from models.core.messages import Problem
from viz.i18n import _
from viz.pages.checkpoint.vocabulary_input import symbols_input


def choose_target(parts: CompatibleParts, base: Setup, key: str) -> TargetSetup | None:
    """Show the menu of decoders that start from the last state of ``base.stack``; return the choice, None for no decoder.

    Raises:
        Problem: no decoder in the file scores the entered symbols.
    """
    stack = base.stack
    known = base.target or find_target_setup(parts, stack)
    if known is None and len(parts.stacks) < 2:
        return None
    words = {"none": _("no: the scores come from this layer's output")}
    if known is not None:
        words["known"] = _("yes: {part}, with {n} output symbols").format(part=known.stack, n=len(known.vocabulary))
    words |= {"typed": _("yes, with symbols typed in here"), "file": _("yes, with symbols from another file")}
    choice = st.selectbox(
        _("Is there a decoder that continues from this layer's last state?"),
        list(words),
        1 if base.target else 0,
        format_func=words.__getitem__,
        key=f"run_answer_{key}_{known is not None}",
    )
    if choice in ("none", "known"):
        return known if choice == "known" else None
    symbols = symbols_input(choice, _("Output symbols"), f"{key}_answer")
    if symbols is None:
        return base.target
    found = find_target_setup(parts, stack, symbols)
    if found is None:
        raise Problem(
            (
                "No decoder in this file continues from the last state of {stack} and scores these {n} symbols. "
                "Include one symbol that starts an answer and one that ends it, such as <s> and </s>."
            ),
            stack=stack,
            n=f"{len(symbols):,}",
        )
    return found


def with_target(parts: CompatibleParts, base: Setup, target: TargetSetup) -> Setup:
    """Return ``base`` with a decoder and the matrix that scores its outputs."""
    fitting = [
        name
        for name in parts.decoders(target.stack, target.embedding)
        if name != TIED and parts.decoder(target.stack, name).rows == len(target.vocabulary)
    ]
    decoder = base.decoder if base.decoder in fitting else next(iter(fitting), None)
    return replace(base, decoder=decoder, predicts=None, classes=None, target=target)
