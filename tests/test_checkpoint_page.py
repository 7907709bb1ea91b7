"""The Checkpoint lens without a browser: what it opens, says, measures and hands to the other lenses."""

import importlib.util
import io
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest
from torch import nn

from models import capture, load_network
from models.checkpoints import health
from models.decoding import decode
from models.network import network_names
from viz.pages import opened as store

HANGUL = re.compile("[가-힣]")
WORDS = tuple("abcdefg")
NETWORKS = tuple(name for name in network_names() if load_network(name).card.predicts in ("next", "class"))


class Net(nn.Module):
    """A language model of seven symbols."""

    def __init__(self, kind=nn.LSTM, layers=2):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), 4)
        self.rnn = kind(4, 8, num_layers=layers, batch_first=True)
        self.head = nn.Linear(8, len(WORDS))

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def saved(module, **further):
    file = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), **further}, file)
    return file.getvalue()


def script(opened=None, lens="checkpoint", held=()):
    from importlib import import_module

    from viz import chrome
    from viz.session import session

    for name in held:
        session().hold(name)
    with session().run(opened=opened), chrome.around():
        import_module(f"viz.pages.{lens}").page()


def start(opened=None, lens="checkpoint", held=(), **address):
    page = AppTest.from_function(script, default_timeout=120, kwargs={"opened": opened, "lens": lens, "held": held})
    page.query_params.update(address)
    return run(page)


def run(page):
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def upload(page, *files):
    box = next(each for each in page.file_uploader if each.proto.multiple_files)
    box.set_value([(name, data, "application/octet-stream") for name, data in files])
    return run(page)


def said(page):
    kinds = ("markdown", "caption", "warning", "error", "success", "info")
    return "\n".join(each.value for kind in kinds for each in page.get(kind)).replace("\\", "")


def view(page):
    return page.session_state["unrolled"].view


