"""Opened files under every lens, without a browser: set up, corrected, linked to, and named on the command line."""

import importlib.util
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models import capture
from models.decoding import decode
from tests.support.checkpoint_page import (
    NETWORKS,
    WORDS,
    Net,
    choose,
    page_text,
    run,
    saved_bytes,
    start,
    unhealthy,
    upload,
    view_of,
)
from viz.pages import checkpoint_store


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.mark.slow
def test_a_guess_is_called_one_and_the_reader_corrects_it():
    torch.manual_seed(0)
    rnn = nn.GRU(3, 4)
    names = {"weight_ih_l0": "a.x", "weight_hh_l0": "a.y", "bias_ih_l0": "a.z1", "bias_hh_l0": "a.z2"}
    page = upload(start(), ("guessed.safetensors", save({names[name]: v for name, v in rnn.state_dict().items()})))
    first = view_of(page).net
    assert "identified by shape, not by name" in page_text(page) and "gate order" in page_text(page)
    next(each for each in page.selectbox if each.label == "Gate order").select("zrn")
    next(each for each in page.radio if each.label == "Position of the reset gate").set_value(False)
    next(each for each in page.button if each.label == "Apply").click()
    page = run(page)
    assert view_of(page).net != first and first not in page.session_state["unrolled"].opened_networks
    weights = checkpoint_store.find(view_of(page).net).checkpoint.layers["a.l0"]
    z, r, n = rnn.weight_hh_l0.detach().chunk(3)
    np.testing.assert_array_equal(weights.weight_hh, torch.cat([r, z, n]))
    assert not weights.reset_after and "gate order" not in page_text(page)
    next(each for each in page.selectbox if each.label == "Cell type").select("LSTM")
    next(each for each in page.button if each.label == "Apply").click()
    page = run(page)
    assert "do not fit together" in page_text(page)


@pytest.mark.slow
def test_symbols_may_be_typed_and_a_wrong_number_of_them_is_told(net):
    page = upload(start(), ("lm.pt", saved_bytes(net)))
    assert checkpoint_store.find(view_of(page).net).setup.kind == "ids"
    page = choose(page, "Symbols", "typed")
    area = next(each for each in page.text_area if each.label.startswith("The 7 symbols"))
    area.set_value("abc")
    page = run(page)
    assert "3 symbols" in page_text(page) and checkpoint_store.find(view_of(page).net).setup.kind == "ids"
    next(each for each in page.text_area if each.label.startswith("The 7 symbols")).set_value("abcdefg")
    page = run(page)
    assert checkpoint_store.find(view_of(page).net).network.vocabulary == WORDS
    assert len(page.session_state["unrolled"].opened_networks) == 1  # one file, one line of the list
    next(each for each in page.text_area if each.label.startswith("Input text")).set_value("gfx")
    page = run(page)
    assert "not contain “x”" in page_text(page)


@pytest.mark.slow
def test_symbols_may_come_from_a_second_file(net):
    page = upload(start(), ("lm.pt", saved_bytes(net)))
    page = choose(page, "Symbols", "file")
    box = next(each for each in page.file_uploader if each.label.startswith("The 7 symbols"))
    box.set_value(("vocab.json", b'{"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6}', "application/json"))
    page = run(page)
    assert checkpoint_store.find(view_of(page).net).network.vocabulary == WORDS


@pytest.mark.slow
def test_another_decoder_and_the_names_of_classes(net):
    page = upload(start(), ("lm.pt", saved_bytes(net)))
    page = choose(page, "Meaning of the 7 outputs", "class")
    next(each for each in page.text_input if each.label.startswith("Class names, separated by commas")).set_value(
        ", ".join(WORDS)
    )
    page = run(page)
    card = checkpoint_store.find(view_of(page).net).network.card
    assert card.predicts == "class" and card.classes["en"] == WORDS
    decoder = next(each for each in page.selectbox if each.label.startswith("Output layer"))
    decoder.select_index(len(decoder.options) - 1)  # none
    page = run(page)
    assert checkpoint_store.find(view_of(page).net).network.card.predicts == "nothing"


