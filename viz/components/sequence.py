"""The carrier: brings the trace of a sequence to the browser, once, and shows nothing."""

from viz.components import define


def sequence(payload: bytes, *, key: str) -> None:
    """Load the bytes of `viz.payload.pack` into the store of the view that they name.

    The same bytes on a later run are not sent again: Streamlit keeps large messages on the client, and the
        store
    keeps a trace whose id it already has.
    """
    define("sequence")(key=key, data=payload, height="content")
