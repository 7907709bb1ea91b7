"""Edited networks as a whole: tokens, effects, sensitivity, and that nobody sees another's edits."""

import io
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models import Problem, capture, load_network, load_trace, run_network
from models.core.undo_history import UndoHistory
from models.edits.costly_edits import MAX_RADII
from models.edits.edit import Edits
from models.edits.edit_effects import edit_effects, prediction_difference, state_difference
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork, run_edited
from models.edits.token_edits import edited_sequence
from models.gradients.losses import Loss, differentiate
from tests.models.edits.test_weight_edits import one_thread

__all__ = ["one_thread"]


@pytest.fixture(scope="module")
def networks():
    return {name: load_network(name) for name in ("counter", "recall-lstm", "recall-gru", "wave", "sentiment")}


def same(first, second):
    """Return whether two runs are equal bit for bit."""
    for layer in first.trace.layers:
        for quantity in first.trace.layers[layer]:
            if not np.array_equal(first.trace.layers[layer][quantity], second.trace.layers[layer][quantity]):
                return False
    return np.array_equal(first.prediction.probability, second.prediction.probability)


@pytest.mark.parametrize(
    ("edits", "text", "origin"),
    [
        ("token[1]=b", ".baabbb", [0, 1, 2, 3, 4, 5, 6]),
        ("token[0]-", "aaabbb", [1, 2, 3, 4, 5, 6]),
        ("token[7]+=.", ".aaabbb.", [0, 1, 2, 3, 4, 5, 6, None]),
        ("token[1]+=b;token[0]-", "baaabbb", [None, 1, 2, 3, 4, 5, 6]),
        ("token[0]-;token[1]+=b", "abaabbb", [1, None, 2, 3, 4, 5, 6]),
    ],
)
def test_an_edited_sequence_is_read_as_if_it_were_typed(networks, edits, text, origin):
    base = networks["counter"]
    made = read_edits(edits)
    assert same(run_edited(base, ".aaabbb", made), run_network(base, text))
    what = edited_sequence(base, ".aaabbb", made.tokens)
    assert list(what.origin) == origin and what.labels == run_network(base, text).labels
    off = made
    for index in range(len(made.entries)):
        off = off.switch(index, False)
    assert same(run_edited(base, ".aaabbb", off), run_network(base, ".aaabbb"))


def test_words_and_numbers_are_tokens_too(networks):
    base = networks["recall-lstm"]
    text = base.card.default.text
    unknown = edited_sequence(base, text, read_edits("token[1]=xyzzy").tokens) if base.card.unknown else None
    if unknown is not None:
        assert unknown.tokens[1] == base.card.unknown
    wave = networks["wave"]
    what = edited_sequence(wave, "0.1 0.2 0.3", read_edits("token[1]=0.5;token[3]+=-1").tokens)
    assert what.given[0, :, 0].tolist() == pytest.approx([0.1, 0.5, 0.3, -1])
    assert what.tokens == ("0.1", "0.5", "0.3", "-1")
    with pytest.raises(Problem, match="“x” is not a finite number"):
        run_edited(wave, "0.1 0.2", read_edits("token[1]=x"))
    with pytest.raises(Problem, match="The only token cannot be deleted"):
        run_edited(wave, "0.1", read_edits("token[0]-"))


