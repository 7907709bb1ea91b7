"""The Checkpoint lens without a browser: its findings and measurements of a file."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest
from torch import nn

from models import load_network
from models.checkpoints import health
from tests.support.checkpoint_page import (
    NETWORKS,
    WORDS,
    Hostile,
    Net,
    choose,
    mirrored,
    page_text,
    run,
    saved_bytes,
    start,
    unhealthy,
    upload,
    view_of,
)
from tests.support.specimens import specimens
from viz.pages import checkpoint_store

HANGUL = re.compile("[가-힣]")


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_bundled_network_is_an_example(name, lang):
    page = start(net=name, lang=lang)
    assert page.success and not page.warning and not page.error  # a bundled network is healthy
    count = sum(
        values.numel() for values in load_network(name).module.state_dict().values() if values.is_floating_point()
    )
    assert f"{count:,}" in page_text(page)
    titles = " ".join(each.value for each in page.markdown if each.value.startswith("####"))
    assert bool(HANGUL.search(titles)) == (lang == "ko")


@pytest.mark.slow
def test_a_broken_file_opens_on_the_layer_that_is_broken():
    page = upload(start(), ("broken.pt", specimens()["broken.pt"]))
    assert "NaN or infinite values in rnn.l1: 2" in page_text(page)
    menu = next(each for each in page.selectbox if each.label == "Layer shown below")
    assert menu.value == "rnn.l1" and menu.options == ["rnn.l0", "rnn.l1"]
    assert "The states are NaN or infinite in every format" in page_text(page)
    menu.set_value("rnn.l0")
    run(page)
    assert "The states are NaN or infinite in every format" not in page_text(page)
    assert next(each for each in page.selectbox if each.label == menu.label).value == "rnn.l0"


@pytest.mark.slow
def test_an_uploaded_file_is_opened_judged_and_run(net):
    page = upload(start(), ("lm.pt", saved_bytes(net, vocab=list(WORDS), epoch=7)))
    assert re.fullmatch(r"lm\.pt~[0-9a-f]{12}", view_of(page).net)
    count = sum(values.numel() for values in net.parameters())
    assert (
        "PyTorch · " in page_text(page)
        and "2 LSTM layers" in page_text(page)
        and f"{count:,} parameters" in page_text(page)
    )
    assert page.success and not page.error
    network = checkpoint_store.find(view_of(page).net).network
    assert network.vocabulary == WORDS
    ids = network.encode("abcafg")
    with torch.no_grad():
        torch.testing.assert_close(network.module(ids), net(ids), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_what_is_measured_is_torchs_own(net):
    page = upload(start(), ("lm.pt", saved_bytes(net, vocab=list(WORDS))))
    rows = net.rnn.weight_hh_l0.detach().numpy().astype(np.float64).reshape(4, 8, 8)
    gates = ("input_gate", "forget_gate", "candidate", "output_gate")
    for gate, block in zip(gates, rows, strict=True):
        (radius,) = mirrored(page, "spectra", quantity="spectral_radius", gate=gate)
        assert radius == pytest.approx(np.abs(np.linalg.eigvals(block)).max(), rel=1e-6)
        (apart,) = mirrored(page, "spectra", quantity="from_orthogonal", gate=gate)
        assert apart == pytest.approx(np.linalg.norm(block.T @ block - np.eye(8)) / np.sqrt(8), rel=1e-6)
    biases = (net.rnn.bias_ih_l0 + net.rnn.bias_hh_l0).detach().numpy()[8:16]
    assert mirrored(page, "keep-biases", layer="rnn.l0") == pytest.approx(biases.tolist(), abs=1e-7)
    page = choose(page, "Layer shown below", "rnn.l1")
    biases = (net.rnn.bias_ih_l1 + net.rnn.bias_hh_l1).detach().numpy()[8:16]
    assert mirrored(page, "keep-biases", layer="rnn.l1") == pytest.approx(biases.tolist(), abs=1e-7)
    assert view_of(page).layer == "rnn.l1"  # the other lenses follow


@pytest.mark.slow
def test_the_drift_is_that_of_torch_in_bfloat16(net):
    """The whole stack in bfloat16, by torch's own cells, a step at a time."""
    page = upload(start(), ("lm.pt", saved_bytes(net, vocab=list(WORDS))))
    page = choose(page, "Layer shown below", "rnn.l1")
    ids = checkpoint_store.find(view_of(page).net).network.encode(view_of(page).text)
    last = {}
    for dtype in (torch.float64, torch.bfloat16):
        cells = [nn.LSTMCell(size, 8) for size in (4, 8)]
        for level, cell in enumerate(cells):
            cell.load_state_dict(
                {
                    name.removesuffix(f"_l{level}"): v
                    for name, v in net.rnn.state_dict().items()
                    if name.endswith(f"l{level}")
                }
            )
            cell.to(dtype)
        with torch.no_grad():
            states = [(torch.zeros(1, 8, dtype=dtype),) * 2 for _ in cells]
            for x in net.embed(ids)[0].to(dtype):
                x = x[None]
                for level, cell in enumerate(cells):
                    states[level] = cell(x, states[level])
                    x = states[level][0]
        last[dtype] = x[0].double()
    (drift,) = mirrored(page, "drift", gate="bfloat16")
    truth = float((last[torch.bfloat16] - last[torch.float64]).norm())
    assert drift == pytest.approx(truth, rel=0.5)  # a cell may round between its operations elsewhere
    (exact,) = mirrored(page, "drift", gate="float32")
    assert exact < 1e-5 < drift


