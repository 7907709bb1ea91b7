"""The controls of a call: a widget for each argument of ``CallOptions``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from math import isfinite
from typing import Any

import streamlit as st

from models.core.messages import Problem
from models.layer_calls.call_inputs import MAX_SEQUENCES, NOTES_NUMBERS
from models.layer_calls.call_options import CALL_BOUNDS, CALL_CHOICES, CallOptions, call_of_link
from models.layer_calls.call_run import CallRun, run_call
from viz.i18n import _
from viz.pages.page_elements import caption, show_problem
from viz.pages.synced_widget import MAX_NUMBER, synced_widget
from viz.pages.view_widgets import COUNT, OptionFormat, view_choice
from viz.session import Session, get_session

DATA, GOOD = "layer_call_data", "layer_good_call"
"""In the session state: data that are too long for a link; the last call that could be run."""

MAX_LINK = 2000
"""Characters of a call in a link at most; data that make it longer are left out of it."""

CALL_FORMAT: OptionFormat[CallOptions] = OptionFormat(call_of_link, CallOptions.to_link)
"""A call in the address: a JSON object of the arguments that differ from the defaults."""

cached_call = lru_cache(maxsize=32)(run_call)


def chosen_call() -> CallOptions:
    """Return the call that the controls show, valid or not."""
    call: CallOptions = view_choice("call", CALL_FORMAT, CallOptions(), _can_be_shown)
    return call.with_call_changes(data=call.data or st.session_state.get(DATA, ""))


def set_call(**changes: Any) -> None:
    """Change arguments of the call; those that do not apply to the new ones return to their defaults."""
    call = chosen_call().with_call_changes(**changes)
    unused = {
        name: getattr(CallOptions(), name) for name in ("go_backwards", "num_words") if not applies_to(name, call)
    }
    call = call.with_call_changes(**unused)
    in_link = call
    st.session_state.pop(DATA, None)
    if len(call.to_link()) > MAX_LINK:
        st.session_state[DATA] = call.data
        in_link = call.with_call_changes(data="")
    get_session().set_view_options(call=None if in_link == CallOptions() else in_link.to_link())


def _can_be_shown(call: CallOptions) -> bool:
    numbers = [getattr(call, name) for name in CALL_BOUNDS] + [call.constant]
    return all(isfinite(number) and abs(number) <= MAX_NUMBER for number in numbers)


def applies_to(name: str, call: CallOptions) -> bool:
    """Return whether an argument has an effect together with the others."""
    conditions = {
        "go_backwards": not call.merge,
        "reset_after": call.cell == "GRU",
        "unit_forget_bias": call.cell == "LSTM" and call.use_bias and call.initialization != "pytorch",
        "constant": call.initialization == "constant",
        "seed": call.initialization != "constant" or call.source == "text",
        "embedding": call.source == "text",
        "num_words": call.source == "text",
    }
    return conditions.get(name, True)


def call_controls(session: Session) -> CallRun:
    """Show the controls and return the run of their call, or of the last valid one if theirs is not valid."""
    call = chosen_call()
    with st.container(key="controls"):
        _row(("cell", "units", "merge", "layers"), call)
        _switches(("return_sequences", "return_state", "go_backwards", "batch_first", "tf32"), call)
        _input_controls(call)
        first, second = st.columns(2)
        with first, st.expander(_("Initial weights and biases")):
            argument_control("initialization", call)
            _row(("constant", "seed"), call)
            _switches(("use_bias", "unit_forget_bias", "reset_after"), call)
            _bias_captions(call)
        with second, st.expander(_("Padding, cutting and mask")):
            _row(("maxlen", "padding", "truncating"), call)
            argument_control("mask", call)
            caption(
                _(
                    "Sequences of different length become one tensor only if they are padded. Keras pads and cuts before "
                    "the sequence unless told otherwise; without a mask the layer takes the padding as input like any "
                    "other number."
                )
            )
        place = st.container()
    try:
        run = cached_call(call, example_text())
    except Problem as problem:
        show_problem(problem)
        good = st.session_state.get(GOOD, CallOptions())
        caption(_("The panels below show another call: the last one that could be computed, or the page's first."))
        run = cached_call(good, example_text())
    else:
        st.session_state[GOOD] = call
    if len(run.x) > 1:
        with place:
            _sequence_menu(run)
    return run


def chosen_sequence(run: CallRun) -> int:
    """Return the sequence of the batch that is shown."""
    number: int = view_choice("sequence", COUNT, 0, lambda number: 0 <= number < MAX_SEQUENCES)
    return min(number, len(run.x) - 1)


def _sequence_menu(run: CallRun) -> None:
    """Show the menu of the sequences of the batch."""
    synced_widget(
        st.segmented_control,
        _("Sequence of the batch"),
        list(range(len(run.x))),
        key="layer_sequence",
        value=chosen_sequence(run),
        changed=lambda number: get_session().set_view_options(sequence=str(number) if number else None),
        initial_argument="default",
        format_func=lambda number: str(number + 1),
        required=True,
    )


def example_text() -> str:
    """Return the text that is shown first, in the language of the page."""
    return _("He is a good man\nHe is a student\nHe is a good student")


def argument_titles() -> dict[str, str]:
    """Return the titles of the arguments; those without a title are called by their name in Keras or PyTorch."""
    return {
        "cell": _("Cell"),
        "units": _("Units (units, hidden_size)"),
        "merge": _("Directions (Bidirectional, merge_mode)"),
        "layers": _("Stacked layers (num_layers)"),
        "tf32": _("TF32, as on a GPU"),
        "initialization": _("Initial weights"),
        "constant": _("Constant"),
        "seed": _("Seed"),
        "mask": _("Mask the padding"),
        "outputs": _("Outputs (K)"),
        "embedding": _("Size of the embedding"),
        "maxlen": _("maxlen (0: longest sequence)"),
        "num_words": _("num_words (0: all words)"),
    }


def value_titles(name: str) -> dict[str, str]:
    """Return the titles of the values of an argument that is a choice, in order."""
    titles = {
        "cell": {"RNN": "RNN · SimpleRNN"},
        "merge": {"": _("one direction")}
        | {mode: _("both: {mode}").format(mode=mode) for mode in CALL_CHOICES["merge"] if mode},
        "initialization": {
            "constant": _("all weights equal"),
            "keras": _("Keras: Glorot, orthogonal"),
            "pytorch": _("PyTorch: uniform"),
        },
        "padding": {"pre": _("before (pre)"), "post": _("after (post)")},
        "truncating": {"pre": _("before (pre)"), "post": _("after (post)")},
    }.get(name, {})
    return {value: titles.get(value, value) for value in CALL_CHOICES[name]}


def _row(names: Sequence[str], call: CallOptions) -> None:
    shown = [name for name in names if applies_to(name, call)]
    for place, name in zip(st.columns(max(3, len(shown)), vertical_alignment="bottom"), shown, strict=False):
        with place:
            argument_control(name, call)


def _switches(names: Sequence[str], call: CallOptions) -> None:
    with st.container(horizontal=True, gap="medium"):
        for name in names:
            if applies_to(name, call):
                argument_control(name, call)


def argument_control(name: str, call: CallOptions) -> None:
    """Show the control of one argument with its value."""
    value = getattr(call, name)
    title = argument_titles().get(name, name)
    settings: dict[str, Any] = {"key": f"layer_{name}", "value": value, "changed": partial(_changed, name)}
    if name in CALL_CHOICES:
        titles = value_titles(name)
        synced_widget(
            st.selectbox, title, list(titles), initial_argument="index", format_func=titles.__getitem__, **settings
        )
    elif isinstance(value, bool):
        synced_widget(st.toggle, title, **settings)
    elif isinstance(value, int):
        synced_widget(st.number_input, title, step=1, **settings)
    else:
        synced_widget(st.number_input, title, format="%g", step=None, **settings)


def _changed(name: str, value: Any) -> None:
    set_call(**{name: getattr(CallOptions(), name) if value is None else value})


def _input_controls(call: CallOptions) -> None:
    """Show the choice between numbers and text, and the box for them."""
    titles = {"numbers": _("Numbers"), "text": _("Text")}
    side, box = st.columns([2, 5], gap="medium")
    with side:
        synced_widget(
            st.segmented_control,
            _("Input"),
            list(titles),
            key="layer_source",
            value=call.source,
            changed=_set_source,
            initial_argument="default",
            format_func=titles.__getitem__,
            required=True,
        )
        if call.source == "text":
            argument_control("embedding", call)
            argument_control("num_words", call)
            note = _("A sequence per line; at most {count}.").format(count=MAX_SEQUENCES)
        else:
            note = _(
                "A time step per line, its values separated by commas; an empty line begins the next sequence (at most "
                "{count})."
            ).format(count=MAX_SEQUENCES)
        caption(note)
    with box:
        shown = call.data or (NOTES_NUMBERS if call.source == "numbers" else example_text())
        synced_widget(
            st.text_area,
            _("Input values") if call.source == "numbers" else _("Input text"),
            key="layer_data",
            value=shown,
            changed=lambda text: set_call(data=text if text not in (NOTES_NUMBERS, example_text()) else ""),
            height=132,
        )


def _set_source(source: str) -> None:
    """Choose numbers or text; equal weights would make of small embeddings states that hardly differ."""
    set_call(source=source, data="", initialization="pytorch" if source == "text" else "constant")


def _bias_captions(call: CallOptions) -> None:
    if applies_to("unit_forget_bias", call):
        caption(
            _(
                "Keras begins with all biases 0, but the forget gate's 1 (unit_forget_bias): the gate starts at σ(1) = 0.73 "
                "and the cell state is mostly kept. With all biases 0 it would start at σ(0) = 0.5."
            )
        )
    if call.initialization == "pytorch":
        caption(
            _("PyTorch draws all weights and both biases uniformly from −1/√H to 1/√H: ±{bound} here.").format(
                bound=f"{max(call.units, 1) ** -0.5:.3f}"
            )
        )
    if call.initialization != "constant":
        caption(
            _(
                "The numbers are those of PyTorch for this seed. Keras draws others from the same seed, and a program "
                "without a seed draws new ones every time: then its printed values cannot be reproduced."
            )
        )
    if call.cell == "GRU":
        caption(
            _(
                "A GRU has two biases in PyTorch, b_ih and b_hh; in Keras too with reset_after=True, where the reset gate "
                "multiplies W_hn h + b_hn. With reset_after=False it multiplies h before the product (Cho et al. 2014), "
                "and PyTorch has no such layer."
            )
        )
