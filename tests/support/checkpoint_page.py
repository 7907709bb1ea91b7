"""What tests do on the Checkpoint lens without a browser, and parse from it."""

import io
import os
import re

import torch
from streamlit.testing.v1 import AppTest
from torch import nn

from models import load_network
from models.zoo.catalogue import network_names
from tests.support.lens_page import shown_texts

NETWORKS = tuple(name for name in network_names() if load_network(name).card.predicts in ("next", "class"))
"""The bundled networks that predict at every step, or a class of the whole sequence."""

WORDS = tuple("abcdefg")


class Net(nn.Module):
    """A language model of seven symbols."""

    def __init__(self, kind=nn.LSTM, layers=2):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), 4)
        self.rnn = kind(4, 8, num_layers=layers, batch_first=True)
        self.head = nn.Linear(8, len(WORDS))

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


def saved_bytes(module, **further):
    """Return the bytes of a torch file with the module's weights and further entries."""
    file = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), **further}, file)
    return file.getvalue()


def script(opened=None, lens="checkpoint", remembered=()):
    from importlib import import_module

    from viz import layout
    from viz.session import get_session

    for name in remembered:
        get_session().remember_network(name)
    with get_session().page_run(opened=opened), layout.page_frame():
        import_module(f"viz.pages.{lens}.{lens}_page").page()


def start(opened=None, lens="checkpoint", remembered=(), **address):
    """Return a lens at an address, after its first run; ``remembered`` are networks that the session has opened.

    All panels are open unless the address has ``panel``.
    """
    page = AppTest.from_function(
        script, default_timeout=120, kwargs={"opened": opened, "lens": lens, "remembered": remembered}
    )
    page.query_params.update({"panel": "*"} | address)
    return run(page)


def run(page):
    """Run the page once more; an exception in it fails the test."""
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def upload(page, *files):
    """Upload files, (name, bytes) each, and run the page."""
    box = next(each for each in page.file_uploader if each.proto.multiple_files)
    box.set_value([(name, data, "application/octet-stream") for name, data in files])
    return run(page)


def page_text(page):
    """Return the page's text, messages included, without the backslashes of Markdown."""
    kinds = ("markdown", "caption", "warning", "error", "success", "info")
    return "\n".join(shown_texts(page, *kinds)).replace("\\", "")


def view_of(page):
    """Return the session's current view."""
    return page.session_state["unrolled"].view


def mirrored(page, group, **wanted):
    """Return the numbers of one hidden list of the page."""
    html = next(each.proto.body for each in page.get("html") if f'data-group="{group}"' in each.proto.body)
    rows = [dict(re.findall(r'data-(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<span ([^>]*)>", html)]
    return [float(row["value"]) for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def choose(page, label, option):
    """Choose an option of the menu whose label starts like this, and run the page."""
    next(each for each in page.selectbox if each.label.startswith(label)).select(option)
    return run(page)


class Hostile:
    """An object whose pickle would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def unhealthy(net):
    """Give a network closed forget gates, a dead unit and a duplicate unit; return it."""
    with torch.no_grad():
        for level in (0, 1):
            getattr(net.rnn, f"bias_ih_l{level}")[8:16] = -3
            getattr(net.rnn, f"bias_hh_l{level}")[8:16] = 0
        for gate in range(4):
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(net.rnn, f"{part}_l0")[gate * 8 + 3] = 0
                getattr(net.rnn, f"{part}_l1")[gate * 8 + 6] = getattr(net.rnn, f"{part}_l1")[gate * 8 + 5]
    return net