@pytest.mark.slow
def test_numbers_come_from_a_file_or_are_made(tmp_path):
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4, batch_first=True)
    page = upload(start(), ("rnn.pt", saved_bytes(rnn)))
    values = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, values)
    page.segmented_control(key="give_way").set_value("file")
    page = run(page)
    box = next(each for each in page.file_uploader if "npy" in each.label)
    box.set_value(("x.npy", file.getvalue(), "application/octet-stream"))
    page = run(page)
    network = checkpoint_store.find(view_of(page).net).network
    given = network.encode(view_of(page).text)
    np.testing.assert_array_equal(given[0], values)
    values = np.arange(24_000, dtype=np.float32).reshape(8000, 3)  # more than the text box shows
    np.save(file := io.BytesIO(), values)
    next(each for each in page.file_uploader if "npy" in each.label).set_value(("long.npy", file.getvalue(), "x/x"))
    page = run(page)
    assert "This file has 8,000 time steps; at most 6,666 fit into the text box." in page_text(page)
    page.number_input(key="file_first").set_value(11)
    page = run(page)
    page.button(key="file_part").click()
    page = run(page)
    assert "6,666 time steps, but at most 2,000 are allowed" in page_text(page)
    page.button(key="run_first").click()
    page = run(page)
    np.testing.assert_array_equal(network.encode(view_of(page).text)[0], values[10:2010])
    page.segmented_control(key="give_way").set_value("impulse")
    page = run(page)
    page.button(key="impulse_put").click()
    page = run(page)
    given = network.encode(view_of(page).text)[0].numpy()
    assert given.sum() == 1 and given[1, 0] == 1
    page.segmented_control(key="give_way").set_value("random")
    page = run(page)
    page.button(key="random_draw").click()
    page = run(page)
    assert network.encode(view_of(page).text).shape == (1, 24, 3)


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit"])
@pytest.mark.parametrize("kind", ["lm", "nan", "numbers", "classes", "both ways", "projected", "relu"])
def test_every_lens_runs_an_opened_network(lens, kind, net):
    torch.manual_seed(0)
    modules = {
        "lm": saved_bytes(net, vocab=list(WORDS)),
        "nan": saved_bytes(unhealthy(net)),
        "numbers": saved_bytes(nn.GRU(3, 4)),
        "classes": save(
            {**{f"rnn.{k}": v for k, v in nn.LSTM(3, 4).state_dict().items()}, "fc.weight": torch.randn(2, 4)}
        ),
        "both ways": saved_bytes(nn.LSTM(3, 4, num_layers=2, bidirectional=True)),
        "projected": saved_bytes(nn.LSTM(3, 4, proj_size=2)),
        "relu": saved_bytes(nn.RNN(3, 4, nonlinearity="relu")),
    }
    if kind == "nan":
        with torch.no_grad():
            net.rnn.weight_hh_l1[0, 0] = float("nan")
        modules["nan"] = saved_bytes(net)
    opened = checkpoint_store.open_upload({"net.pt": modules[kind]})
    page = start(lens=lens, net=opened.name)
    assert [
        each.value for each in page.warning if not (kind == "nan" and re.search("NaN|not finite", each.value))
    ] == []
    assert view_of(page).net == opened.name
    assert view_of(page).layer in opened.run_names.values()


@pytest.mark.slow
def test_a_link_to_a_file_that_is_not_open_says_so():
    for lens in ("step", "checkpoint"):
        page = start(lens=lens, net="lm.pt~0123456789ab")
        said = "“lm.pt~0123456789ab” is not open in this session. Open the file on the Checkpoint page; the link then shows"
        assert said in page_text(page)
        assert view_of(page).net == NETWORKS[0]


def test_a_link_to_a_file_that_is_not_open_is_kept_until_it_is(net, monkeypatch):
    content = saved_bytes(net)
    name = checkpoint_store.open_upload({"lm.pt": content}).name
    monkeypatch.setattr(checkpoint_store, "_store", checkpoint_store.CheckpointStore())
    link = {"net": name, "text": "3 1 4 1 5", "layer": "rnn.l0", "unit": "5", "step": "2"}
    page = start(**link)
    kept = {field: value[-1] if isinstance(value, list) else value for field, value in page.query_params.items()}
    assert {field: kept[field] for field in link} == link
    page = upload(page, ("lm.pt", content))
    view = view_of(page)
    assert (view.net, view.text, view.layer, view.unit, view.step) == (name, "3 1 4 1 5", "rnn.l0", 5, 2)
    # Of a run on random tokens, which no reader typed, the health check says nothing.
    assert "Only the weights were checked" not in page_text(page)
    assert "Only the weights were checked" in page_text(start(net=name))


