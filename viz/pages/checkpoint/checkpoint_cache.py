"""The selection of the Checkpoint page and its cached computations, shared by all sessions and read-only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from models.checkpoints import Checkpoint, load_checkpoint
from models.checkpoints.health import (
    Anomalies,
    Distribution,
    Finding,
    UnitHealth,
    WeightSpectrum,
    check_other_tensors,
    check_units,
    distributions,
    find_anomalies,
    recurrent_blocks,
    verdict,
    weight_spectrum,
)
from models.checkpoints.health.compare_checkpoints import BlockChange, CheckpointComparison, compare_checkpoints
from models.checkpoints.health.findings import SEVERITY_ORDER
from models.checkpoints.health.verdict import consumer_weights
from models.checkpoints.parsing.contents import Contents, FoundLayer, StoredTensor
from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace, Trace
from models.edits.edit import Edits
from models.edits.edit_syntax import write_edits
from models.gradients.module_backward import layer_stack
from models.gradients.nonfinite import first_nonfinite_state
from models.networks.forward_run import ForwardRun
from models.networks.precision import StatesByFormat, stack_states_by_format, states_by_format
from models.zoo import FOLDER
from models.zoo.catalogue import network_names
from viz.escape import widget_key
from viz.pages import cache, checkpoint_store
from viz.pages.trained_networks import snapshot_file
from viz.quantity_names import quantity_names
from viz.session import Session

MAX_CACHED = 16


@dataclass(frozen=True)
class CheckpointSelection:
    """Selected checkpoint; equal selections have equal weights.

    Attributes:
        net: name of the network.
        edits: the active edits.
        run: path of the saved run, or None if it is a network.
    """

    net: str
    edits: Edits = cache.NO_EDITS
    run: Path | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """Layers and tensors of the selection. Raises Problem if it cannot be opened."""
        opened = checkpoint_store.find(self.net)
        return opened.checkpoint if opened is not None and not self.edits.entries else _checkpoint(self)

    @property
    def opened(self) -> checkpoint_store.OpenedCheckpoint | None:
        """Opened file of that name, or None."""
        return checkpoint_store.find(self.net)

    @property
    def title(self) -> str:
        """File name."""
        opened = self.opened
        return opened.file.name if opened else f"{self.net}.safetensors" if self.net in network_names() else self.net

    @property
    def key(self) -> str:
        """Text that identifies the selection in the keys of widgets."""
        return widget_key(self.net, write_edits(self.edits))

    @property
    def is_deferred(self) -> bool:
        """Return whether it is a large file that has not been requested as a whole yet."""
        opened = self.opened
        return opened is not None and opened.large and not st.session_state.get(f"all_of_{opened.file.digest}")

    def request_all(self) -> None:
        """Request the whole file."""
        if self.opened is not None:
            st.session_state[f"all_of_{self.opened.file.digest}"] = True

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        opened = self.opened
        if opened:
            return opened.file.size
        return (self.run or _weights_file(self.net)).stat().st_size


@dataclass(frozen=True, eq=False)
class CheckpointRun:
    """Run of a checkpoint's layers on the input of the view.

    Attributes:
        forward_run: the run.
        names: name of a layer in the file -> its name in the run.
        made_up: whether the input is an example of random tokens or values, made for a file without a known input.
    """

    forward_run: ForwardRun
    names: Mapping[str, str]
    made_up: bool = False

    def layer(self, name: str) -> LayerTrace | None:
        """Return the trace of a layer of the file, or None if it did not run."""
        return self.forward_run.trace.layers.get(self.names.get(name, ""))


HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {
    CheckpointSelection: lambda selection: (selection.net, cache.edits_key(selection.edits), selection.run),
    CheckpointRun: lambda run: run.forward_run.serial,
}
"""Keys by which Streamlit's caches compare the arguments of the cached functions."""


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def _checkpoint(selection: CheckpointSelection) -> Checkpoint:
    if selection.run is not None:
        return saved_run_checkpoint(cache.load_saved_run(selection.run))
    if selection.edits.entries:
        return load_checkpoint(cache.edited_network(selection.net, selection.edits).save())
    return load_checkpoint(_weights_file(selection.net))


