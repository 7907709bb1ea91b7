"""The carrier: brings the trace of a sequence to the browser, once, and shows nothing."""

from collections.abc import Callable
from typing import Any

from viz.components import define


def sequence(payload: bytes, *, key: str, on_lacking_change: Callable[[], None] | None = None) -> None:
    """Load the bytes of `viz.payloads.binary_payload.pack` (or `pack_near`) into the store of the view that they name.

    The same bytes on a later run are not sent again: Streamlit keeps large messages on the client, and the store keeps a
    trace whose id it already has.

    Args:
        payload: the bytes.
        key: of the component in the page.
        on_lacking_change: called when the reader has come to where an excerpt has no numbers, or soon will have none;
            {"run", "step", "unit"} is then in the component's state as "lacking".
    """
    handlers: dict[str, Any] = {} if on_lacking_change is None else {"on_lacking_change": on_lacking_change}
    define("trace_loader")(key=key, data=payload, height="content", **handlers)