@pytest.mark.slow
def test_a_refused_file_changes_nothing_and_is_not_run(net, tmp_path):
    page = upload(start(), ("lm.pt", saved_bytes(net)))
    before = view_of(page)
    page = upload(page, ("evil.pt", pickle.dumps({"weights": Hostile(tmp_path / "written")})))
    assert "Opening this file would run posix.system, so it was not opened." in page.error[0].value
    assert view_of(page) == before and not (tmp_path / "written").exists()
    assert "2 LSTM layers" in page_text(page)
    page = upload(page, ("other.safetensors", save(net.state_dict())))
    assert not page.error and view_of(page).net.startswith("other.safetensors~")


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04" + b"\0" * 50, b"\x89HDF\r\n\x1a\n" + b"\0" * 9])
def test_what_is_no_checkpoint_is_told_in_one_sentence(data):
    page = upload(start(lang="ko"), ("x.bin", data))
    assert len(page.error) == 1 and HANGUL.search(page.error[0].value)
    assert view_of(page).net == NETWORKS[0]


@pytest.mark.slow
def test_numbers_that_are_damaged_are_told_where_they_are_shown_and_the_rest_is_shown(net):
    """Behind a header that is whole: what cannot be read is met while the page is drawn."""
    opened = checkpoint_store.open_upload({"damaged.pt": saved_bytes(net, vocab=list(WORDS), own="damaged")})
    stored = opened.checkpoint.found["rnn.l1"].parts["weight_hh"]
    object.__setattr__(stored, "read", lambda: np.zeros(3).reshape(8, 8))
    page = start(net=opened.name)
    sentence = "The values of rnn.l1 in this file are damaged. Copy the file again."
    assert any(sentence in each.value for each in page.warning)
    assert "2 LSTM layers" in page_text(page) and mirrored(page, "keep-biases", layer="rnn.l0")
    page = choose(page, "Layer shown below", "rnn.l1")
    assert sum(sentence in each.value for each in page.warning) >= 4  # in every section that would show them


@pytest.mark.slow
def test_a_checkpoint_in_shards_is_dropped_with_its_index(net):
    state, places = net.state_dict(), {}
    shards = {"model-1.safetensors": {}, "model-2.safetensors": {}}
    for index, (name, values) in enumerate(state.items()):
        places[name] = list(shards)[index % 2]
        shards[places[name]][name] = values
    files = [(name, save(part)) for name, part in shards.items()]
    index = ("model.safetensors.index.json", json.dumps({"weight_map": places}).encode())
    page = upload(start(), *files)
    assert "You chose 2 files" in page.error[0].value
    page = upload(page, *files, index)
    assert not page.error and "2 LSTM layers" in page_text(page)
    assert view_of(page).net.startswith("model.safetensors.index.json~")


