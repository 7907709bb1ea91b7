"""The bundled networks: their cards are complete and true, they read what people type, and their training repeats."""

import json
import math
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from models.capturing.capture import capture
from models.core.tokenize_text import UNKNOWN, display, split_words
from models.networks.input_limit import MAX_INPUT_STEPS
from models.networks.network import Network
from models.states.python_features import features
from models.zoo import FOLDER, NETWORKS, counting, ngram, python_source, python_text, python_units, recall, wave
from models.zoo.catalogue import load_network, network_names
from models.zoo.train import main
from models.zoo.training import fit

NAMES = ("python-lm", "counter", "recall-rnn", "recall-lstm", "recall-gru", "wave", "sentiment")


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {name: load_network(name) for name in network_names()}


# Cards


def test_the_networks_of_the_plan_are_there():
    assert set(NAMES) <= set(network_names())
    assert set(network_names()) == set(NETWORKS)


def test_all_files_together_are_at_most_five_megabytes():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.*") if path.suffix != ".py") <= 5e6


@pytest.mark.parametrize("name", network_names())
def test_the_card_is_complete(networks, name):
    net = networks[name]
    card = net.card
    assert card.name == net.name == name
    for text in (card.title, card.task, card.default.why):
        assert set(text) == {"en", "ko"} and all(text.values())
    assert {"source", "licence", "split"} <= set(card.data)
    assert {"seed", "steps", "seconds", "torch"} <= set(card.training)
    assert card.metrics and card.examples
    assert (card.predicts == "class") == (card.classes is not None)
    assert (card.predicts == "sequence") == (card.target_vocabulary is not None)
    assert all(len(set(names)) == len(names) >= 2 for names in (card.classes or {}).values())
    assert card.parameters == sum(p.numel() for p in net.module.parameters() if p.requires_grad)
    assert not net.module.training


@pytest.mark.slow
@pytest.mark.parametrize("name", network_names())
def test_every_example_and_the_default_view_can_be_shown(networks, name):
    net, card = networks[name], networks[name].card
    for text in (*(example.text for example in card.examples), card.default.text):
        x = net.encode(text)
        assert net.unknown(text) == []
        assert len(net.tokens(text)) == len(net.labels(text)) == x.shape[1]
        if card.predicts == "class":
            assert net.module(x).shape == (1, len(card.classes["en"]))
            continue
        if card.predicts == "sequence":
            answer = net.module(x)
            assert answer.shape[0] == 1 and answer.shape[2] == len(card.target_vocabulary)
            assert answer.shape[1] <= card.architecture["longest"]
            continue
        columns = len(net.vocabulary) if net.vocabulary else card.columns
        assert net.module(x).shape == (1, x.shape[1], columns)
    start = card.default
    with torch.inference_mode(), capture(net) as trace:
        net(net.encode(start.text))
    if start.quantity == "attention_weight":
        _, heads, steps, _ = trace.attention[start.layer].shape
        assert start.unit < heads and start.step < steps
    else:
        _, steps, units = trace.layers[start.layer][start.quantity].shape
        assert start.unit < units and start.step < steps


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^Unknown network “nonsense”\. Choose one of these: .*python-lm.*counter"):
        load_network("nonsense")


# Encoding


def test_unknown_symbols_are_named_and_replaced(networks):
    net = networks["python-lm"]
    assert net.unknown("x = 'é한é'") == ["é", "한"]
    assert net.tokens("aé") == ["a", UNKNOWN]
    assert net.encode("aé")[0].tolist() == [net.vocabulary.index("a"), net.vocabulary.index(UNKNOWN)]
    words = networks["recall-lstm"]
    assert words.unknown("Moscow zzz.") == ["zzz"]
    assert words.tokens("Moscow zzz.") == ["Moscow", UNKNOWN, "."]


def test_line_ends_and_tabs_are_read_as_in_training(networks):
    net = networks["python-lm"]
    assert net.tokens("if x:\r\n\ty") == list("if x:\n    y")
    assert net.labels("a b\n") == ["a", "␣", "b", "⏎"]
    assert display("\t") == "⇥"


@pytest.mark.parametrize("name", network_names())
def test_nothing_is_refused_in_one_sentence(networks, name):
    for text in ("", " \n" if networks[name].kind != "characters" else ""):
        with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
            networks[name].encode(text)


@pytest.mark.parametrize("name", [name for name in network_names() if name != "wave"])
def test_a_text_of_unknown_symbols_only_is_refused_and_they_are_named(networks, name):
    with pytest.raises(ValueError, match=r"^[^\n]*“ж[^\n]*\.$"):
        networks[name].encode("жж")


