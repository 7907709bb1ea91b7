"""Where sequences come from: the bundled networks, and the file that was opened with the app.

Networks and readings are shared by all sessions and never written to.
"""

from pathlib import Path

import streamlit as st

from models.archive import ArchiveError
from models.network import Network, load_network, network_names
from models.reading import Reading, read, reading_of
from models.trace import Trace, load_trace
from viz.layer_payload import layer_payload

READINGS = 64
"""Readings that are kept for all sessions together."""


@st.cache_resource(show_spinner=False)
def network(name: str) -> Network:
    """A bundled network. Raises ValueError: there is none of that name."""
    return load_network(name)


@st.cache_resource(show_spinner=False, max_entries=READINGS)
def reading(name: str, text: str) -> Reading:
    """What a bundled network does with a text. Raises ValueError: the text cannot be read."""
    return read(network(name), text)


@st.cache_resource(show_spinner=False, max_entries=READINGS, hash_funcs={Reading: lambda reading: reading.serial})
def payload(view_id: str, reading: Reading, layer: str, unit: int | None) -> bytes:
    """A layer of a reading for the browser; `unit` is that whose weights travel, None for all of them."""
    return layer_payload(view_id, reading, layer, unit)


@st.cache_resource(show_spinner=False)
def opened(path: Path) -> Trace:
    """The trace in the file that was named on the command line. Raises ArchiveError: it is none."""
    trace = load_trace(path)
    if not trace.layers:
        raise ArchiveError("This saved run holds no recurrent layer: nothing ran inside the capture block.")
    return trace


@st.cache_resource(show_spinner=False, max_entries=READINGS)
def opened_reading(path: Path, row: int) -> Reading:
    """One sequence of the opened trace's batch."""
    return reading_of(opened(path), row)


def names(file: Path | None) -> tuple[str, ...]:
    """What can be chosen: the opened file first, then the bundled networks."""
    return ((file.name,) if file else ()) + network_names()