def _weights_file(net: str) -> Path:
    """Return the file of a bundled network, or the snapshot of a training run."""
    return snapshot_file(net) or FOLDER / f"{net}.safetensors"


def saved_run_checkpoint(trace: Trace) -> Checkpoint:
    """Return the weights of a saved run as a checkpoint, without those of cells of the user's own."""
    found = {}
    for name, layer in trace.layers.items():
        if name in own_cells(trace):  # the file has formulas, not the module's weights
            continue
        weights = layer.weights
        parts = {part: _stored(values) for part, values in weights.arrays().items()}
        found[name] = FoundLayer(weights.kind, parts, tuple(f"{name}/{part}" for part in parts), weights.options)
    return Checkpoint.from_contents(Contents("Unrolled", {}), found)


def own_cells(trace: Trace) -> list[str]:
    """Return the names of a saved run's layers that are cells of the user's own."""
    return [name for name, layer in trace.layers.items() if isinstance(layer, SavedCell)]


def _stored(values: np.ndarray) -> StoredTensor:
    return StoredTensor(values.shape, str(values.dtype), lambda: values)


def run_selection(session: Session, selection: CheckpointSelection) -> CheckpointRun | None:
    """Return the run; None if the network cannot be run, or if the whole of a large file has not been requested."""
    if selection.is_deferred:
        return None
    try:
        if selection.run is not None:
            forward_run = cache.saved_forward_run(selection.run, 0)
        else:
            if session.view.text is None:
                session.fill_defaults(text=cache.network(selection.net).card.default.text)
            forward_run = cache.forward_run(selection.net, session.view.text or "", session.edits)
    except ValueError:
        return None
    if selection.opened is None:
        found = selection.checkpoint.found  # without cells of the user's own
        return CheckpointRun(forward_run, {name: name for name in forward_run.trace.layers if name in found})
    examples = [each.text for each in cache.network(selection.net).card.examples]
    return CheckpointRun(forward_run, selection.opened.run_names, made_up=session.view.text in examples)


@st.cache_resource(show_spinner=False, max_entries=8 * MAX_CACHED, hash_funcs=HASH_FUNCS)
def layer_findings(selection: CheckpointSelection, layer: str, run: CheckpointRun | None) -> list[Finding]:
    """Return the health findings of one layer, from its weights and its run.

    In a run on a made-up example only NaN and infinite values count: to gates and states of a trained network such an input
    is unusual.
    """
    ran = run.layer(layer) if run else None
    if run is not None and ran is not None and run.made_up and first_nonfinite_state(ran, 0) is None:
        ran = None
    return verdict(selection.checkpoint, [layer], {layer: ran} if ran else None, others=False)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def other_findings(selection: CheckpointSelection) -> list[Finding]:
    """Return the findings of the other tensors, or of a file without layers."""
    checkpoint = selection.checkpoint
    return check_other_tensors(checkpoint) if checkpoint.found else verdict(checkpoint)


