"""A file named on the command line that cannot run: the app opens on it, on the Checkpoint page."""

import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from tests.support.browser import ROOT
from tests.support.checkpoint_page import page_text, run, view_of


def test_a_file_without_recurrent_layers_opens_on_the_checkpoint_page(tmp_path, monkeypatch):
    path = tmp_path / "transformer.pt"
    torch.save(nn.TransformerEncoderLayer(8, 2, 32).state_dict(), path)
    monkeypatch.setattr("sys.argv", ["app.py", str(path)])
    page = run(AppTest.from_file(str(ROOT / "app.py"), default_timeout=120))
    assert view_of(page).net.startswith("transformer.pt~")
    assert "Transformer" in page_text(page) and "no recurrent layer" in page_text(page)
    assert any("no recurrent layers that can be run" in each.value for each in page.warning)
