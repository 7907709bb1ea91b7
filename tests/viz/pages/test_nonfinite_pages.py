"""Runs whose states overflow: every page names the first step that is infinite or NaN and takes none for a small number."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from models import capture
from models.core.layer_metadata import layer_metadata
from models.edits.edit import Edits, WeightChange
from models.edits.edit_syntax import write_edits
from models.edits.weight_edits import Place, parameters_of
from models.gradients.initialized import InitConfig, initialized_layer, random_sequence, spectral_radius
from models.gradients.nonfinite import NonFinite, describe_nonfinite
from models.zoo.catalogue import load_network
from tests.support.attention_app import TEXT
from tests.support.lens_page import start, text_of
from viz.i18n import translate, use_language
from viz.pages.nonfinite_notes import state_note

SMALL = re.compile(
    r"(?<![\d.·⁰¹²³⁴⁵⁶⁷⁸⁹])0 ×|has vanished|have vanished|[Vv]anished \(below|[Nn]othing changed|halves every|\bnan\b"
)
"""How pages describe a small gradient or change, and how Python writes NaN."""

FEW = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class LanguageModel(nn.Module):
    """A relu RNN over seven symbols."""

    def __init__(self, hidden):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.rnn = nn.RNN(4, hidden, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(hidden, 7)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


@st.composite
def overflowing(draw):
    """A relu RNN of spectral radius 3 and a sequence on which its states overflow."""
    torch.manual_seed(draw(st.integers(0, 10_000)))
    net = LanguageModel(draw(st.integers(3, 8)))
    with torch.no_grad():
        net.rnn.weight_hh_l0 *= 3 / spectral_radius(net.rnn.weight_hh_l0.numpy())
    ids = torch.randint(7, (1, draw(st.integers(130, 200))))
    with torch.no_grad():
        assume(not net.rnn(net.embed(ids))[0].isfinite().all())
    return net, ids


def check(page, sentence):
    """It names the first step, and calls nothing small; the Gradients page's sections 3 and 6 are about other networks."""
    said = text_of(page)
    assert sentence in said
    said = re.sub(r"#### 3 ·.*?(?=#### )", "", said, flags=re.DOTALL)
    said = re.sub(r"#### 6 ·.*?Half of the gradient norm", "", said, flags=re.DOTALL)
    assert not SMALL.search(said), SMALL.search(said)


def saved_run(folder: Path, net, ids):
    with capture(net) as trace:
        net(ids)[0, -1].nan_to_num(1.0, 1.0, 1.0).sum().backward()
    trace.save(path := folder / f"overflow-{uuid4().hex}.npz")  # a file is cached by its path
    layer = trace.layers["rnn.l0"]
    with torch.no_grad():
        states = net.rnn(net.embed(ids))[0][0]
    first, unit = (int(index) for index in (~states.isfinite()).nonzero()[0])
    word = "infinite" if states[first, unit].isinf() else "NaN (not a number)"
    sentence = f"The hidden state first becomes {word} at time step {first + 1} (unit {unit})."
    assert state_note(layer) == sentence
    return path, sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", ["step", "states", "gradients"])
@FEW
@given(drawn=overflowing())
def test_a_saved_run_is_told_where_it_overflows(name, tmp_path, drawn):
    path, sentence = saved_run(tmp_path, *drawn)
    check(start(name, opened=path), sentence)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["step", "states", "gradients", "edit", "checkpoint"])
@FEW
@given(drawn=overflowing())
def test_a_checkpoints_run_is_told_where_it_overflows(name, tmp_path, drawn):
    net, ids = drawn
    _path, sentence = saved_run(tmp_path, net, ids)
    about = layer_metadata({"rnn.l0": ("RNN", {"nonlinearity": "relu"})})
    (path := tmp_path / f"overflow-{uuid4().hex}.safetensors").write_bytes(save(net.state_dict(), metadata=about))
    check(start(name, opened=path, text=" ".join(map(str, ids[0].tolist()))), sentence)


@pytest.mark.slow
def test_the_untrained_comparison_does_not_call_an_overflow_a_zero(monkeypatch):
    """Autograd's gradient is 0 there, since NaN > 0 is false; its numbers stay, the sentence is another."""
    chosen = {"steps": 200.0, "radius": 3.0, "bias": 1.0}
    monkeypatch.setattr("viz.pages.gradients.compare_cells.slider_values", lambda scales, key: dict(chosen))
    page = start("gradients", look="activation:relu;cells:knobs", net="recall-lstm")
    said = text_of(page)
    config = InitConfig(radius=3.0, memory_bias=1.0, activation="relu", steps=200)
    with torch.no_grad():  # which unit overflows first depends on how the processor rounds
        infinite = initialized_layer("RNN", config)(random_sequence(config))[0][0].isinf()
    step, unit = infinite.nonzero()[0].tolist()
    assert f"**RNN** · The hidden state first becomes infinite at time step {step + 1} (unit {unit})." in said
    assert not SMALL.search(said.split("**RNN**")[1].split("**LSTM**")[0])
    html = next(each.proto.body for each in page.get("html") if 'data-group="comparison"' in each.proto.body)
    numbers = re.findall(r'data-net="untrained-rnn"[^>]*data-value="([^"]*)"', html)
    assert len(numbers) == 200 and float(numbers[0]) == 0 and float(numbers[-1]) == pytest.approx(1)


def largest_edit(net, name):
    """The edit that scales a matrix by a factor that float32 has, until its largest entry is close to its largest number."""
    values = parameters_of(load_network(net).module).arrays[name]
    return Edits().add(WeightChange(Place(name), "*=", 3e38 / max(1.0, float(values.abs().max()))))


@pytest.mark.slow
def test_an_edit_that_makes_the_prediction_nan_is_a_change():
    edits = largest_edit("python-lm", "head.weight")
    said = text_of(start("edit", net="python-lm", text="import os", edits=write_edits(edits)))
    assert "The prediction first becomes NaN or infinite at time step 1." in said
    assert not SMALL.search(said) and "No prediction changed" not in said


@pytest.mark.slow
def test_attention_whose_scores_overflow_is_refused_in_a_sentence():
    edits = largest_edit("dates-general", "attention.key.weight")
    said = text_of(start("attention", net="dates-general", text=TEXT, edits=write_edits(edits)))
    assert "The scores of dates-general become NaN or infinite at output step 1, so no token can be chosen." in said
    assert "nan%" not in said


def test_the_sentences_are_translated():

    with use_language("ko"):
        told = translate(describe_nonfinite("hidden", NonFinite(86, 0, 3, "inf")))
    assert told == "시점 87에서 은닉 상태가 처음으로 무한대가 돼요(유닛 3)."
