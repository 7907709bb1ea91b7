"""Where sequences come from: the bundled networks, checkpoints that were opened, and a saved run.

Networks and readings are shared by all sessions and never written to.
"""

from pathlib import Path

import streamlit as st

from models.capturing.capture import RECURRENT
from models.core.archive import ArchiveError, is_archive
from models.core.trace import Trace, load_trace
from models.decoding.run_network import read
from models.edits.edit import Edits, Entry
from models.edits.edit_syntax import read_edits, write_edits
from models.edits.edited_network import EditedNetwork
from models.networks.forward_run import Reading, reading_of
from models.networks.network import Network
from models.zoo.catalogue import load_network, network_names
from viz.pages import checkpoint_store as checkpoints
from viz.session import get_session

READINGS, EDITED = 64, 24
"""Readings that are kept for all sessions together, and those of edited networks."""


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


@st.cache_resource(show_spinner=False, max_entries=EDITED)  # apart: a dragged slider must not drive out all others
def _edited_reading(name: str, text: str, edits: str) -> Reading:
    return edited(name, edits).read(text)


def reading(name: str, text: str, edits: str = "") -> Reading:
    """What a network does with a text, edited as ``edits`` say.

    Raises:
        ValueError: the text cannot be read, or an edit does not fit.
    """
    changes = active(edits)
    return _edited_reading(name, text, changes) if changes else _plain_reading(name, text)


@st.cache_resource(show_spinner=False, max_entries=EDITED)
def edited(name: str, edits: str) -> EditedNetwork:
    """A network with edits, as a text; the network itself stays as it is. Raises Problem: that is no such text."""
    return EditedNetwork(network(name), read_edits(edits))


def active(edits: str) -> str:
    """The edits of a text that are switched on, as a text; "" for none. Raises Problem: it is no such text."""
    if not edits:
        return ""
    return write_edits(Edits(tuple(entry for entry in read_edits(edits).entries if entry.on)))


def weights_alone(edits: str) -> str:
    """Those of them that change weights, as a text; "" for none. Raises Problem: it is no such text."""
    return write_edits(Edits(tuple(map(Entry, read_edits(edits).weights)))) if edits else ""


def of_any_text(edits: str) -> str:
    """The same edits with all that belong to a sequence switched off, as a text. Raises Problem: it is no such text."""
    return write_edits(read_edits(edits).weights_only()) if edits else ""


def holds(edits: str) -> bool:
    """Whether these edits hold values of the running computation, so that no weights alone explain what is seen."""
    return bool(edits) and bool(read_edits(edits).interventions)


def same_text(edits: str) -> bool:
    """Whether these edits change the weights alone: what is read is then the text, and nothing is held."""
    return not edits or not (read_edits(edits).interventions or read_edits(edits).tokens)


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
