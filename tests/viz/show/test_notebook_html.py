"""What a notebook shows of objects at the end of a cell."""

import sys

import pytest
import torch
from torch import nn

from models import CaptureWarning, capture, load_checkpoint, load_network


def test_a_network_and_its_trace_show_the_step_lens():
    network = load_network("counter")
    with torch.no_grad(), capture(network.module) as trace:
        network.module(network.encode("aabb"))
    for thing, sentence in ((network, "Counter"), (trace, "Recorded run")):
        shown = thing._repr_html_()
        assert shown.startswith("<iframe srcdoc=") and sentence in shown


def test_a_checkpoint_shows_its_layers_and_what_is_not_certain(tmp_path):
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.rnn = nn.GRU(4, 6, batch_first=True, bidirectional=True)
            self.head = nn.Linear(12, 3)

    weights = Tagger().state_dict()
    weights["<b>.weight_ih_l0"], weights["<b>.weight_hh_l0"] = torch.zeros(20, 3), torch.zeros(20, 5)
    torch.save(weights, tmp_path / "tagger.pt")
    checkpoint = load_checkpoint(tmp_path / "tagger.pt")
    shown = checkpoint._repr_html_()
    assert set(checkpoint.found) == {"rnn.l0", "rnn.l0_reverse", "<b>.l0"}
    assert "<tr><td>rnn.l0</td><td>GRU</td><td>4</td><td>6</td><td></td></tr>" in shown
    assert "<tr><td>&lt;b&gt;.l0</td><td>LSTM</td><td>3</td><td>5</td>" in shown and "<b>" not in shown
    assert "3 other tensors" in shown

    torch.save({"weight": torch.zeros(2)}, tmp_path / "none.pt")
    assert "No recurrent layer was found in this file" in load_checkpoint(tmp_path / "none.pt")._repr_html_()


def test_what_cannot_be_drawn_is_shown_as_its_repr(monkeypatch):
    with pytest.warns(CaptureWarning), capture(nn.RNN(2, 3)) as empty:
        pass
    assert empty._repr_html_() is None
    monkeypatch.setitem(sys.modules, "viz.show.notebook_html", None)  # as where the app's packages are not installed
    assert load_network("counter")._repr_html_() is None