def merge_findings(parts: Iterable[list[Finding]]) -> list[Finding]:
    """Merge lists of findings, the worst first; the result is healthy only if all are."""
    found = [finding for part in parts for finding in part]
    healthy = [finding for finding in found if finding.severity == "healthy"]
    others = [finding for finding in found if finding.severity != "healthy"]
    if healthy and all(finding.severity == "note" for finding in others):
        evidence = [each for finding in healthy for each in finding.evidence]
        others.append(Finding(healthy[0].sentence, "healthy", evidence, **healthy[0].values))
    return sorted(others, key=lambda finding: SEVERITY_ORDER.index(finding.severity))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def layer_distributions(selection: CheckpointSelection, layer: str) -> dict[str, dict[str, Distribution]]:
    """Return the distributions of a layer's weights by array and gate."""
    return distributions(selection.checkpoint.layers[layer])


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def layer_anomalies(selection: CheckpointSelection, layer: str) -> dict[str, Anomalies]:
    """Return the anomalous values of a layer by array."""
    parts = selection.checkpoint.found[layer].parts
    return {
        part: find_anomalies(values, parts[part].dtype)
        for part, values in selection.checkpoint.layers[layer].arrays().items()
    }


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def block_spectrum(selection: CheckpointSelection, layer: str, gate: str, exact: int) -> WeightSpectrum:
    """Return the spectrum of one recurrent block. Raises Problem if it has values that are not finite."""
    block = recurrent_blocks(selection.checkpoint.layers[layer])[gate]
    return weight_spectrum(block, exact, f"{layer}: {quantity_names()[gate]}")


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def layer_unit_health(selection: CheckpointSelection, layer: str) -> UnitHealth:
    """Return the health of a layer's units by their weights alone."""
    checkpoint = selection.checkpoint
    return check_units(checkpoint.layers[layer], consumer_weights(checkpoint, layer))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def incoming_outgoing_norms(selection: CheckpointSelection, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the norms of each unit's incoming and outgoing weights, (H) each.

    Incoming: its rows of the layer's matrices. Outgoing: its columns in all matrices that multiply its output."""
    checkpoint = selection.checkpoint
    weights = checkpoint.layers[layer]
    gates = len(weights.cell.gates)
    with np.errstate(invalid="ignore", over="ignore"):
        rows = np.square(weights.weight_ih).sum(axis=1) + np.square(weights.weight_hh).sum(axis=1)
        incoming = np.sqrt(rows.reshape(gates, -1).sum(axis=0))
        consumers = [weights.weight_hh, *(consumer_weights(checkpoint, layer) or [])]
        if weights.weight_hr is not None:
            consumers = [weights.weight_hr]
        outgoing = np.sqrt(sum(np.square(matrix).sum(axis=0) for matrix in consumers))
    return incoming, outgoing


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def layer_states_by_format(
    selection: CheckpointSelection, layer: str, run: CheckpointRun | None, steps: int
) -> StatesByFormat:
    """Return the states of a layer in several number formats.

    In the run the input of each layer is the output of the layer below in the same format. A layer that does not run gets
    ``steps`` random vectors.
    """
    ran = run.layer(layer) if run else None
    if run is None or ran is None:
        weights = selection.checkpoint.layers[layer]
        return states_by_format(weights, np.random.default_rng(0).normal(size=(steps, weights.input_size)))
    stack = layer_stack(run.forward_run.trace.layers, ran.name.rpartition(".")[0])
    row = run.forward_run.row
    inputs = stack[0][0].input[row, : int(ran.lengths[row])]
    found = stack_states_by_format([[each.weights for each in level] for level in stack], inputs)
    return next(
        drift
        for level, drifts in zip(stack, found, strict=True)
        for each, drift in zip(level, drifts, strict=True)
        if each.name == ran.name
    )


def compare_selections(first: CheckpointSelection, second: CheckpointSelection) -> CheckpointComparison:
    """Compare two checkpoints. Raises CheckpointError if they have no tensor in common."""
    return compare_checkpoints(first.checkpoint, second.checkpoint)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def layer_changes(first: CheckpointSelection, second: CheckpointSelection, layer: str) -> list[BlockChange]:
    """Return the changes of the weight blocks of a layer, by its name in the first."""
    return compare_selections(first, second).layer_changes(layer)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=HASH_FUNCS)
def all_changes(first: CheckpointSelection, second: CheckpointSelection) -> list[BlockChange]:
    """Return the changes of all blocks and tensors that both have."""
    return list(compare_selections(first, second).all_changes())
