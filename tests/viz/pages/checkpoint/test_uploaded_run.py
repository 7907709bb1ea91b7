"""A saved run dropped on the Checkpoint page opens like one named on the command line, on every page and by its link."""

import gc
import io
import re

import numpy as np
import pytest
import torch
from torch import nn

from models import capture
from tests.support.checkpoint_page import page_text, run, start, upload, view_of
from tests.support.lens_page import sent_payload
from viz.pages import cache, uploaded_runs
from viz.pages.bounded_store import CheckpointStore
from viz.pages.uploaded_runs import UploadedRun, find_uploaded_run, is_removed, open_uploaded_run


def saved_run(seed=0):
    """Return a trace of an LSTM, and the bytes of its file."""
    torch.manual_seed(seed)
    net, file = nn.LSTM(3, 4, batch_first=True), io.BytesIO()
    with capture(net) as trace:
        net(torch.randn(2, 5, 3))
    trace.save(file)
    return trace, file.getvalue()


@pytest.mark.slow
def test_an_uploaded_run_is_shown_on_every_page_and_by_its_link():
    trace, data = saved_run()
    page = upload(start(panel="-none"), ("run.npz", data))
    net = view_of(page).net
    assert re.fullmatch(r"run\.npz~[0-9a-f]{12}", net) and not page.error and not page.warning
    assert "LSTM" in page_text(page)
    step = start(lens="step", net=net, panel="-none")  # another session
    assert not step.error and not step.warning and view_of(step).net == net
    _, arrays = sent_payload(step)
    (layer,) = trace.layers.values()
    np.testing.assert_array_equal(arrays["hidden"], layer.hidden[0])


@pytest.mark.parametrize(
    "data", [saved_run()[1][:-400], saved_run()[1].replace(b'"layers"', b'"lagers"')], ids=["cut", "changed"]
)
def test_a_damaged_run_is_refused_in_one_sentence(data):
    page = upload(start(panel="-none"), ("run.npz", data))
    assert len(page.error) == 1 and page.error[0].value.endswith(".") and "~" not in view_of(page).net


def test_the_oldest_runs_are_removed_with_their_files(monkeypatch):
    monkeypatch.setattr(uploaded_runs, "_store", CheckpointStore[UploadedRun](2, 1 << 30))
    files = [open_uploaded_run("../a\0\n" + "가" * 300, saved_run(seed)[1]) for seed in range(3)]
    gc.collect()
    assert [is_removed(file) for file in files] == [True, False, False]
    assert [find_uploaded_run(file.name) for file in files] == [None, *files[1:]]
    cache.load_saved_run.clear()
    page = start(lens="step", net=files[0].name, panel="-none")
    assert "is not open in this session. Open the file on the Checkpoint page" in page.warning[0].value
    monkeypatch.setattr(uploaded_runs, "_store", CheckpointStore[UploadedRun](2, 1 << 30))
    gc.collect()
    assert not run(page).exception