def test_a_network_without_an_unknown_symbol_says_what_it_knows(networks):
    with pytest.raises(ValueError, match=r"counter does not contain “c”\. Use only these tokens: “\.”, “a”, “b”\."):
        networks["counter"].encode(".aabbc")


@pytest.mark.parametrize("name", network_names())
def test_too_much_is_refused_with_the_number_and_the_limit(networks, name):
    known = networks[name].vocabulary
    piece = "0.5 " if known is None else known[-1] + (" " if networks[name].kind == "words" else "")
    assert networks[name].encode(piece * MAX_INPUT_STEPS).shape[1] == MAX_INPUT_STEPS
    with pytest.raises(ValueError, match=r"100,000 .*2,000 "):
        networks[name].encode(piece * 100_000)
    with pytest.raises(ValueError, match=r"4 .*3 "):
        networks[name].encode(piece * 4, limit=3)


def test_numbers_are_read_with_commas_spaces_or_lines(networks):
    net = networks["wave"]
    for text in ("0.1, -2; 3e-1", "0.1 -2 0.3", "0.1\n-2\n0.3\n", " 0.1,-2,\t.3 "):
        torch.testing.assert_close(net.encode(text), torch.tensor([[[0.1], [-2.0], [0.3]]]))
    assert net.tokens("0.1, -2") == ["0.1", "-2"]


@pytest.mark.parametrize("wrong", ["abc", "nan", "inf", "0.1.2", "--1"])
def test_the_first_thing_that_is_not_a_finite_number_is_named(networks, wrong):
    with pytest.raises(ValueError, match=rf"^“{wrong}” is not a finite number[^\n]*\.$"):
        networks["wave"].encode(f"0.1, {wrong}, 0.3, x")


@pytest.mark.parametrize("large", ["1e400", "1e308", "-1e39"])
def test_a_number_that_is_too_large_is_named_as_such(networks, large):
    with pytest.raises(
        ValueError, match=f"^“{large}” is too large for float32. Write numbers between −3.4e.38 and 3.4e.38.$"
    ):
        networks["wave"].encode(f"0.1, {large}, x")


def test_korean_particles_and_punctuation_come_off_known_words_only():
    vocabulary = {"Moscow", "파리", "에", "에서", "지도", "."}
    assert split_words("파리에서 지도. moscow", vocabulary, ("에", "에서")) == ["파리", "에서", "지도", ".", "Moscow"]
    assert split_words("어디에서", vocabulary, ("에", "에서")) == ["어디에서"]
    assert split_words("파리에서는", vocabulary, ("에", "서", "에서", "는")) == ["파리", "에서", "는"]


@given(st.text("가나다라", max_size=12), st.sets(st.text("가나다", min_size=1, max_size=3)), st.sets(st.text("나다라")))
def test_a_word_is_split_into_the_longest_known_word_and_endings(text, words, endings):
    """The oracle tries every pair of a known word and a sequence of endings."""
    pieces = split_words(text, words, tuple(endings))
    assert "".join(pieces) == text
    pattern = re.compile("(" + "|".join(map(re.escape, filter(None, endings))) + ")+") if endings - {""} else None
    if text:
        heads = [n for n in range(1, len(text)) if text[:n] in words and pattern and pattern.fullmatch(text[n:])]
        longest = max(heads, default=len(text))
        assert pieces[0] == (text if text in words else text[:longest])


