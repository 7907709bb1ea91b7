"""Networks of training runs at one of their snapshots, which every page shows like a bundled one.

A name on pages and in links, ``recall-lstm-0f3a@120~3f2a9c01b7de``, is the run, the training step and a hash of the snapshot,
so that a link never shows other weights than those it was made with. The parameters ``run`` and ``training_step`` of a link
name a snapshot too: without ``net`` the nearest one is shown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import streamlit as st

from models.core.messages import Problem
from models.networks.network import Network
from models.runs.open_run import open_run
from models.runs.run_folder import SNAPSHOTS, is_plain_file
from models.runs.snapshots import list_snapshots
from models.training.trained_network import is_training_folder, network_of
from viz.i18n import _
from viz.pages import checkpoint_store as checkpoints
from viz.pages.run_folders import find_run
from viz.session import Session, get_session

NAME = re.compile(r"(.+)@([0-9]{1,15})~([0-9a-f]{12})", re.DOTALL)

MAX_NETWORKS = 24
"""Networks of snapshots that are kept in memory."""


def snapshot_file(name: str) -> Path | None:
    """Return the snapshot of a network's name; None if it is none, or no longer has the weights that it had."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    try:
        folder = find_run(get_session(), found[1])
    except Problem:
        return None
    path = folder / SNAPSHOTS / f"{int(found[2])}.safetensors"
    if not is_training_folder(folder) or not is_plain_file(path):
        return None
    return path if _digest_of(path) == found[3] else None


def find_trained(name: str) -> Network | None:
    """Return the network of that name, or None. Raises Problem: its files are damaged."""
    path = snapshot_file(name)
    return None if path is None else _load(name, path)


@st.cache_resource(show_spinner=False, max_entries=MAX_NETWORKS)
def _load(name: str, path: Path) -> Network:
    network = network_of(path.parent.parent, int(path.stem))
    return replace(network, name=name, card=replace(network.card, name=name))


def network_name(run: str, folder: Path, step: int) -> str:
    """Return the name of the network of a run at a training step of which there is a snapshot."""
    return f"{run}@{step}~{_digest_of(folder / SNAPSHOTS / f'{step}.safetensors')}"


def _digest_of(path: Path) -> str:
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _digest(path: Path, _changed: int, _size: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


def nearest_snapshot(folder: Path, step: int | None) -> int | None:
    """Return the training step of the snapshot nearest to ``step``, of the last one for None; None if there are none."""
    steps = list(list_snapshots(folder))
    if not steps:
        return None
    return max(steps) if step is None else min(steps, key=lambda each: (abs(each - step), each))


def open_snapshot(run: str, folder: Path, step: int) -> str:
    """Return the name of the network of a snapshot; one of a module of one's own is opened as a checkpoint.

    Raises:
        Problem: it cannot be opened.
    """
    if is_training_folder(folder):
        name = network_name(run, folder, step)
        assert find_trained(name) is not None
        return name
    return checkpoints.open_path(open_run(folder).snapshots[step]).name


def snapshot_of_link(session: Session) -> str | None:
    """Return the network of the view's training run, if the view names a run and no network that is open; else None.

    Raises:
        Problem: the run or its snapshot cannot be opened.
    """
    view = session.view
    if view.run is None or (view.net is not None and not _is_of_run(view.net)):
        return None
    if view.net is not None and (checkpoints.find(view.net) or snapshot_file(view.net)):
        return None
    folder = find_run(session, view.run)
    step = nearest_snapshot(folder, view.training_step)
    if step is None:
        raise Problem("This run has no snapshots of its weights yet. Wait for the first one.")
    name = open_snapshot(view.run, folder, step)
    if view.net not in (None, name):
        session.add_notice(
            _(
                "The weights of the link are no longer stored. Those of training step {step:,} are shown, so the numbers may "
                "differ."
            ).format(step=step)
        )
    session.fill_defaults(training_step=step)
    return name


def _is_of_run(net: str) -> bool:
    """Return whether a network's name is that of a snapshot."""
    return NAME.fullmatch(net) is not None or checkpoints.is_checkpoint_name(net)
