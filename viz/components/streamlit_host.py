"""Streamlit as the host of the components: the only file of this folder that imports it.

It is imported when a component is mounted, so that the data of a component can be made without Streamlit.
"""

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from viz.components import FOLDER, Component, bundle
from viz.components.reports import Check, read_report

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@cache
def component_script() -> str:
    """Return the script of all components and of this host, which the server sends as the file ``script_file``."""
    return "\n".join((bundle(), (FOLDER / "streamlit_host.js").read_text(encoding="utf-8")))


@cache
def script_file() -> str:
    """Return the name of the file of ``component_script``; it contains a hash, as those of Streamlit's scripts."""
    return f"components.{blake2b(component_script().encode(), digest_size=8).hexdigest()}.js"


def mount(
    component: Component,
    data: Mapping[str, Any] | bytes,
    *,
    key: str,
    on: Mapping[str, Callable[[], None] | None] | None = None,
    width: Literal["stretch", "content"] = "stretch",
) -> Any:
    """Mount a component in the page.

    Args:
        component: the component.
        data: its data.
        key: of the component in the page and in the session state.
        on: by event, the function to call when the component reports it; None for none.
        width: of its element.

    Returns:
        An object with the value last reported for each event in ``on``.
    """
    callbacks: dict[str, Any] = {
        f"on_{event}_change": callback for event, callback in (on or {}).items() if callback is not None
    }
    return _registered(component)(key=key, data=data, width=width, **callbacks)


def reported(key: str, event: str, form: Mapping[str, Check]) -> dict[str, Any] | None:
    """Return what the component of this key reported last for an event; None before that, or if it has not this form."""
    import streamlit as st

    state = st.session_state.get(key)
    return read_report(state.get(event), form) if isinstance(state, Mapping) else None


@cache
def _registered(component: Component) -> "ComponentRenderer":
    """Register the component; return the function that mounts it.

    Its script loads the file that has those of all components. Styles are not isolated: what a component writes into the
    document must be readable from outside it.
    """
    import streamlit as st

    return st.components.v2.component(
        f"unrolled_{component.name}",
        css=component.style or None,
        js=(
            f'await import(new URL("./static/js/{script_file()}", document.baseURI).href);\n'
            f'export default unrolled.streamlitHost("{component.name}");'
        ),
        isolate_styles=False,
    )