def test_a_long_word_is_split_quickly():
    assert len(split_words("가" * 20_000, ("가",), ("가", "가가", "가가가"))) > 6000
    assert split_words("가" * 20_000 + "나", ("가",), ("가", "가가", "가가가")) == ["가" * 20_000 + "나"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_recall_text_reads_as_it_was_made(language):
    for seed in range(30):
        tokens, city = recall.sample_text(np.random.default_rng(seed), 30, language)
        assert tokens[0] == city and city not in tokens[1:] and len(tokens) == 31
        assert (
            split_words(recall.readable_recall_text(30, language, seed), recall.vocabulary(), recall.PARTICLES)
            == tokens
        )


# The cards are true


def test_python_lm_beats_every_table_of_counts():
    card = load_network("python-lm").card
    tables = card.metrics["ngram_bits_per_character"]
    assert set(tables) == {"1", "2", "3", "4", "5", "6"}
    assert card.metrics["bits_per_character"] < min(tables.values())


def test_python_lm_has_a_unit_that_follows_docstrings_and_its_card_agrees_with_its_recipe():
    card, recipe = load_network("python-lm").card, python_source.RECIPES["python-lm"]
    assert abs(card.metrics["units"]["inside_docstring"]["correlation"]) >= 0.9
    assert card.architecture == recipe.architecture and card.training | recipe.settings == card.training
    assert (card.training["steps"], card.training["seed"]) == (recipe.steps, recipe.seed)
    stored = load_file(FOLDER / "python-lm.safetensors")
    assert {value.dtype for value in stored.values()} == {getattr(torch, recipe.store)}


@pytest.mark.slow
def test_python_lm_costs_what_its_card_says(networks):
    net = networks["python-lm"]
    here = float(python_source.bits_of_characters(net.module, net.card.default.text).mean())
    assert here == pytest.approx(net.card.metrics["default_text_bits_per_character"], abs=2e-3)


@pytest.mark.slow
def test_python_lm_on_the_held_out_files_of_this_python(networks):
    """The library differs between versions of Python; the held-out files of any of them cost about the same."""
    net = networks["python-lm"]
    texts = [text[:8_000] for text in python_text.source_files("held-out").values()]
    cost = torch.cat([python_source.bits_of_characters(net.module, text) for text in texts[:8]]).mean()
    assert float(cost) < net.card.metrics["ngram_bits_per_character"]["4"]
    assert float(cost) == pytest.approx(net.card.metrics["bits_per_character"], abs=0.4)


@pytest.mark.slow
def test_held_out_files_are_apart_and_do_not_depend_on_the_machine():
    assert python_text.split_of("textwrap.py") == python_text.split_of("textwrap.py")
    parts = [set(python_text.source_files(part)) for part in ("train", "validation", "held-out")]
    assert all(parts) and not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    stored = load_network("python-lm").card.metrics["held_out_files"]
    assert all(python_text.split_of(path) == "held-out" for path in stored)


@pytest.mark.slow
def test_counter_is_right_as_far_as_its_card_says(networks):
    net = networks["counter"]
    reach = net.card.metrics["right_up_to_n"]
    assert reach >= 30 > net.card.metrics["trained_up_to_n"]
    assert all(counting.predicts_correctly(net.module, "." + "a" * n + "b" * n + ".") for n in range(1, reach + 1))
    assert net.module.rnn.hidden_size <= 8
    assert torch.equal(net.module.embedding.weight, torch.eye(3))
    assert net.input_names == net.vocabulary == (".", "a", "b")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("distance", [8, 40])
def test_recall_is_as_good_as_its_card_says(networks, cell, distance):
    net = networks[f"recall-{cell}"]
    said = net.card.metrics["accuracy_at_40"]
    if distance == 8:
        said = net.card.metrics["accuracy_by_distance"]["5-10"]
    # four standard errors of 200 texts, and some more where a bucket is an average
    slack = 4 * math.sqrt(max(said * (1 - said), 0.01) / 200) + 0.02
    assert recall.recall_accuracy(net.module, distance, 200, seed=99) == pytest.approx(said, abs=slack)


def test_the_gated_cells_carry_the_word_forty_words_and_the_plain_one_does_not(networks):
    at = {cell: networks[f"recall-{cell}"].card.metrics["accuracy_at_40"] for cell in ("rnn", "lstm", "gru")}
    assert min(at["lstm"], at["gru"]) > 0.95
    assert at["rnn"] < at["lstm"]
    sizes = {networks[f"recall-{cell}"].module.rnn.hidden_size for cell in at}
    budgets = {networks[f"recall-{cell}"].card.training["steps"] for cell in at}
    assert len(sizes) == len(budgets) == 1


def test_wave_beats_the_simple_predictors(networks):
    net = networks["wave"]
    metrics = net.card.metrics
    assert metrics["rms_error"] < metrics["rms_error_linear_4_taps"] < metrics["rms_error_last_value"]
    x = wave.sample_waves(np.random.default_rng(77), 500)
    with torch.no_grad():
        error = (net.module(x[:, :-1]) - x[:, 1:])[:, wave.WARMUP_STEPS :]
    assert float(error.square().mean().sqrt()) == pytest.approx(metrics["rms_error"], rel=0.2)


# What they are measured with


def test_ngram_probabilities_sum_to_one_and_a_pattern_is_learned():
    text = np.tile(np.array([0, 1, 2], dtype=np.uint8), 200)
    bits = ngram.bits_by_order([text], [text], [text], base=3, pad=0, highest=3)
    assert bits[1] == pytest.approx(math.log2(3), abs=0.01)
    assert bits[3] < 0.05 and all(later <= earlier for earlier, later in pairwise(bits.values()))
    symbols, own = ngram.pad_texts([np.array([0, 1, 0, 2, 0, 1])], 2, pad=0)
    counts = ngram.count_ngrams(symbols, own, 2, base=3)
    lower = np.full(3, 1 / 3)
    asked = np.array([0, 0]), np.array([False, True])
    total = 0.0
    for symbol in range(3):
        asked[0][1] = symbol
        total += ngram._interpolate(counts, asked, 2, 3, lower[symbol : symbol + 1], 0.5)[0]
    assert total == pytest.approx(1.0)


def test_features_of_python_source():
    text = "f('a(') # '\n  [1]\n"
    found = features(text)
    assert found["inside_string"].tolist() == [0, 0, 1, 1, 1] + [0] * 13
    assert found["bracket_depth"].tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0]
    assert found["inside_comment"].tolist() == [0] * 8 + [1, 1, 1] + [0] * 7
    assert found["indentation"].tolist()[12:] == [1, 2, 2, 2, 2, 0]
    assert found["line_position"].tolist()[:12] == [*range(1, 12), 0]


