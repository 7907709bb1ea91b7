"""A view as bytes: its payloads, and what it shows in every language, which the browser unpacks (`document_view.js`).

Layout: uint32 (little endian) length N of the content, N bytes of UTF-8 JSON, then the arrays and payloads one after the
other, each in byte planes: of its numbers of 4 bytes all the first bytes, then all the second, and so on, which compresses
better.
"""

import json
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from models.core.messages import Problem
from viz.address import view_params
from viz.components import Component, bundle, style_bundle
from viz.escape import utf8_bytes
from viz.i18n import LANGUAGES, _, use_language
from viz.show.shown_view import ShownPanel, ShownView, ViewContent

FOLDER = Path(__file__).parent


def packed_view(view: ShownView, *, app: str | None = None) -> bytes:
    """Return the bytes of a view.

    Args:
        view: the view.
        app: the address of a running app, to which the view has a link; None for no link.

    Raises:
        Problem: ``app`` is not the address of a web page.
    """
    contents = {}
    kept = view.kept
    languages = dict(LANGUAGES) if kept is None else {kept.lang: LANGUAGES[kept.lang]}
    arrays = () if kept is None else kept.arrays
    for lang in languages:
        with use_language(lang):
            contents[lang] = _json_content(view.content())
    text = json.dumps(
        {
            "view_id": view.view_id,
            "arrays": [len(array) for array in arrays],
            "payloads": [len(payload) for payload in view.payloads],
            "place": {name: view.place.get(name) for name in ("step", "unit", "quantity")},
            "places": {} if kept is None else dict(kept.places),
            "limits": {"step": view.steps, "unit": view.units},
            "link": _link(view, app),
            "languages": languages,
            "theme": None if kept is None else kept.theme,
            "contents": contents,
        },
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    content = utf8_bytes(text)
    return b"".join([struct.pack("<I", len(content)), content, *map(_byte_planes, (*arrays, *view.payloads))])


def _byte_planes(payload: bytes) -> bytes:
    return np.frombuffer(payload, np.uint8).reshape(-1, 4).T.tobytes()


def _json_content(content: ViewContent) -> dict[str, Any]:
    return {
        "title": content.title,
        "sentences": [content.sentence, *content.notes],
        "controls": None if content.controls is None else _drawing(*content.controls),
        "panels": [_json_panel(panel) for panel in content.panels],
        "words": {
            "language": _("Language"),
            "theme": _("Theme"),
            "themes": {"auto": _("system"), "light": _("light"), "dark": _("dark")},
            "link": _("Open this view in the app"),
            "embed": _("Embed this page"),
            "embed_hint": _(
                "Copy this line into the HTML of a slide or a learning platform, and put this file beside it:"
            ),
            "copy": _("Copy"),
            "copied": _("Copied"),
        },
    }


def _json_panel(panel: ShownPanel) -> dict[str, Any]:
    return {
        "name": panel.name,
        "title": panel.text.title,
        "sentences": [panel.text.look_for, *panel.notes],
        "column": panel.column,
        **_drawing(panel.component, panel.data),
    }


def _drawing(component: Component, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"component": component.name, "data": data}


def _link(view: ShownView, app: str | None) -> dict[str, Any] | None:
    """Return the address of the page in the app, its parameters, and those that follow the reader."""
    if app is None or view.address is None:
        return None
    try:
        parts = urlsplit(app)
    except ValueError:  # as of "http://["
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Problem("“{app}” is not the address of an app. It begins with http:// or https://.", app=app)
    page = "" if view.lens == "step" else view.lens
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/{page}"
    return {"page": base, "params": view_params(view.address), "follows": list(view.link_fields)}


def view_components(view: ShownView) -> tuple[Component, ...]:
    """Return the components of a view, each once."""
    content = view.content()
    controls = () if content.controls is None else (content.controls[0],)
    inside = () if view.kept is None else view.kept.components
    return tuple(dict.fromkeys((*controls, *(panel.component for panel in content.panels), *inside)))


@cache
def view_script(components: tuple[Component, ...]) -> str:
    """Return the scripts of these components and of the document around them, as one ES module."""
    return "\n".join((bundle(components), _read("document_view.js")))


@cache
def view_style(components: tuple[Component, ...]) -> str:
    """Return the style sheets of the same."""
    return "\n".join((style_bundle(components), _read("document_view.css")))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
