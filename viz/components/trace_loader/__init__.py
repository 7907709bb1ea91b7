"""The trace loader: sends the trace of a sequence to the browser, once, and draws nothing."""

from collections.abc import Callable

from viz.components import Component
from viz.components.streamlit_host import mount

TRACE_LOADER = Component("trace_loader", ("arrays",), draws=False)


def trace_loader(payload: bytes, *, key: str, on_missing_change: Callable[[], None] | None = None) -> None:
    """Load the bytes of `viz.payloads.binary_payload.pack` (or `pack_near`) into the store of the view that they name.

    The same bytes are not sent again on a later run: Streamlit caches large messages in the browser, and the store keeps a
    trace whose id it already has.

    Args:
        payload: the bytes; they are the component's data as they are.
        key: of the component in the page.
        on_missing_change: called when the reader came to steps or units that an excerpt lacks, or close to them;
            {"run", "step", "unit"} is then in the component's state as "missing".
    """
    mount(TRACE_LOADER, payload, key=key, on={"missing": on_missing_change})
