"""Networks and forward runs, cached for all sessions: bundled networks, opened checkpoints, and a saved run.

Cached objects are shared by all sessions and never modified.
"""

from collections.abc import Callable, Iterable
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from models.capturing.capture import RECURRENT_MODULES
from models.checkpoints.saved_run import load_run
from models.core.archive import ArchiveError, is_archive
from models.core.trace import Trace
from models.decoding.run_network import run_network
from models.edits.edit import Edits, Entry
from models.edits.edited_network import EditedNetwork
from models.networks.forward_run import ForwardRun, run_of_trace
from models.networks.network import ModelCard, Network
from models.zoo import FOLDER
from models.zoo.catalogue import load_network, network_names
from viz.i18n import language
from viz.pages import checkpoint_store as checkpoints
from viz.pages.trained_networks import find_trained, snapshot_file
from viz.session import get_session

MAX_RUNS, MAX_EDITED_RUNS = 64, 24
"""Cached runs of networks, and of edited networks, of all sessions together."""

NO_EDITS = Edits()


def edits_key(edits: Edits) -> tuple[Any, ...]:
    """Return the key of edits in Streamlit's caches, whose own hash of a dataclass leaves out its class."""
    return tuple((entry.on, type(entry.edit).__name__, astuple(entry.edit)) for entry in edits.entries)


HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {ForwardRun: lambda run: run.serial, Edits: edits_key}
"""How Streamlit's caches hash the arguments of the pages' cached functions."""


def network(name: str) -> Network:
    """Return a network, bundled or of an opened checkpoint. Raises ValueError: the name is unknown, or it cannot run."""
    opened = checkpoints.find(name)
    if opened is not None:
        return opened.network
    trained = find_trained(name)
    return _bundled(name) if trained is None else trained


@cache
def _bundled_title(name: str) -> dict[str, str]:
    """Return a bundled network's title by language, without its weights."""
    return ModelCard.load(FOLDER / f"{name}.json").title


@st.cache_resource(show_spinner=False)
def _bundled(name: str) -> Network:
    return load_network(name)


def is_network(name: str | None) -> bool:
    """Return whether a network of that name exists that can be run; a saved run cannot."""
    return name is not None and (name in network_names() or is_opened(name))


def is_opened(name: str) -> bool:
    """Return whether a network is an opened checkpoint, or a snapshot of a training run."""
    return checkpoints.find(name) is not None or snapshot_file(name) is not None


def card_if_any(name: str) -> ModelCard | None:
    """Return a network's card; None if there is no network of that name, or it cannot run."""
    try:
        return network(name).card if is_network(name) else None
    except ValueError:
        return None


@st.cache_resource(show_spinner=False, max_entries=MAX_RUNS)
def _unedited_run(name: str, text: str) -> ForwardRun:
    return run_network(network(name), text)


# A cache of its own, so that a dragged slider does not evict all other runs.
@st.cache_resource(show_spinner=False, max_entries=MAX_EDITED_RUNS, hash_funcs=HASH_FUNCS)
def _edited_run(name: str, text: str, edits: Edits) -> ForwardRun:
    return edited_network(name, edits).read(text)


def forward_run(name: str, text: str, edits: Edits = NO_EDITS) -> ForwardRun:
    """Return the run of a network on a text, with the edits that are switched on.

    Raises:
        ValueError: the text cannot be encoded, or an edit does not fit.
    """
    active = active_edits(edits)
    return _edited_run(name, text, active) if active.entries else _unedited_run(name, text)


@st.cache_resource(show_spinner=False, max_entries=MAX_EDITED_RUNS, hash_funcs=HASH_FUNCS)
def edited_network(name: str, edits: Edits) -> EditedNetwork:
    """Return a network with edits; the network itself is not changed."""
    return EditedNetwork(network(name), edits)


def active_edits(edits: Edits) -> Edits:
    """Return only the edits that are switched on."""
    return Edits(tuple(entry for entry in edits.entries if entry.on))


def weight_edits(edits: Edits) -> Edits:
    """Return only the active edits that change weights."""
    return Edits(tuple(map(Entry, edits.weights)))


def changes_weights_only(edits: Edits) -> bool:
    """Return whether the active edits change nothing but weights: the input is the text, and no value is fixed."""
    return not (edits.interventions or edits.tokens)


@st.cache_resource(show_spinner=False)
def is_saved_run(path: Path) -> bool:
    """Return whether the file named on the command line is a saved run."""
    return is_archive(path)


@st.cache_resource(show_spinner=False)
def load_saved_run(path: Path) -> Trace:
    """Load the saved run named on the command line. Raises Problem: the file is not a saved run, or too large."""
    trace = load_run(path)
    if not trace.layers and not trace.attention:
        raise ArchiveError(
            "This saved run contains neither a recurrent layer nor attention. Run the network inside the capture "
            "block and save the run again."
        )
    return trace


@st.cache_resource(show_spinner=False, max_entries=MAX_RUNS)
def saved_forward_run(path: Path, row: int) -> ForwardRun:
    """Return one sequence of a saved run's batch."""
    return run_of_trace(load_saved_run(path), row)


def network_choices(run: Path | None) -> tuple[str, ...]:
    """Return the names to choose from: the saved run, the checkpoints that this reader opened, the bundled networks."""
    files = [name for name in get_session().opened_networks if is_opened(name)]
    return (*((run.name,) if run else ()), *files, *network_names())


@st.cache_resource(show_spinner=False)
def has_recurrent_layers(name: str) -> bool:
    """Return whether a network has a recurrent layer; of those to choose from, only a bundled one may have none."""
    if name not in network_names():
        return True
    return any(isinstance(part, RECURRENT_MODULES) for part in network(name).module.modules())


def display_name(name: str) -> str:
    """Return a network's name in menus: a bundled one's title; of an opened file the file's name, unless several have it."""
    opened = checkpoints.find(name)
    if opened is None:
        if snapshot_file(name) is not None:
            return name.rpartition("~")[0]
        return _bundled_title(name)[language()] if name in network_names() else name
    alike = [
        each
        for each in get_session().opened_networks
        if (other := checkpoints.find(each)) and other.file.name == opened.file.name
    ]
    return name if len(alike) > 1 else opened.file.name


def download_name(name: str) -> str:
    """Return how a network is called in the names of downloads: an opened file's name without suffix, hash and settings."""
    opened = checkpoints.find(name)
    file = opened.file.name if opened else name.rpartition("~")[0] if checkpoints.is_checkpoint_name(name) else None
    return name if file is None else file.rpartition(".")[0] or file


def named(names: Iterable[str]) -> Callable[[str], str]:
    """Return the function from the names of networks to their names in a menu, in the language of this run of the page."""
    return {name: display_name(name) for name in names}.__getitem__
