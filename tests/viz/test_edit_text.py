"""Edits, and what they did, in words."""

import re

import pytest

from models import load_network, run_network
from models.edits.edit_effects import edit_effects
from models.edits.edit_syntax import read_edit, read_edits
from models.edits.edited_network import EditedNetwork
from models.edits.tracked_effects import tracked_effect
from models.states.tracked_units import tracked_units
from models.zoo.catalogue import recall_batches
from tests.models.edits.test_edits import WRITTEN
from viz.edit_text import describe_edit
from viz.i18n import use_language
from viz.pages.edit.effect_text import describe_effects
from viz.quantity_names import quantity_names

HANGUL = re.compile("[가-힣]")


def sentences_about(name: str, edits: str) -> str:
    network = load_network(name)
    text = network.card.default.text
    edited = EditedNetwork(network, read_edits(edits))
    before, after = run_network(network, text), edited.read(text)
    origin = edited.sequence(text).origin if read_edits(edits).tokens else None
    rankings = {
        layer: tracked_units(network, text, layer, recall_batches=recall_batches(network), run=run_network)
        for layer in before.trace.layers
    }
    found = edit_effects(before, after, origin, answer_only=network.card.scored == "last")
    with use_language("en"):
        return describe_effects(found, tracked_effect(before, after, rankings, origin), before, after)


def test_the_unit_is_named_by_what_it_tracks():
    edits = "rnn.l0.reads[340]=0"
    words = sentences_about("python-lm", edits)
    found = re.search(
        r"Unit 340 of rnn\.l0, which tracks “inside brackets”: its (.+?) first differs at time step (\d+)\. "
        r"Largest change: time step (\d+) \(.*?\), (\S+) → (\S+)\.",
        words,
    )
    network = load_network("python-lm")
    runs = (
        run_network(network, network.card.default.text),
        EditedNetwork(network, read_edits(edits)).read(network.card.default.text),
    )
    with use_language("en"):
        quantity = next(name for name, title in quantity_names().items() if title == found[1])
    before, after = (run.trace.layers["rnn.l0"][quantity][0, :, 340] for run in runs)
    change = abs(after - before)
    assert int(found[2]) == (change > 2e-4).argmax() + 1 < int(found[3]) == change.argmax() + 1
    step = change.argmax()
    assert [float(each.replace("−", "-")) for each in found.groups()[3:]] == pytest.approx(
        [before[step], after[step]], abs=0.005
    )
    assert re.search(r"The unit no longer tracks this property: correlation in this text 0\.\d\d → 0\.\d\d\.", words)


def test_the_prediction_comes_first():
    words = sentences_about("counter", "rnn.l0.writes[0]=0")
    assert words.startswith("Prediction after time step 10 (“b”): “b” → “.”.")
    assert "Largest change:" in words and "Mean surprisal:" in words


def test_of_a_network_that_answers_once_the_answer_alone_counts():
    words = sentences_about("recall-lstm", "rnn.l0.forget_gate@12=0")
    assert words.startswith("Prediction after time step 25 (“in”): “Moscow” → “Rome”.")
    assert "which tracks “the word to remember”" in words and "surprisal" not in words


@pytest.mark.slow
def test_what_is_written_is_told_whole():
    assert sentences_about("dates-dot", "decoder.l0.weight_hh=0").startswith("Output: “2024-08-04” → “2044-")


def test_a_small_change_is_told_with_as_many_decimals_as_it_takes():
    edits = "rnn.l0.forget_gate[63]@12-20=1"
    network = load_network("recall-lstm")
    text = network.card.default.text
    city = network.vocabulary.index("Moscow")
    runs = (run_network(network, text), EditedNetwork(network, read_edits(edits)).read(text))
    old, new = (float(run.prediction.probability[-1, city]) for run in runs)
    assert f"{old:.2f}" == f"{new:.2f}"
    [(before, after)] = re.findall(
        r"Probability of “Moscow” .*?: (\S+) → (\d\.\d+)", sentences_about("recall-lstm", edits)
    )
    assert before != after and [float(before), float(after)] == pytest.approx([old, new], abs=10.0 ** (2 - len(before)))


def test_nothing_is_told_of_nothing():
    assert sentences_about("counter", "rnn.l0.weight_hh*=1").startswith("Nothing changed")


@pytest.mark.parametrize("text", WRITTEN)
def test_every_edit_has_words(text):
    with use_language("en"):
        english = describe_edit(read_edit(text))
    with use_language("ko"):
        korean = describe_edit(read_edit(text))
    assert english and not HANGUL.search(english) and HANGUL.search(korean)
    assert "{" not in english + korean


def test_steps_are_counted_from_1_and_units_from_0():
    with use_language("en"):
        assert describe_edit(read_edit("rnn.l0.forget_gate[3]@2-8=1")) == (
            "forget gate of unit 3 of rnn.l0: fixed at 1, steps 3 to 9"
        )
        assert describe_edit(read_edit("token[5]=x")) == "Token at time step 6 replaced by “x”"
        assert describe_edit(read_edit("rnn.l0.weight_hh[forget_gate.3,5]=1")) == (
            "rnn.l0.weight_hh, forget gate of unit 3, column 5: set to 1"
        )
