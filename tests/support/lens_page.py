"""A lens without a browser: start it by its name, run it, and parse what it shows."""

import re
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from viz.glossary import glossary_markdown, notation_markdown
from viz.i18n import LANGUAGES, use_language
from viz.payloads.binary_payload import unpack


def script(lens, opened):
    """Run a lens in its page frame. `AppTest` takes the source of this function, so it imports what it needs itself."""
    from importlib import import_module

    from viz import layout
    from viz.session import get_session

    with get_session().page_run(opened=opened), layout.page_frame(lens):
        import_module(f"viz.pages.{lens}.{lens}_page").page()


def start(lens: str, opened: Path | None = None, state: dict[str, Any] | None = None, **address: str) -> AppTest:
    """Return a lens at an address, after its first run; ``state`` is the session state before it.

    All panels are open unless the address has ``panel``.
    """
    page = AppTest.from_function(script, default_timeout=120, kwargs={"lens": lens, "opened": opened})
    for key, value in (state or {}).items():
        page.session_state[key] = value
    page.query_params.update({"panel": "*"} | address)
    return run(page)


def run(page: AppTest) -> AppTest:
    """Run the page once more; an exception in it fails the test."""
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def widget_at(widgets: Any, name: str) -> Any:
    """Return the one of ``page.slider`` and the like with a name (see ``viz.pages.synced_widget``)."""
    return next(each for each in widgets if (each.key or "").rpartition(":")[0] == name)


def text_of(page: AppTest) -> str:
    """Return the page's text: Markdown, captions and messages."""
    return "\n".join(shown_texts(page, "markdown", "caption", "info", "warning"))


def shown_texts(page: AppTest, *kinds: str) -> list[str]:
    """Return the plain texts of the page's elements of these kinds, without the glossary at its end."""
    glossary = set()
    for lang in LANGUAGES:
        with use_language(lang):
            glossary |= {glossary_markdown(lang), notation_markdown(lang)}
    return [plain_text(each.value) for kind in kinds for each in page.get(kind) if each.value not in glossary]


def plain_text(marked: str) -> str:
    """Return the Markdown text of a caption before `viz.glossary.mark_terms` marked terms in it."""
    if '<dfn class="unrolled-term"' not in marked:
        return marked
    return re.sub(r'<dfn class="unrolled-term"[^>]*>|</dfn>', "", marked).replace("&lt;", "<")


def mounted_components(page: AppTest) -> dict[str, list[Any]]:
    """Return the mounted components by name."""
    found: dict[str, list[Any]] = {}
    for element in page.main:
        if element.type == "bidi_component":
            found.setdefault(element.proto.component_name.removeprefix("unrolled_"), []).append(element.proto)
    return found


def sent_payload(page: AppTest, view_id: str | None = None):
    """Return the header and arrays sent to a store of the browser, the first one unless ``view_id`` names it."""
    payloads = [unpack(proto.bytes) for proto in mounted_components(page)["trace_loader"]]
    return next(each for each in payloads if view_id in (None, each[0]["view_id"]))


def start_on_layer(lens: str, file: Path, layer: str) -> AppTest:
    """Return a lens on one layer of an opened file, which it shows without an error."""
    page = start(lens, opened=file, layer=layer)
    assert not page.error and not page.exception
    view = page.session_state["unrolled"].view
    assert view.net.startswith(file.name) and view.layer == layer
    return page


def show_weight_gradient(page: AppTest, option: str, name: str) -> AppTest:
    """Choose the weights whose gradient the Gradients lens splits by time step: ``option`` on the page, ``name`` in torch."""
    weights = widget_at(page.button_group, "feeding")
    assert option in weights.options
    weights.set_value(name)
    run(page)
    assert not page.error
    return page
