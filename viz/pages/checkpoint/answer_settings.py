"""An encoder-decoder in a file: which part writes an answer, and in which symbols."""

from dataclasses import replace

import streamlit as st

from models.checkpoints.building.build import TIED, Answers, Fit, Setup, answers_of
from models.core.messages import Problem
from viz.i18n import _
from viz.pages.checkpoint.vocabulary_input import given


def answer(able: Fit, base: Setup, key: str) -> Answers | None:
    """What writes an answer from the last state of ``base.stack``; None where nothing does.

    Raises:
        Problem: no part of the file can write in the symbols that the reader gave.
    """
    stack = base.stack
    known = base.answers or answers_of(able, stack)
    if known is None and len(able.stacks) < 2:
        return None
    words = {"none": _("no: the scores are its own")}
    if known is not None:
        words["known"] = _("yes: {part} writes {n} symbols").format(part=known.stack, n=len(known.vocabulary))
    words |= {"typed": _("yes, in symbols that I type"), "file": _("yes, in symbols from a second file")}
    choice = st.selectbox(
        _("Does another part write an answer from its last state?"),
        list(words),
        1 if base.answers else 0,
        format_func=words.__getitem__,
        key=f"run_answer_{key}_{known is not None}",
    )
    if choice in ("none", "known"):
        return known if choice == "known" else None
    symbols = given(choice, _("The symbols of the answer"), f"{key}_answer")
    if symbols is None:
        return base.answers
    found = answers_of(able, stack, symbols)
    if found is None:
        raise Problem(
            "No other part of this file goes on from the last state of {stack} and scores these {n} symbols, of which one "
            "begins an answer and one ends it, such as <s> and </s>.",
            stack=stack,
            n=f"{len(symbols):,}",
        )
    return found


def answered(able: Fit, base: Setup, answers: Answers) -> Setup:
    """``base`` with what writes its answer, and the matrix that scores that."""
    fitting = [
        name
        for name in able.decoders(answers.stack, answers.embedding)
        if name != TIED and able.decoder(answers.stack, name).rows == len(answers.vocabulary)
    ]
    decoder = base.decoder if base.decoder in fitting else next(iter(fitting), None)
    return replace(base, decoder=decoder, predicts=None, classes=None, answers=answers)