def test_a_link_to_a_file_with_other_settings_keeps_its_place_and_says_that_numbers_may_differ(net, monkeypatch):
    monkeypatch.setattr(checkpoint_store, "_store", checkpoint_store.CheckpointStore())
    link = {"net": "lm.pt~0123456789ab", "text": "3 1 4 1 5", "layer": "rnn.l0", "unit": "5", "step": "2"}
    page = upload(start(**link, edits="rnn.l0.weight_hh[0,0]=9"), ("lm.pt", saved_bytes(net)))
    view = view_of(page)
    assert view.net != link["net"] and view.net.startswith("lm.pt~") and view.edits == ""
    assert (view.text, view.layer, view.unit, view.step) == ("3 1 4 1 5", "rnn.l0", 5, 2)
    assert "The link was made with other settings of “lm.pt”, or with another version of it" in page_text(page)
    # A link to a file of another name says nothing about this one.
    page = upload(start(**link | {"net": "other.pt~0123456789ab"}), ("lm.pt", saved_bytes(net)))
    assert view_of(page).text != "3 1 4 1 5" and "The link was made with other settings" not in page_text(page)


@pytest.mark.slow
def test_another_readers_file_opens_by_its_link_and_is_listed_for_who_opened_it(net):
    opened = checkpoint_store.open_upload({"lm.pt": saved_bytes(net)})
    assert all(opened.name not in each.options for each in start().selectbox)
    page = start(net=opened.name)
    assert view_of(page).net == opened.name and page.selectbox[0].options[0] == "lm.pt"


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "checkpoint"])
def test_the_command_line_takes_a_checkpoint_or_a_saved_run(tmp_path, net, lens):
    path = tmp_path / "lm.anything"
    path.write_bytes(saved_bytes(net, vocab=list(WORDS)))
    page = start(opened=path, lens=lens)
    assert view_of(page).net.startswith("lm.anything~") and not page.error
    with torch.no_grad(), capture(net) as trace:
        net(torch.tensor([[1, 2, 3]]))
    trace.save(tmp_path / "run.npz")
    page = start(opened=tmp_path / "run.npz", lens=lens)
    assert view_of(page).net == "run.npz" and not page.error
    if lens == "checkpoint":
        assert "2 LSTM layers" in page_text(page)


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "checkpoint"])
def test_a_bad_file_on_the_command_line_is_one_sentence_and_the_app_goes_on(tmp_path, lens):
    path = tmp_path / "bad.pt"
    for data, sentence in ((None, "File not found"), (b"junk", "Unknown checkpoint format")):
        if data is not None:
            path.write_bytes(data)
        page = start(opened=path, lens=lens)
        assert sum(sentence in each.value.replace("\\", "") for each in page.warning) == 1
        assert view_of(page).net == NETWORKS[0]


@pytest.mark.slow
def test_an_encoder_decoder_writes_with_the_symbols_that_the_reader_gives():
    """g2p-en's own file, as its package ships it: the vocabularies are typed, and it says the package's phonemes."""
    package = importlib.util.find_spec("g2p_en")
    if package is None or package.origin is None:
        pytest.skip("g2p-en is not installed")
    source = Path(package.origin).parent
    page = upload(start(), ("checkpoint20.npz", (source / "checkpoint20.npz").read_bytes()))
    page = choose(page, "Recurrent layers", "enc")
    page = choose(page, "Symbols", "typed")
    graphemes = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
    next(each for each in page.text_area if each.label.startswith("The 29 symbols")).set_value("\n".join(graphemes))
    page = run(page)
    page = choose(page, "Is there a decoder that continues", "typed")
    next(each for each in page.text_area if each.label.startswith("Output symbols")).set_value("a\nb")
    page = run(page)
    assert "No decoder in this file continues from the last state of enc" in page_text(page)
    listed = (source / "g2p.py").read_text().split("self.phonemes = ")[1].split("self.g2idx")[0]
    phonemes = [symbol for pair in re.findall(r"""'([^']+)'|"([^"]+)\"""", listed) for symbol in pair if symbol]
    area = next(each for each in page.text_area if each.label.startswith("Output symbols"))
    area.set_value("\n".join(phonemes))
    page = run(page)
    opened = checkpoint_store.find(view_of(page).net)
    assert opened.setup.target.vocabulary == tuple(phonemes) and opened.run_names == {
        "enc.l0": "encoder.l0",
        "dec.l0": "decoder.l0",
    }
    wrote = decode(opened.network, "seoul</s>")
    assert list(wrote.target[:-1]) == ["S", "UW1", "L"]  # g2p-en itself says so too
    for lens in ("step", "states", "gradients", "edit", "attention"):
        start(lens=lens, net=opened.name)
