"""The Attention lens without a browser: how tests open it, act on it and parse what it shows."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from tests.support import lens_page
from tests.support.lens_page import run, shown_texts
from viz.payloads.binary_payload import unpack

TEXT = "2026년 11월 3일 화요일"


def start(name: str = "attention", opened: Path | None = None, **address: str) -> AppTest:
    """Return a lens at an address, after its first run."""
    return lens_page.start(name, opened, **address)


def text_of(page: AppTest) -> str:
    """Return the page's text, HTML elements included."""
    html = re.sub("<[^>]*>", " ", " ".join(each.proto.body for each in page.get("html")))
    return "\n".join([html, *shown_texts(page, "markdown", "caption", "info")])


def view_of(page: AppTest):
    """Return the session's current view."""
    return page.session_state["unrolled"].view


def press_button(page: AppTest, key: str) -> AppTest:
    """Click a button and run the page."""
    page.button(key=key).click()
    return run(page)


def mounted_components(page: AppTest) -> dict[str, list]:
    """Return the mounted components by name."""
    found = defaultdict(list)
    for each in page.main:
        if each.type == "bidi_component":
            found[each.proto.component_name.removeprefix("unrolled_")].append(each.proto)
    return found


def sent_payload(page: AppTest) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the payload that the page sends to the browser: its header and its arrays."""
    return unpack(mounted_components(page)["trace_loader"][0].bytes)


def mirrored_outputs(page: AppTest, quantity: str) -> dict[str, str]:
    """Return the outputs in the page's hidden text, by their row."""
    found: dict[str, str] = defaultdict(str)
    body = " ".join(each.proto.body for each in page.get("html"))
    for attributes in re.findall(rf'<span ([^>]*data-quantity="{quantity}"[^>]*)>', body):
        data = dict(re.findall(r'data-(\w+)="([^"]*)"', attributes))
        found[data["group"]] += data["token"]
    return dict(found)
