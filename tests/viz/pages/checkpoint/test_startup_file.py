"""A file named on the command line that cannot run: the app opens on it, on the Checkpoint page."""

import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from tests.support.browser import ROOT
from tests.support.checkpoint_page import Net, choose, page_text, run, saved_bytes, start, view_of
from viz.pages import checkpoint_store


def test_a_file_without_recurrent_layers_opens_on_the_checkpoint_page(tmp_path, monkeypatch):
    path = tmp_path / "transformer.pt"
    torch.save(nn.TransformerEncoderLayer(8, 2, 32).state_dict(), path)
    monkeypatch.setattr("sys.argv", ["app.py", str(path)])
    page = run(AppTest.from_file(str(ROOT / "app.py"), default_timeout=120))
    assert view_of(page).net.startswith("transformer.pt~")
    assert "Transformer" in page_text(page) and "no recurrent layer" in page_text(page)
    assert any("no recurrent layers that can be run" in each.value for each in page.warning)


def test_a_file_that_cannot_run_is_named_beside_what_is_shown_instead(monkeypatch):
    monkeypatch.setattr(
        checkpoint_store, "_store", checkpoint_store.CheckpointStore()
    )  # not one that others have filled
    good, other = (
        checkpoint_store.open_upload({name: saved_bytes(module)}).name
        for name, module in (("good.pt", Net()), ("perceptron.pt", nn.Linear(3, 2)))
    )
    page = start(lens="step", net=good, remembered=(good, other))
    [sentence] = [each.value for each in choose(page, "Network", other).warning]
    assert (
        sentence
        == (
            "perceptron.pt: This file contains no recurrent layers that can be run. Its tensors can still be inspected. "
            "This page shows good.pt instead."
        )
        and view_of(page).net == good
    )
    [sentence] = [each.value for each in start(lens="step", net=other, remembered=(other,)).warning]
    assert sentence.startswith("perceptron.pt: ") and sentence.count("instead") == sentence.count("perceptron") == 1