# Training


@pytest.mark.slow
@pytest.mark.parametrize("name", network_names())
def test_training_repeats(name, tmp_path, capsys):
    for run in ("one", "two"):
        small = ["--batch", "4"] if name == "python-lm" else []
        main([name, "--steps", "3", "--out", str(tmp_path / run), "--no-card", *small])
    one, two = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("one", "two"))
    shipped = load_file(FOLDER / f"{name}.safetensors")
    assert one.keys() == shipped.keys()
    assert all(torch.equal(one[key], two[key]) and one[key].shape == shipped[key].shape for key in one)
    assert "3/3" in capsys.readouterr().err


@pytest.mark.slow
def test_training_writes_a_card_that_can_be_read(tmp_path, capsys):
    main(["counter", "--steps", "3", "--seed", "5", "--out", str(tmp_path)])
    fields = json.loads((tmp_path / "counter.json").read_text(encoding="utf-8"))
    assert fields["training"]["steps"] == 3 and fields["training"]["seed"] == 5
    assert fields.keys() == json.loads((FOLDER / "counter.json").read_text(encoding="utf-8")).keys()


def test_a_card_shows_how_a_network_of_another_size_was_trained_and_its_weights_can_be_stored_in_16_bits(
    tmp_path, monkeypatch, capsys
):
    small = {path: text[:300] for path, text in list(python_text.source_files("held-out").items())[:3]}
    for module in (python_source, python_units):
        monkeypatch.setattr(module, "source_files", lambda part: small)
    size = ["--hidden", "6", "--layers", "1", "--batch", "2", "--decay", "0.5", "--store", "float16"]
    main(["python-lm", "--steps", "2", "--out", str(tmp_path), *size])
    card = json.loads((tmp_path / "python-lm.json").read_text(encoding="utf-8"))
    assert card["architecture"] | {"hidden": 6, "layers": 1} == card["architecture"]
    assert card["training"] | {"batch": 2, "decay": 0.5, "steps": 2} == card["training"]
    assert {value.dtype for value in load_file(tmp_path / "python-lm.safetensors").values()} == {torch.float16}
    assert all(entry["unit"] < 6 for entry in card["metrics"]["units"].values())
    assert f" of unit {card['default']['unit']} follows " in card["default"]["why"]["en"]
    measured = card["metrics"]
    main(["python-lm", "--measure", "--out", str(tmp_path), *size])
    assert json.loads((tmp_path / "python-lm.json").read_text(encoding="utf-8"))["metrics"] == measured


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["counter", "--decay", "1"], "--decay cannot be set for counter. Leave it out."),
        (["counter", "--device", "cuda"], "counter is trained on the CPU only. Leave out --device."),
    ],
)
def test_what_a_recipe_cannot_do_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_weight_decay_shrinks_the_weights_by_rate_times_decay():
    module = torch.nn.Linear(1, 1, bias=False)
    before = module.weight.item()
    fit(module, lambda step: 0.0 * module.weight.sum(), 1, rate=0.1, warmup=1.0, decay=0.5)
    assert module.weight.item() == pytest.approx(before * (1 - 0.1 * 0.5))


@pytest.mark.slow
def test_the_default_unit_of_python_lm_follows_what_its_card_says(networks):
    """On the text of the default view."""
    start = networks["python-lm"].card.default
    units = networks["python-lm"].card.metrics["units"]
    best = max(python_units.SHOWN, key=lambda name: abs(units[name]["correlation"]))
    assert (start.layer, start.unit, start.quantity) == tuple(units[best][key] for key in ("layer", "unit", "quantity"))
    with torch.inference_mode(), capture(networks["python-lm"]) as trace:
        networks["python-lm"].module(networks["python-lm"].encode(start.text))
    r = np.corrcoef(trace.layers[start.layer][start.quantity][0][:, start.unit], features(start.text)[best])[0, 1]
    assert r * np.sign(units[best]["correlation"]) > 0.7
