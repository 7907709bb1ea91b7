"""A plain HTML page as the host of components: what a notebook or an offline file does to show them."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from viz.components import Component

HOST = """
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
window.reports = [];
window.mounted = mounts.map(([name, data, packed]) => {
  const element = document.body.appendChild(document.createElement("div"));
  const report = (event, value) => reports.push([name, event, value]);
  return unrolled.components[name].mount(element, packed ? bytes(packed) : data, report);
});
"""


def plain_html(mounts: Sequence[tuple[Component, Any]]) -> str:
    """Return a page that mounts these components with these data (bytes, or what becomes JSON), in order."""
    entries = [
        (component.name, None, base64.b64encode(data).decode())
        if isinstance(data, bytes)
        else (component.name, data, None)
        for component, data in mounts
    ]
    components = dict.fromkeys(component for component, _data in mounts)
    styles = "".join(f"<style>{component.style}</style>" for component in components)
    scripts = "".join(f'<script type="module">{component.script}</script>' for component in components)
    entry = json.dumps(entries).replace("</", "<\\/")
    host = f'<script type="module">const mounts = {entry};{HOST}</script>'
    return f'<!doctype html><meta charset="utf-8">{styles}<body>{scripts}{host}</body>'


@contextmanager
def plain_page(browser: Browser, mounts: Sequence[tuple[Component, Any]], width: int = 1200) -> Iterator[Page]:
    """Open such a page. On leaving, whatever it complained of to the console is an AssertionError."""
    errors: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    try:
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_content(plain_html(mounts))
        page.wait_for_function("() => window.mounted")
        yield page
    finally:
        page.close()
    assert not errors, "Errors in the console: " + "; ".join(errors)
