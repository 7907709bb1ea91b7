"""A lens without a browser: started by its name, run, and read."""

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from viz.payloads.binary_payload import unpack


def script(lens, opened):
    """What a page runs: to be handed to `AppTest`, so whatever it needs is imported here."""
    from importlib import import_module

    from viz import layout
    from viz.session import get_session

    with get_session().page_run(opened=opened), layout.page_frame():
        import_module(f"viz.pages.{lens}.{lens}_page").page()


def start(lens: str, opened: Path | None = None, state: dict[str, Any] | None = None, **address: str) -> AppTest:
    """The page at an address, having run once; ``state`` is what its widgets hold before."""
    page = AppTest.from_function(script, default_timeout=120, kwargs={"lens": lens, "opened": opened})
    for key, value in (state or {}).items():
        page.session_state[key] = value
    page.query_params.update(address)
    return run(page)


def run(page: AppTest) -> AppTest:
    """Run it again; whatever it raises fails the test."""
    page.run()
    assert not page.exception, page.exception[0].message
    return page


def at(widgets: Any, place: str) -> Any:
    """The one of ``page.slider`` and the like that stands at a place (see ``viz.pages.synced_widget``)."""
    return next(each for each in widgets if (each.key or "").rpartition(":")[0] == place)


def text_of(page: AppTest) -> str:
    """All that it says."""
    return "\n".join(each.value for kind in ("markdown", "caption", "info", "warning") for each in page.get(kind))


def mounted(page: AppTest) -> dict[str, list[Any]]:
    """What it mounts of each component, by name."""
    found: dict[str, list[Any]] = {}
    for element in page.main:
        if element.type == "bidi_component":
            found.setdefault(element.proto.component_name.removeprefix("unrolled_"), []).append(element.proto)
    return found


def sent(page: AppTest, view_id: str | None = None):
    """Header and arrays that it sends to a store of the browser; of the first one where none is named."""
    payloads = [unpack(proto.bytes) for proto in mounted(page)["trace_loader"]]
    return next(each for each in payloads if view_id in (None, each[0]["view_id"]))
