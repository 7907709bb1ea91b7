"""Where sequences come from: the bundled networks, checkpoints that were opened, and a saved run.

Networks and readings are shared by all sessions and never written to.
"""

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import streamlit as st

from models.capturing.capture import RECURRENT
from models.core.archive import ArchiveError, is_archive
from models.core.trace import Trace, load_trace
from models.decoding.run_network import read
from models.edits.edit import Edits, Entry
from models.edits.edited_network import EditedNetwork
from models.networks.forward_run import Reading, reading_of
from models.networks.network import Network
from models.zoo.catalogue import load_network, network_names
from viz.pages import checkpoint_store as checkpoints
from viz.session import get_session

READINGS, EDITED = 64, 24
"""Readings that are kept for all sessions together, and those of edited networks."""

NO_EDITS = Edits()


def edits_key(edits: Edits) -> tuple[Any, ...]:
    """Return what tells edits apart in a cache. (Streamlit's own hash of a dataclass leaves out its class.)"""
    return tuple((entry.on, type(entry.edit).__name__, astuple(entry.edit)) for entry in edits.entries)


HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {Reading: lambda reading: reading.serial, Edits: edits_key}
"""How Streamlit's caches tell the arguments of the pages' cached functions apart."""


def network(name: str) -> Network:
    """A network, bundled or from an opened checkpoint. Raises ValueError: there is none of that name, or it cannot run."""
    opened = checkpoints.find(name)
    return _bundled(name) if opened is None else opened.network


@st.cache_resource(show_spinner=False)
def _bundled(name: str) -> Network:
    return load_network(name)


def is_network(name: str | None) -> bool:
    """Whether there is a network of that name, with a module to run; a saved run has none."""
    return name is not None and (name in network_names() or checkpoints.find(name) is not None)


@st.cache_resource(show_spinner=False, max_entries=READINGS)
def _plain_reading(name: str, text: str) -> Reading:
    return read(network(name), text)


# A cache of its own, so that a dragged slider does not evict all other readings.
@st.cache_resource(show_spinner=False, max_entries=EDITED, hash_funcs=HASH_FUNCS)
def _edited_reading(name: str, text: str, edits: Edits) -> Reading:
    return edited(name, edits).read(text)


def reading(name: str, text: str, edits: Edits = NO_EDITS) -> Reading:
    """Return the run of a network on a text, with the edits that are switched on.

    Raises:
        ValueError: the text cannot be encoded, or an edit does not fit.
    """
    active = active_edits(edits)
    return _edited_reading(name, text, active) if active.entries else _plain_reading(name, text)


@st.cache_resource(show_spinner=False, max_entries=EDITED, hash_funcs=HASH_FUNCS)
def edited(name: str, edits: Edits) -> EditedNetwork:
    """Return a network with edits; the network itself is not changed."""
    return EditedNetwork(network(name), edits)


def active_edits(edits: Edits) -> Edits:
    """Return only the edits that are switched on."""
    return Edits(tuple(entry for entry in edits.entries if entry.on))


def weight_edits(edits: Edits) -> Edits:
    """Return only the active edits that change weights."""
    return Edits(tuple(map(Entry, edits.weights)))


def changes_weights_only(edits: Edits) -> bool:
    """Whether the active edits change nothing but weights: the input is the text, and no value is fixed."""
    return not (edits.interventions or edits.tokens)


@st.cache_resource(show_spinner=False)
def is_run(path: Path) -> bool:
    """Whether the file that was named on the command line is a saved run."""
    return is_archive(path)


@st.cache_resource(show_spinner=False)
def opened(path: Path) -> Trace:
    """The saved run that was named on the command line. Raises ArchiveError: it is none."""
    trace = load_trace(path)
    if not trace.layers and not trace.attention:
        raise ArchiveError(
            (
                "This saved run contains neither a recurrent layer nor attention. Run the network inside the capture "
                "block and save the run again."
            )
        )
    return trace


@st.cache_resource(show_spinner=False, max_entries=READINGS)
def opened_reading(path: Path, row: int) -> Reading:
    """One sequence of the opened trace's batch."""
    return reading_of(opened(path), row)


def names(run: Path | None) -> tuple[str, ...]:
    """What can be chosen: the saved run, the checkpoints that this reader opened, the bundled networks."""
    files = [name for name in get_session().opened_networks if checkpoints.find(name) is not None]
    return (*((run.name,) if run else ()), *files, *network_names())


@st.cache_resource(show_spinner=False)
def has_layers(name: str) -> bool:
    """Whether a network has a recurrent layer; of those that can be chosen, only a bundled one may have none."""
    return name not in network_names() or any(isinstance(part, RECURRENT) for part in network(name).module.modules())


def title(name: str) -> str:
    """A network's name as it is listed: an opened file's own, where that tells it from the others."""
    opened = checkpoints.find(name)
    if opened is None:
        return name
    alike = [
        each
        for each in get_session().opened_networks
        if (other := checkpoints.find(each)) and other.file.name == opened.file.name
    ]
    return name if len(alike) > 1 else opened.file.name
