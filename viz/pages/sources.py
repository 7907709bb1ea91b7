"""Where sequences come from: the bundled networks, and the file that was opened with the app.

Networks and readings are shared by all sessions and never written to.
"""

from pathlib import Path

import streamlit as st

from models.archive import ArchiveError
from models.edit_text import read_edits, write_edits
from models.edited_network import EditedNetwork
from models.edits import Edits
from models.network import Network, load_network, network_names
from models.reading import Reading, read, reading_of
from models.trace import Trace, load_trace
from viz.layer_payload import layer_payload

READINGS, EDITED = 64, 24
"""Readings that are kept for all sessions together, and those of edited networks."""


@st.cache_resource(show_spinner=False)
def network(name: str) -> Network:
    """A bundled network. Raises ValueError: there is none of that name."""
    return load_network(name)


@st.cache_resource(show_spinner=False, max_entries=READINGS)
def _plain_reading(name: str, text: str) -> Reading:
    return read(network(name), text)


@st.cache_resource(show_spinner=False, max_entries=EDITED)  # apart: a dragged slider must not drive out all others
def _edited_reading(name: str, text: str, edits: str) -> Reading:
    return edited(name, edits).read(text)


def reading(name: str, text: str, edits: str = "") -> Reading:
    """What a bundled network does with a text, edited as ``edits`` say.

    Raises:
        ValueError: the text cannot be read, or an edit does not fit.
    """
    changes = active(edits)
    return _edited_reading(name, text, changes) if changes else _plain_reading(name, text)


@st.cache_resource(show_spinner=False, max_entries=EDITED)
def edited(name: str, edits: str) -> EditedNetwork:
    """A bundled network with edits, as a text; the network itself stays as it is. Raises Problem: that is no such text."""
    return EditedNetwork(network(name), read_edits(edits))


def active(edits: str) -> str:
    """The edits of a text that are switched on, as a text; "" for none. Raises Problem: it is no such text."""
    if not edits:
        return ""
    return write_edits(Edits(tuple(entry for entry in read_edits(edits).entries if entry.on)))


def holds(edits: str) -> bool:
    """Whether these edits hold values of the running computation, so that no weights alone explain what is seen."""
    return bool(edits) and bool(read_edits(edits).dynamics)


def same_text(edits: str) -> bool:
    """Whether these edits change the weights alone: what is read is then the text, and nothing is held."""
    return not edits or not (read_edits(edits).dynamics or read_edits(edits).tokens)


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
