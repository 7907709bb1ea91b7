"""Edits as values: lists, undo and redo, and the text of an address."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Problem
from models.core.undo_history import UndoHistory
from models.edits import edit as kinds
from models.edits.edit import Edits, Entry
from models.edits.edit_syntax import QUANTITIES, read_edit, read_edits, write_edit, write_edits

WRITTEN = {
    "rnn.l0.weight_hh[forget_gate.3,5]=1": kinds.WeightChange(
        kinds.Place("rnn.l0.weight_hh", "forget_gate", 3, 5), "=", 1
    ),
    "rnn.l0.weight_hh[forget_gate.3]=0": kinds.WeightChange(kinds.Place("rnn.l0.weight_hh", "forget_gate", 3), "=", 0),
    "rnn.l0.weight_ih[forget_gate]*=2": kinds.WeightChange(kinds.Place("rnn.l0.weight_ih", "forget_gate"), "*=", 2),
    "rnn.l0.weight_hh[:,5]+=-0.25": kinds.WeightChange(kinds.Place("rnn.l0.weight_hh", column=5), "+=", -0.25),
    "rnn.l0.bias_hh[3]=1e-05": kinds.WeightChange(kinds.Place("rnn.l0.bias_hh", row=3), "=", 1e-5),
    "head.weight[3,5]*=2": kinds.WeightChange(kinds.Place("head.weight", row=3, column=5), "*=", 2),
    "rnn.l0_reverse.reads[3]=0": kinds.WeightChange(kinds.Place("rnn.l0_reverse.reads", row=3), "=", 0),
    "rnn.l0.forget_bias=1": kinds.ForgetBias("rnn.l0", 1),
    "rnn.l0.forget_bias[3]=1": kinds.ForgetBias("rnn.l0", 1, 3),
    "rnn.l0.weight_hh.radius=1.1": kinds.SpectralRadius(kinds.Place("rnn.l0.weight_hh"), 1.1),
    "rnn.l0.weight_hh[candidate].radius=1.1": kinds.SpectralRadius(kinds.Place("rnn.l0.weight_hh", "candidate"), 1.1),
    "rnn.l0.weight_hh.bits=4": kinds.Quantize(kinds.Place("rnn.l0.weight_hh"), 4),
    "rnn.l0.weight_hh.noise=0.1/7": kinds.Noise(kinds.Place("rnn.l0.weight_hh"), 0.1, 7),
    "rnn.l0.forget_gate=1": kinds.Clamp("rnn.l0", "forget_gate", 1),
    "rnn.l0.forget_gate[3]@2-8=1": kinds.Clamp("rnn.l0", "forget_gate", 1, 3, 2, 8),
    "rnn.l0.forget_gate[3]@2-=1": kinds.Clamp("rnn.l0", "forget_gate", 1, 3, 2),
    "rnn.l0.forget_gate[3]@2=1": kinds.Clamp("rnn.l0", "forget_gate", 1, 3, 2, 2),
    "rnn.l0.ablate[3]=mean": kinds.Ablate("rnn.l0", 3, "mean"),
    "rnn.l0.ablate[3]@1-=zero": kinds.Ablate("rnn.l0", 3, "zero", 1),
    "rnn.l0.cell[3]@5<7:a text\\; and more": kinds.Patch("rnn.l0", "cell", 5, "a text; and more", 7, 3),
    "rnn.l0.h0[3]=0.5": kinds.InitialState("rnn.l0", "hidden", 0.5, 3),
    "rnn.l0.c0=0.5": kinds.InitialState("rnn.l0", "cell", 0.5),
    "token[5]=x": kinds.TokenEdit("replace", 5, "x"),
    "token[5]+==": kinds.TokenEdit("insert", 5, "="),
    "token[5]-": kinds.TokenEdit("delete", 5),
}

counts = st.integers(0, 999_999_999)
values = st.floats(width=32, allow_nan=False, allow_infinity=False)
units = st.none() | counts
layers = st.from_regex(r"[a-z][a-z0-9_]{0,8}(\.[a-z][a-z0-9_]{0,8}){0,2}\.l[0-9](_reverse)?", fullmatch=True)
arrays = st.builds(lambda layer, name: f"{layer}.{name}", layers, st.sampled_from(["weight_hh", "bias_ih", "reads"]))
places = st.builds(kinds.Place, arrays, st.none() | st.sampled_from(QUANTITIES), units, units)
spans = st.tuples(counts, units).filter(lambda span: span[1] is None or span[0] <= span[1])
edits = st.one_of(
    st.builds(kinds.WeightChange, places, st.sampled_from(["=", "+=", "*="]), values),
    st.builds(kinds.ForgetBias, layers, values, units),
    st.builds(kinds.SpectralRadius, places, values),
    st.builds(kinds.Quantize, places, counts),
    st.builds(kinds.Noise, places, values, counts),
    st.builds(
        lambda name, shape, value: kinds.ReplaceMatrix.of(name, np.full(shape, value, np.float32)),
        arrays, st.lists(st.integers(1, 5), min_size=1, max_size=2).map(tuple), values,
    ),
    st.builds(lambda a, b, c, d, s: kinds.Clamp(a, b, c, d, *s), layers, st.sampled_from(QUANTITIES), values, units, spans),
    st.builds(lambda a, b, c, s: kinds.Ablate(a, b, c, *s), layers, counts, st.sampled_from(["zero", "mean"]), spans),
    st.builds(kinds.Patch, layers, st.sampled_from(QUANTITIES), counts, st.text(), counts, units),
    st.builds(kinds.InitialState, layers, st.sampled_from(["hidden", "cell"]), values, units),
    st.builds(kinds.TokenEdit, st.sampled_from(["replace", "insert"]), counts, st.text(min_size=1)),
    st.builds(kinds.TokenEdit, st.just("delete"), counts),
)  # fmt: skip
lists = st.lists(st.builds(Entry, edits, st.booleans()), max_size=5).map(lambda entries: Edits(tuple(entries)))


@pytest.mark.parametrize("text", WRITTEN)
def test_an_edit_is_written_as_it_says(text):
    assert write_edit(WRITTEN[text]) == text
    assert read_edit(text) == WRITTEN[text]


@pytest.mark.slow
@given(lists)
def test_what_is_written_is_read_back(made):
    assert read_edits(write_edits(made)) == made


@given(st.text(alphabet="rnl0.weight_h[]:,=+*@-<;!\\9eE/xh" + "é", max_size=40))
def test_any_text_is_a_list_or_one_sentence(text):
    try:
        made = read_edits(text)
    except Problem as problem:
        assert str(problem).endswith(".")
        assert "\n" not in str(problem)
    else:
        assert read_edits(write_edits(made)) == made


@pytest.mark.parametrize(
    "text",
    [
        ";", "!", "x", "x=", "=1", "rnn.l0.weight_hh[=1", "rnn.l0.weight_hh[]=1", "rnn.l0.forget_gate@8-2=1",
        "rnn.l0.ablate=zero", "rnn.l0.ablate[1]=half", "rnn.l0.cell@1<:x", "rnn.l0.weight_hh@3=1", "token[1]=",
        "rnn.l0.w.values=2x2:AAAA", "rnn.l0.w.values=99999999x99999999:AAAA", "rnn.l0.w.values=é", "rnn.l0.w.bits=2.5",
        "rnn.l0.w.noise=1", "token[1]@2=x", "token=x", "rnn.l0.h0=nan", "rnn.l0.h0=1e39", "a=1;;b=1", "a=1\\",
    ],
)  # fmt: skip
def test_what_is_no_edit_is_told_in_one_sentence(text):
    with pytest.raises(Problem) as problem:
        read_edits(text)
    assert str(problem.value).count(".") >= 1
    assert len(str(problem.value)) < 200


def test_a_value_that_is_no_number_is_named():
    with pytest.raises(Problem, match="“much” is not a finite number"):
        read_edits("rnn.l0.weight_hh=much")


@pytest.mark.slow
@given(st.lists(lists, min_size=1, max_size=6))
def test_undo_and_redo_go_through_all_lists(made):
    start = history = UndoHistory(Edits())
    passed = [history.now]
    for each in made:
        history = history.push(each)
        if each != passed[-1]:
            passed.append(each)
    end = history
    for expected in reversed(passed):
        assert history.now == expected
        history = history.undo()
    assert history.now == start.now and history.undo() == history
    for expected in passed:
        assert history.now == expected
        history = history.redo()
    assert history == end


def test_dragging_is_one_step_back():
    clamp = Edits().add(kinds.Clamp("rnn.l0", "cell", 0.0))
    history = UndoHistory(Edits()).push(clamp)
    for value in (0.1, 0.2):
        history = history.replace(history.now.swap(0, kinds.Clamp("rnn.l0", "cell", value)))
    assert history.now.on == (kinds.Clamp("rnn.l0", "cell", 0.2),)
    assert history.undo().now == Edits()
    assert history.undo().push(clamp).redo() == history.undo().push(clamp)


def test_lists_are_made_anew():
    first, second, third = (kinds.Clamp("rnn.l0", "cell", value) for value in (1.0, 2.0, 3.0))
    made = Edits().add(first).add(second).add(third)
    assert made.move(0, 2).on == (second, third, first)
    assert made.remove(1).on == (first, third)
    assert made.switch(1, on=False).on == (first, third)
    assert made.switch(1, on=False).switch(1, on=True) == made
    assert made.on == (first, second, third)
    with pytest.raises(IndexError):
        made.remove(3)