def mirrored(page, group, **wanted):
    """The numbers of one list of the page."""
    html = next(each.proto.body for each in page.get("html") if f'data-group="{group}"' in each.proto.body)
    rows = [dict(re.findall(r'data-(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<span ([^>]*)>", html)]
    return [float(row["value"]) for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def choose(page, label, option):
    next(each for each in page.selectbox if each.label.startswith(label)).select(option)
    return run(page)


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_bundled_network_is_an_example(name, lang):
    page = start(net=name, lang=lang)
    assert page.success and not page.warning and not page.error  # a bundled network is healthy
    count = sum(
        values.numel() for values in load_network(name).module.state_dict().values() if values.is_floating_point()
    )
    assert f"{count:,}" in said(page)
    titles = " ".join(each.value for each in page.markdown if each.value.startswith("####"))
    assert bool(HANGUL.search(titles)) == (lang == "ko")


def test_an_uploaded_file_is_opened_judged_and_run(net):
    page = upload(start(), ("lm.pt", saved(net, vocab=list(WORDS), epoch=7)))
    assert re.fullmatch(r"lm\.pt~[0-9a-f]{12}", view(page).net)
    count = sum(values.numel() for values in net.parameters())
    assert "PyTorch · " in said(page) and "2 LSTM layers" in said(page) and f"{count:,} numbers" in said(page)
    assert page.success and not page.error
    network = store.find(view(page).net).network
    assert network.vocabulary == WORDS
    ids = network.encode("abcafg")
    with torch.no_grad():
        torch.testing.assert_close(network.module(ids), net(ids), rtol=0, atol=1e-6)


def test_what_is_measured_is_torchs_own(net):
    page = upload(start(), ("lm.pt", saved(net, vocab=list(WORDS))))
    rows = net.rnn.weight_hh_l0.detach().numpy().astype(np.float64).reshape(4, 8, 8)
    gates = ("input_gate", "forget_gate", "candidate", "output_gate")
    for gate, block in zip(gates, rows, strict=True):
        (radius,) = mirrored(page, "spectra", quantity="spectral_radius", gate=gate)
        assert radius == pytest.approx(np.abs(np.linalg.eigvals(block)).max(), rel=1e-6)
        (apart,) = mirrored(page, "spectra", quantity="from_orthogonal", gate=gate)
        assert apart == pytest.approx(np.linalg.norm(block.T @ block - np.eye(8)) / np.sqrt(8), rel=1e-6)
    biases = (net.rnn.bias_ih_l0 + net.rnn.bias_hh_l0).detach().numpy()[8:16]
    assert mirrored(page, "keep-biases", layer="rnn.l0") == pytest.approx(biases.tolist(), abs=1e-7)
    page = choose(page, "The layer", "rnn.l1")
    biases = (net.rnn.bias_ih_l1 + net.rnn.bias_hh_l1).detach().numpy()[8:16]
    assert mirrored(page, "keep-biases", layer="rnn.l1") == pytest.approx(biases.tolist(), abs=1e-7)
    assert view(page).layer == "rnn.l1"  # the other lenses follow


def test_the_drift_is_that_of_torch_in_bfloat16(net):
    """The whole stack in bfloat16, by torch's own cells, a step at a time."""
    page = upload(start(), ("lm.pt", saved(net, vocab=list(WORDS))))
    page = choose(page, "The layer", "rnn.l1")
    ids = store.find(view(page).net).network.encode(view(page).text)
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


class Hostile:
    """Its pickle would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_refused_file_changes_nothing_and_is_not_run(net, tmp_path):
    page = upload(start(), ("lm.pt", saved(net)))
    before = view(page)
    page = upload(page, ("evil.pt", pickle.dumps({"weights": Hostile(tmp_path / "written")})))
    assert "to be run while it is opened, which was not done" in page.error[0].value
    assert view(page) == before and not (tmp_path / "written").exists()
    assert "2 LSTM layers" in said(page)
    page = upload(page, ("other.safetensors", save(net.state_dict())))
    assert not page.error and view(page).net.startswith("other.safetensors~")


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04" + b"\0" * 50, b"\x89HDF\r\n\x1a\n" + b"\0" * 9])
def test_what_is_no_checkpoint_is_told_in_one_sentence(data):
    page = upload(start(lang="ko"), ("x.bin", data))
    assert len(page.error) == 1 and HANGUL.search(page.error[0].value)
    assert view(page).net == NETWORKS[0]


def test_numbers_that_are_damaged_behind_a_whole_header_are_told_where_they_are_shown(tmp_path, net):
    state = {f"rnn.{name}": values.numpy() for name, values in net.rnn.state_dict().items()}
    np.savez_compressed(tmp_path / "net.npz", **state)
    data = bytearray((tmp_path / "net.npz").read_bytes())
    place = data.find(b"weight_hh_l1.npy") + 400
    data[place : place + 8] = b"\xff" * 8
    page = upload(start(), ("net.npz", bytes(data)))
    assert view(page).net.startswith("net.npz~") or page.error
    assert page.warning or page.error
    assert "2 LSTM layers" in said(page) or page.error


def test_a_guess_is_called_one_and_the_reader_corrects_it():
    torch.manual_seed(0)
    rnn = nn.GRU(3, 4)
    names = {"weight_ih_l0": "a.x", "weight_hh_l0": "a.y", "bias_ih_l0": "a.z1", "bias_hh_l0": "a.z2"}
    page = upload(start(), ("guessed.safetensors", save({names[name]: v for name, v in rnn.state_dict().items()})))
    first = view(page).net
    assert "found by shape" in said(page) and "order of the gates" in said(page)
    next(each for each in page.selectbox if each.label == "Order of the gates").select("zrn")
    next(each for each in page.radio if each.label == "The reset acts").set_value(False)
    next(each for each in page.button if each.label == "Read it so").click()
    page = run(page)
    assert view(page).net != first and first not in page.session_state["unrolled"].files
    weights = store.find(view(page).net).checkpoint.layers["a.l0"]
    z, r, n = rnn.weight_hh_l0.detach().chunk(3)
    np.testing.assert_array_equal(weights.weight_hh, torch.cat([r, z, n]))
    assert not weights.reset_after and "order of the gates" not in said(page)
    next(each for each in page.selectbox if each.label == "Kind of cell").select("LSTM")
    next(each for each in page.button if each.label == "Read it so").click()
    page = run(page)
    assert "do not fit each other" in said(page)


def test_symbols_may_be_typed_and_a_wrong_number_of_them_is_told(net):
    page = upload(start(), ("lm.pt", saved(net)))
    assert store.find(view(page).net).setup.kind == "ids"
    page = choose(page, "Symbols", "typed")
    area = next(each for each in page.text_area if each.label.startswith("Its 7 symbols"))
    area.set_value("abc")
    page = run(page)
    assert "3 symbols" in said(page) and store.find(view(page).net).setup.kind == "ids"
    next(each for each in page.text_area if each.label.startswith("Its 7 symbols")).set_value("abcdefg")
    page = run(page)
    assert store.find(view(page).net).network.vocabulary == WORDS
    assert len(page.session_state["unrolled"].files) == 1  # one file, one line of the list
    next(each for each in page.text_area if each.label.startswith("Text")).set_value("gfx")
    page = run(page)
    assert "does not know “x”" in said(page)


def test_symbols_may_come_from_a_second_file(net):
    page = upload(start(), ("lm.pt", saved(net)))
    page = choose(page, "Symbols", "file")
    box = next(each for each in page.file_uploader if each.label.startswith("Its 7 symbols"))
    box.set_value(("vocab.json", b'{"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6}', "application/json"))
    page = run(page)
    assert store.find(view(page).net).network.vocabulary == WORDS


def test_another_decoder_and_the_names_of_classes(net):
    page = upload(start(), ("lm.pt", saved(net)))
    page = choose(page, "The 7 scores are of", "class")
    next(each for each in page.text_input if each.label.startswith("Names of the classes")).set_value(", ".join(WORDS))
    page = run(page)
    card = store.find(view(page).net).network.card
    assert card.predicts == "class" and card.classes["en"] == WORDS
    decoder = next(each for each in page.selectbox if each.label.startswith("Decoder"))
    decoder.select_index(len(decoder.options) - 1)  # none
    page = run(page)
    assert store.find(view(page).net).network.card.predicts == "nothing"


def test_numbers_come_from_a_file_or_are_made(tmp_path):
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4, batch_first=True)
    page = upload(start(), ("rnn.pt", saved(rnn)))
    values = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, values)
    page.segmented_control(key="give_way").set_value("file")
    page = run(page)
    box = next(each for each in page.file_uploader if "npy" in each.label)
    box.set_value(("x.npy", file.getvalue(), "application/octet-stream"))
    page = run(page)
    network = store.find(view(page).net).network
    given = network.encode(view(page).text)
    np.testing.assert_array_equal(given[0], values)
    page.segmented_control(key="give_way").set_value("impulse")
    page = run(page)
    page.button(key="impulse_put").click()
    page = run(page)
    given = network.encode(view(page).text)[0].numpy()
    assert given.sum() == 1 and given[1, 0] == 1
    page.segmented_control(key="give_way").set_value("random")
    page = run(page)
    page.button(key="random_draw").click()
    page = run(page)
    assert network.encode(view(page).text).shape == (1, 24, 3)


def sick(net):
    """NaN, a dead unit, a double, shut forget gates."""
    with torch.no_grad():
        for level in (0, 1):
            getattr(net.rnn, f"bias_ih_l{level}")[8:16] = -3
            getattr(net.rnn, f"bias_hh_l{level}")[8:16] = 0
        for gate in range(4):
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(net.rnn, f"{part}_l0")[gate * 8 + 3] = 0
                getattr(net.rnn, f"{part}_l1")[gate * 8 + 6] = getattr(net.rnn, f"{part}_l1")[gate * 8 + 5]
    return net


def test_a_sick_network_is_said_to_be(net):
    page = upload(start(), ("sick.pt", saved(sick(net), vocab=list(WORDS))))
    text = said(page)
    assert "keep it from working" in text and "The forget gates of rnn.l0 are closed" in text
    assert "dead" in text and "doubles" in text
    found = health.verdict(store.find(view(page).net).checkpoint)
    assert {finding.severity for finding in found} >= {"warning"}
    with torch.no_grad():
        net.rnn.weight_hh_l1[0, 0] = float("nan")
    page = upload(page, ("nan.pt", saved(net, vocab=list(WORDS))))
    assert "Broken" in page.error[0].value
    page = choose(page, "The layer", "rnn.l1")
    assert "not finite" in said(page)  # no spectrum, and it says why


@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit"])
@pytest.mark.parametrize("kind", ["lm", "nan", "numbers", "classes", "both ways", "projected", "relu"])
def test_every_lens_runs_an_opened_network(lens, kind, net):
    torch.manual_seed(0)
    modules = {
        "lm": saved(net, vocab=list(WORDS)),
        "nan": saved(sick(net)),
        "numbers": saved(nn.GRU(3, 4)),
        "classes": save(
            {**{f"rnn.{k}": v for k, v in nn.LSTM(3, 4).state_dict().items()}, "fc.weight": torch.randn(2, 4)}
        ),
        "both ways": saved(nn.LSTM(3, 4, num_layers=2, bidirectional=True)),
        "projected": saved(nn.LSTM(3, 4, proj_size=2)),
        "relu": saved(nn.RNN(3, 4, nonlinearity="relu")),
    }
    if kind == "nan":
        with torch.no_grad():
            net.rnn.weight_hh_l1[0, 0] = float("nan")
        modules["nan"] = saved(net)
    opened = store.open_upload({"net.pt": modules[kind]})
    page = start(lens=lens, net=opened.name)
    assert not page.warning and view(page).net == opened.name
    assert view(page).layer in opened.runs_as.values()


def test_a_link_to_a_file_that_is_not_open_says_so():
    for lens in ("step", "checkpoint"):
        page = start(lens=lens, net="lm.pt~0123456789ab")
        assert "“lm.pt~0123456789ab” is not open here; open the file on the Checkpoint page first." in said(page)
        assert view(page).net == NETWORKS[0]


def test_another_readers_file_opens_by_its_link_and_is_listed_for_who_opened_it(net):
    opened = store.open_upload({"lm.pt": saved(net)})
    assert all(opened.name not in each.options for each in start().selectbox)
    page = start(net=opened.name)
    assert view(page).net == opened.name and page.selectbox[0].options[0] == "lm.pt"


def test_two_checkpoints_are_compared(net):
    first = store.open_upload({"early.pt": saved(net)})
    before = {name: values.clone() for name, values in net.state_dict().items()}
    with torch.no_grad():
        net.rnn.weight_hh_l0[8:16] += 1
    page = upload(start(held=(first.name,), net=first.name), ("late.pt", saved(net)))
    assert "What moved most" in said(page)
    (moved,) = mirrored(page, "moved", quantity="moved_weight_hh", gate="forget_gate")
    assert moved == pytest.approx(8 / float(before["rnn.weight_hh_l0"][8:16].norm()), rel=1e-5)
    assert mirrored(page, "moved", gate="candidate") == [0, 0, 0, 0]


def test_the_edits_of_a_network_are_in_what_is_measured():
    page = start(net="recall-lstm", edits="rnn.l0.bias_ih[forget_gate]=-9")
    assert "This is an edited network" in said(page)
    biases = mirrored(page, "keep-biases")
    own = load_network("recall-lstm").module.rnn
    size = own.hidden_size
    assert biases == pytest.approx((own.bias_hh_l0[size : 2 * size] - 9).tolist(), abs=1e-5)
    page = start(net="recall-lstm", edits="rnn.l0.weight_hh[forget_gate.99999]=1")
    assert page.warning and view(page).edits == "" and page.success


@pytest.mark.parametrize("lens", ["step", "checkpoint"])
def test_the_command_line_takes_a_checkpoint_or_a_saved_run(tmp_path, net, lens):
    path = tmp_path / "lm.anything"
    path.write_bytes(saved(net, vocab=list(WORDS)))
    page = start(opened=path, lens=lens)
    assert view(page).net.startswith("lm.anything~") and not page.error
    with torch.no_grad(), capture(net) as trace:
        net(torch.tensor([[1, 2, 3]]))
    trace.save(tmp_path / "run.npz")
    page = start(opened=tmp_path / "run.npz", lens=lens)
    assert view(page).net == "run.npz" and not page.error
    if lens == "checkpoint":
        assert "2 LSTM layers" in said(page)


@pytest.mark.parametrize("lens", ["step", "checkpoint"])
def test_a_bad_file_on_the_command_line_is_one_sentence_and_the_app_goes_on(tmp_path, lens):
    path = tmp_path / "bad.pt"
    for data, sentence in ((None, "There is no file"), (b"junk", "no checkpoint of a known format")):
        if data is not None:
            path.write_bytes(data)
        page = start(opened=path, lens=lens)
        assert sum(sentence in each.value.replace("\\", "") for each in page.warning) == 1
        assert view(page).net == NETWORKS[0]


def test_of_a_large_file_only_the_layer_that_is_looked_at_is_read(net, monkeypatch):
    monkeypatch.setattr(store, "LARGE", 100)
    opened = store.open_upload({"large.pt": saved(Net(layers=3), big=torch.zeros(3, 5))})
    read = []
    checkpoint = opened.checkpoint
    for name, layer in checkpoint.found.items():
        for stored in layer.parts.values():
            object.__setattr__(stored, "read", lambda name=name, own=stored.read: (read.append(name), own())[1])
    page = AppTest.from_function(verdict_script, default_timeout=60, kwargs={"name": opened.name})
    run(page)
    assert set(read) <= {"rnn.l0", "rnn.l1"}  # itself, and what reads it
    assert "only rnn.l0 has been read" in said(page)
    next(each for each in page.button if each.label.startswith("Read all of it")).click()
    run(page)
    assert set(read) == {"rnn.l0", "rnn.l1", "rnn.l2"} and "only rnn.l0" not in said(page)


def verdict_script(name):
    from viz.pages.checkpoint_sources import Looked
    from viz.pages.checkpoint_verdict import judge

    judge(Looked(name), "rnn.l0", None)


def test_the_limit_of_uploads_is_said(tmp_path):
    assert store.limit() >> 20 == 500 and "maxUploadSize = 500" in Path(".streamlit/config.toml").read_text()


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
    next(each for each in page.text_area if each.label.startswith("Its 29 symbols")).set_value("\n".join(graphemes))
    page = run(page)
    page = choose(page, "Does another part write", "typed")
    next(each for each in page.text_area if each.label.startswith("The symbols of the answer")).set_value("a\nb")
    page = run(page)
    assert "No other part of this file goes on from the last state of enc" in said(page)
    listed = (source / "g2p.py").read_text().split("self.phonemes = ")[1].split("self.g2idx")[0]
    phonemes = [symbol for pair in re.findall(r"""'([^']+)'|"([^"]+)\"""", listed) for symbol in pair if symbol]
    area = next(each for each in page.text_area if each.label.startswith("The symbols of the answer"))
    area.set_value("\n".join(phonemes))
    page = run(page)
    opened = store.find(view(page).net)
    assert opened.setup.answers.vocabulary == tuple(phonemes) and opened.runs_as == {
        "enc.l0": "encoder.l0",
        "dec.l0": "decoder.l0",
    }
    wrote = decode(opened.network, "seoul</s>")
    assert list(wrote.target[:-1]) == ["S", "UW1", "L"]  # g2p-en itself says so too
    for lens in ("step", "states", "gradients", "edit", "attention"):
        start(lens=lens, net=opened.name)