@pytest.fixture
def hurry():
    """Threads take turns a hundred times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
def test_fifty_threads_edit_one_network_and_each_sees_its_own_numbers(networks, hurry):
    """Some hold gates, some edit weights, some differentiate or only read; all hook, copy and run at the same time."""
    base = networks["recall-lstm"]
    text = base.card.default.text
    before = {name: values.clone() for name, values in base.module.state_dict().items()}
    told = random.Random(0)

    def of(i):
        unit, value = told.randrange(64), told.uniform(-1, 1)
        return read_edits(
            [
                f"rnn.l0.weight_hh[forget_gate.{unit},3]+={value}",
                f"rnn.l0.forget_gate[{unit}]@1-5={abs(value)}",
                f"rnn.l0.weight_ih*={value};rnn.l0.ablate[{unit}]=mean;token[2]-",
                "",
            ][i % 4]
        )

    made = [of(i) for i in range(50)]
    expected = [run_edited(load_network("recall-lstm"), text, edits) for edits in made]
    start = threading.Barrier(50)

    def session(i):
        torch.set_num_threads(1)
        start.wait()
        found = []
        for _ in range(4):
            found.append(run_edited(base, text, made[i]) if i % 4 < 3 else run_network(base, text))
            if i % 4 == 3:
                differentiate(base, text, Loss("answer"))
        return found

    with ThreadPoolExecutor(50) as pool:
        for readings, right in zip(pool.map(session, range(50)), expected, strict=True):
            assert all(same(reading, right) for reading in readings)
    assert all(torch.equal(before[name], values) for name, values in base.module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in base.module.modules())


PIECES = (
    "rnn.l0.weight_hh[forget_gate.1,0]=2", "rnn.l0.reads[0]*=0.5", "rnn.l0.writes[1]=0", "rnn.l0.forget_bias=1",
    "rnn.l0.weight_hh.radius=1.5", "rnn.l0.weight_ih.bits=3", "head.weight.noise=0.5/1", "rnn.l0.forget_gate[1]@2-4=1",
    "rnn.l0.ablate[0]=mean", "rnn.l0.cell@3<1:.abab", "rnn.l0.c0[1]=1", "token[1]=b", "token[0]+=a", "token[2]-",
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), st.lists(st.sampled_from(PIECES), max_size=3))
def test_undoing_gives_back_the_old_trace_bit_for_bit(networks, first, more):
    assume([*first, *more].count("rnn.l0.weight_hh.radius=1.5") <= MAX_RADII)
    base, text = networks["counter"], ".aaaaaaaabbbbbbbb"  # however many tokens go, the clamped steps remain
    history = UndoHistory(Edits()).push(read_edits(";".join(first)))
    before = run_edited(base, text, history.now)
    for piece in more:
        history = history.push(history.now.add(read_edits(piece).on[0]))
    after = run_edited(base, text, history.now)
    off = history.now
    for index in range(len(first), len(off.entries)):
        off = off.switch(index, False)
    assert same(run_edited(base, text, off), before)
    for _ in more:
        history = history.undo()
    assert same(run_edited(base, text, history.now), before)
    for _ in more:
        history = history.redo()
    assert same(run_edited(base, text, history.now), after)
    assert same(run_edited(base, text, history.undo().redo().now), after) or not more


def test_an_edited_trace_is_saved_like_any_other(networks):
    base = networks["recall-lstm"]
    text = base.card.default.text
    trace = run_edited(base, text, read_edits("rnn.l0.forget_gate[3]@2-8=1;rnn.l0.c0=0.5")).trace
    file = io.BytesIO()
    trace.save(file)
    again = load_trace(io.BytesIO(file.getvalue())).layers["rnn.l0"]
    for quantity in (*again.quantities, "input", "hidden_prev", "cell_prev", "initial_cell"):
        assert np.array_equal(getattr(again, quantity), getattr(trace.layers["rnn.l0"], quantity))


def test_a_copy_made_while_others_capture_has_no_part_in_it(networks):
    base = networks["counter"]
    with capture(base.module) as trace:
        reading = run_edited(base, ".ab", read_edits("rnn.l0.forget_gate=1"))
    assert len(trace.layers) == 0 and (reading.trace.layers["rnn.l0"].forget_gate == 1).all()


def test_breaking_the_counter_is_told(networks):
    base = networks["counter"]
    before = run_network(base, ".aaabbb")
    assert edit_effects(before, run_edited(base, ".aaabbb", Edits())) == edit_effects(before, before)
    nothing = edit_effects(before, before)
    assert (nothing.first, nothing.states, nothing.predictions, nothing.flip) == (None, (), (), None)
    after = run_edited(base, ".aaabbb", read_edits("rnn.l0.forget_gate@4-=0"))
    told = edit_effects(before, after)
    assert told.first == 4
    forget = next(each for each in told.states if each.quantity == "forget_gate")
    assert (
        forget.step >= 4
        and forget.after == 0
        and forget.before
        == before.trace.layers["rnn.l0"].forget_gate.max(where=np.indices((1, 7, 2))[1] >= 4, initial=0)
    )
    assert forget.share == pytest.approx(forget.before)
    assert [each.share for each in told.states] == sorted((each.share for each in told.states), reverse=True)
    change = prediction_difference(before, after)
    strongest = told.predictions[0]
    assert abs(strongest.after - strongest.before) == pytest.approx(np.abs(change).max())
    assert strongest.symbol == after.prediction.vocabulary[strongest.index]
    turn = told.flip
    assert turn is not None and before.prediction.probability[turn.step].argmax() == turn.before
    assert after.prediction.probability[turn.step].argmax() == turn.after != turn.before
    assert told.surprise[1] > told.surprise[0]


def test_differences_of_an_edited_sequence_are_step_by_step(networks):
    base = networks["counter"]
    made = read_edits("token[1]+=a")
    before, after = run_network(base, ".aabb"), run_edited(base, ".aabb", made)
    origin = edited_sequence(base, ".aabb", made.tokens).origin
    change = state_difference(before, after, "rnn.l0", "cell", origin)
    old, new = (each.trace.layers["rnn.l0"].cell[0] for each in (before, after))
    assert np.isnan(change[1]).all()
    np.testing.assert_array_equal(change[[0, 2, 3, 4, 5]], new[[0, 2, 3, 4, 5]] - old)
    assert edit_effects(before, after, origin).first == 2
    with pytest.raises(ValueError):
        edit_effects(before, after)


@pytest.mark.parametrize("name", ["wave", "sentiment"])
def test_values_and_classes_have_effects_too(networks, name):
    base = networks[name]
    text = base.card.default.text
    before, after = run_network(base, text), run_edited(base, text, read_edits("rnn.l0.weight_hh*=-2"))
    told = edit_effects(before, after)
    assert told.predictions and told.predictions[0].symbol is None and told.surprise is None
    change = np.abs(prediction_difference(before, after))
    strongest = told.predictions[0]
    assert abs(strongest.after - strongest.before) == pytest.approx(change.max(), rel=1e-5)


@pytest.mark.parametrize("name", ["recall-lstm", "recall-gru", "wave", "sentiment"])
def test_sensitivity_is_the_gradient_of_torch(networks, name):
    base = networks[name]
    text = base.card.default.text
    loss = Loss("next", step=1) if name == "wave" else Loss("answer")
    found = EditedNetwork(base, Edits()).sensitivity(text, loss)
    module = differentiate(base, text, loss).module
    assert np.array_equal(found["rnn.l0.weight_hh"], module.rnn.weight_hh_l0.grad.abs().numpy())
    assert np.array_equal(found["head.weight"], module.head.weight.grad.abs().numpy())
    edited = EditedNetwork(base, read_edits("rnn.l0.weight_hh[1]=0.5"))
    assert not np.array_equal(edited.sensitivity(text, loss)["rnn.l0.weight_hh"], found["rnn.l0.weight_hh"])


def test_sensitivity_of_a_unit_is_that_of_autograd(networks):
    base = networks["recall-gru"]
    text = base.card.default.text
    found = EditedNetwork(base, Edits()).sensitivity(text, Loss("unit", step=4, unit=7), "rnn.l0")
    module = deepcopy(base.module)
    module.rnn(module.embedding(base.encode(text)))[0][0, 4, 7].backward()
    np.testing.assert_allclose(found["rnn.l0.weight_ih"], module.rnn.weight_ih_l0.grad.abs(), rtol=1e-4, atol=1e-7)
    assert not found["head.weight"].any()
    for bad in (Loss("unit", step=999), Loss("unit", unit=64)):
        with pytest.raises(Problem, match=r"Time step 1000 does not exist|has no unit 64"):
            EditedNetwork(base, Edits()).sensitivity(text, bad, "rnn.l0")


def test_an_edited_network_is_differentiated_like_any_other(networks):
    base = networks["recall-lstm"]
    text = base.card.default.text
    edited = EditedNetwork(base, read_edits("rnn.l0.weight_hh.noise=0.1/1"))
    first, second = edited.differentiate(text, Loss("every")), differentiate(edited.network, text, Loss("every"))
    assert first.value == second.value and first.target == second.target
    np.testing.assert_array_equal(first.trace.layers["rnn.l0"].hidden_grad, second.trace.layers["rnn.l0"].hidden_grad)
    assert np.array_equal(edited.weights()["rnn.l0.weight_hh"], first.trace.layers["rnn.l0"].weights.weight_hh)