@pytest.mark.slow
def test_a_sick_network_is_said_to_be(net):
    page = upload(start(), ("sick.pt", saved_bytes(unhealthy(net), vocab=list(WORDS))))
    text = page_text(page)
    assert "Usable, but" in text and "The forget-gate biases of rnn.l0 are strongly negative" in text
    assert "Dead units in rnn.l0: 1 of 8" in text and "Pairs of duplicate units in rnn.l1: 1" in text
    found = health.verdict(checkpoint_store.find(view_of(page).net).checkpoint)
    assert {finding.severity for finding in found} >= {"warning"}
    with torch.no_grad():
        net.rnn.weight_hh_l1[0, 0] = float("nan")
    page = upload(page, ("nan.pt", saved_bytes(net, vocab=list(WORDS))))
    assert "Broken" in page.error[0].value
    page = choose(page, "Layer shown below", "rnn.l1")
    assert "not finite" in page_text(page)  # no spectrum, and it says why


@pytest.mark.slow
def test_two_checkpoints_are_compared(net):
    first = checkpoint_store.open_upload({"early.pt": saved_bytes(net)})
    before = {name: values.clone() for name, values in net.state_dict().items()}
    with torch.no_grad():
        net.rnn.weight_hh_l0[8:16] += 1
    page = upload(start(remembered=(first.name,), net=first.name), ("late.pt", saved_bytes(net)))
    assert "Largest relative changes in the whole files" in page_text(page)
    (moved,) = mirrored(page, "moved", quantity="moved_weight_hh", gate="forget_gate")
    assert moved == pytest.approx(8 / float(before["rnn.weight_hh_l0"][8:16].norm()), rel=1e-5)
    assert mirrored(page, "moved", gate="candidate") == [0, 0, 0, 0]


@pytest.mark.slow
def test_the_edits_of_a_network_are_in_what_is_measured():
    page = start(net="recall-lstm", edits="rnn.l0.bias_ih[forget_gate]=-9")
    assert "This is an edited network" in page_text(page)
    biases = mirrored(page, "keep-biases")
    own = load_network("recall-lstm").module.rnn
    size = own.hidden_size
    assert biases == pytest.approx((own.bias_hh_l0[size : 2 * size] - 9).tolist(), abs=1e-5)
    page = start(net="recall-lstm", edits="rnn.l0.weight_hh[forget_gate.99999]=1")
    assert page.warning and view_of(page).edits == "" and page.success


@pytest.mark.slow
def test_of_a_large_file_only_the_layer_that_is_looked_at_is_read(net, monkeypatch):
    monkeypatch.setattr(checkpoint_store, "LARGE_FILE", 100)
    opened = checkpoint_store.open_upload({"large.pt": saved_bytes(Net(layers=3), big=torch.zeros(3, 5))})
    read = []
    checkpoint = opened.checkpoint
    for name, layer in checkpoint.found.items():
        for stored in layer.parts.values():
            object.__setattr__(stored, "read", lambda name=name, own=stored.read: (read.append(name), own())[1])
    page = AppTest.from_function(verdict_script, default_timeout=60, kwargs={"name": opened.name})
    run(page)
    assert set(read) <= {"rnn.l0", "rnn.l1"}  # itself, and what reads it
    assert "only rnn.l0 was checked" in page_text(page)
    next(each for each in page.button if each.label.startswith("Check the whole file")).click()
    run(page)
    assert set(read) == {"rnn.l0", "rnn.l1", "rnn.l2"} and "only rnn.l0" not in page_text(page)


def verdict_script(name):
    from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
    from viz.pages.checkpoint.health_panel import health_panel

    health_panel(CheckpointSelection(name), "rnn.l0", None)


def test_the_limit_of_uploads_is_said(tmp_path):
    assert (
        checkpoint_store.max_upload_bytes() >> 20 == 500
        and "maxUploadSize = 500" in Path(".streamlit/config.toml").read_text()
    )


@pytest.mark.slow
def test_a_file_without_recurrent_layers_is_looked_at_all_the_same():
    page = upload(start(), ("linear.pt", saved_bytes(nn.Linear(3, 4))))
    text = page_text(page)
    assert "no recurrent layer, so there is nothing to check" in text and "Its tensors can still be inspected" in text
    assert view_of(page).net.startswith("linear.pt~")
