"""Saved runs with hostile names: every lens shows them as text, and what is too long is shortened."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from models import capture
from models.core.archive import HEADER
from tests.support.hostile_text import HOSTILE
from tests.support.lens_page import start

NAME = "`![i](http://elsewhere.example/i)<img src=x onerror=alert(1)>$x$:red[r]__x ../.."
LONG = "l" * 300 + "\n# h"


def hostile_run(path, name):
    """Save a run whose layer has a name, and whose tokens are hostile texts, one of them of a million characters."""
    torch.manual_seed(0)
    net = nn.LSTM(3, 4, batch_first=True)
    with capture(net) as trace:
        net(torch.randn(1, len(HOSTILE) + 1, 3))[0].sum().backward()
    trace.with_tokens([*HOSTILE, "t" * 10**6]).save(path)
    arrays = dict(np.load(path))
    header = json.loads(arrays.pop(HEADER).tobytes())
    header["layers"][0]["name"] = name
    arrays = {key.replace("l0/", f"{name}/", 1): values for key, values in arrays.items()}
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "lens"), [(NAME, "step"), (NAME, "gradients"), (LONG, "states"), (LONG, "edit")])
def test_hostile_names_of_a_run_are_text(tmp_path, name, lens):
    path = tmp_path / "run.npz"
    hostile_run(path, name)
    page = start(lens, opened=path)
    assert page.session_state["unrolled"].view.layer == name
    page.run()  # at the address that the first run wrote
    assert not page.exception and page.session_state["unrolled"].view.layer == name
    kinds = ("markdown", "caption", "warning", "info", "error", "html")
    shown = [element.proto.body if kind == "html" else element.value for kind in kinds for element in page.get(kind)]
    live = [text[:300] for text in shown if name in text and kind_of(text) != "mirror"]
    assert not live
    assert max(map(len, shown)) < 200_000


def kind_of(html):
    """Return "mirror" for the hidden list of numbers, whose attributes are escaped as HTML."""
    return "mirror" if "data-group" in html and "<img src=x" not in html and "\n# h" not in html else ""
