"""One HTML file of a view: scripts, styles and numbers inside, so that it needs no server and requests no address.

Its Content-Security-Policy forbids every request, and every script but those with the hashes that it names. The numbers and
all texts of the network (tokens, names) are compressed and in base64, so that no text can end the element that it is in.
"""

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from viz.components.updated_figure import UPDATED_FIGURE, plotly_script
from viz.escape import escape_html
from viz.i18n import _, language
from viz.show.packed_view import packed_view, view_components, view_script, view_style
from viz.show.shown_view import ShownView

TEMPLATE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Unrolled">
<meta name="description" content="{sentence}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript><h1>{title}</h1><p>{sentence}</p><p>{blocked}</p></noscript>
<div id="unrolled-view" data-lang="{chosen}" data-view="{place}" data-channel="{channel}"></div>
<script type="application/gzip" id="unrolled-numbers">{numbers}</script>
{plotly}<script type="module">{script}</script>
</body>
</html>
"""

PLOTLY = '<script type="application/gzip" id="unrolled-plotly">{script}</script>\n'
"""Plotly's script, in a file with figures of plotly: unpacked when the first of them is drawn."""

POLICY = (
    "default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'"
)


def offline_html(
    view: ShownView,
    *,
    app: str | None = None,
    lang: str | None = None,
    place: Mapping[str, Any] | None = None,
    channel: str = "",
) -> str:
    """Return the file.

    Args:
        view: the view.
        app: the address of a running app, to which the file has a link; None for no link.
        lang: the language shown first, a key of `LANGUAGES`; None for the browser's. The file contains all languages.
        place: the step, unit and quantity that are shown first; None for those of the view.
        channel: name of the connection with a notebook; "" for none.

    Raises:
        Problem: ``app`` is not the address of a web page.
    """
    components = view_components(view)
    host = (Path(__file__).parent / "offline_file.js").read_text(encoding="utf-8")
    script = f"\n{view_script(components)}\n{host}\n"
    figures = UPDATED_FIGURE in components
    hashes = (_script_hash(script.encode()), *((_plotly_hash(),) if figures else ()))
    content = view.content()
    return TEMPLATE.format(
        lang=lang or language(),
        chosen=lang or "",
        place=escape_html(json.dumps(place or {})),
        channel=escape_html(channel),
        policy=POLICY.format(hashes=" ".join(hashes)),
        title=escape_html(content.title),
        sentence=escape_html(content.sentence),
        blocked=escape_html(_("This page needs JavaScript, which is switched off in this browser.")),
        style=view_style(components),
        numbers=b64encode(gzip.compress(packed_view(view, app=app), 9, mtime=0)).decode(),
        plotly=PLOTLY.format(script=_packed_plotly()) if figures else "",
        script=script,
    )


def _script_hash(script: bytes) -> str:
    return f"'sha256-{b64encode(sha256(script).digest()).decode()}'"


@cache
def _plotly_hash() -> str:
    return _script_hash(plotly_script())


@cache
def _packed_plotly() -> str:
    return b64encode(gzip.compress(plotly_script(), 9, mtime=0)).decode()
