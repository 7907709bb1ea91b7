"""Names that would be markup, wherever a text from outside is shown: they make no element, no request and no script."""

import io
from urllib.parse import quote

import pytest
import torch
from playwright.sync_api import expect

from models.edits import edit as kinds
from models.edits.edit import Edits, Entry
from models.edits.edit_syntax import write_edits
from tests.support.browser import settle, until
from tests.support.checkpoint_page import WORDS, Net
from tests.support.hostile_text import ELSEWHERE

MARK = "Zq7"
NAME = (
    f"{MARK}`![i](http://{ELSEWHERE}/i)<img/src=http://{ELSEWHERE}/s/onerror=alert(1)>[l](http://{ELSEWHERE}/l)"
    f"$x$*e*:red[r]http://{ELSEWHERE}/a:heart:<b>my__x"
)
FILE = f"{MARK}`[l](http:x)$x$<b>my__x.pt"
LENSES = ("checkpoint", "", "states", "gradients", "edit", "attention")

NET = "new URLSearchParams(location.search).get('net')"

# What a hostile name would have made: links and images to elsewhere, and elements that contain the mark as markup.
FOUND = """(mark) => {
  const texts = [...document.querySelectorAll("a, img, script, iframe, object, embed, link, image, use")];
  const elsewhere = texts.filter((each) =>
    [each.href, each.src, each.data].some((at) =>
      at && new URL(at.baseVal ?? at, location).host.includes("elsewhere.example")));
  const marked = [...document.querySelectorAll("em, b, .katex annotation")].filter(({ textContent: text }) =>
    text === "e" || text === "x" || (text.includes("my__x") && !text.includes("<b>my__x") && !text.includes(mark)));
  const handlers = [...document.querySelectorAll("[onerror], [onload], [onclick]")];
  return [...elsewhere, ...marked, ...handlers].map((each) => each.outerHTML.slice(0, 200));
}"""


def hostile_file() -> bytes:
    """Return a checkpoint whose layer, other tensor, symbols and metadata are called by `NAME`."""
    torch.manual_seed(0)
    state = {f"{NAME}.{name}" if name.startswith("rnn") else name: each for name, each in Net().state_dict().items()}
    state[f"other{NAME}"] = torch.zeros(3)
    file = io.BytesIO()
    symbols = [f"{NAME}{index}" for index in range(len(WORDS))]
    torch.save({"state_dict": state, "vocab": symbols, "note": NAME, NAME: 1}, file)
    return file.getvalue()


@pytest.mark.slow
def test_hostile_names_make_no_element_no_request_and_no_script_on_any_lens(open_page, app):
    page = open_page("/checkpoint")
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.locator('input[type="file"]').first.set_input_files(
        {"name": FILE, "mimeType": "application/octet-stream", "buffer": hostile_file()}
    )
    expect(page.get_by_role("combobox", name="Layer shown below")).to_be_visible()
    until(page, lambda: MARK in page.evaluate(NET))
    text = " ".join(f"{NAME}{index}" for index in (0, 1, 2))
    edits = write_edits(Edits((Entry(kinds.TokenEdit("insert", 1, f"{NAME}3")),)))
    net = page.evaluate(NET)
    for lens in LENSES:
        page.goto(f"{app}/{lens}?net={quote(net)}&text={quote(text)}&panel=*&edits={quote(edits)}&attend={quote(NAME)}")
        settle(page)
        until(page, lambda: MARK in page.content())
        assert page.evaluate(FOUND, MARK) == [], lens
    assert not dialogs
    strangers = [url for url in asked if not url.startswith((app, "data:", "blob:"))]
    assert not strangers, strangers[:3]
