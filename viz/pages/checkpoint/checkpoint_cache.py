"""What the Checkpoint lens looks at and computes, kept for all sessions and never written to."""

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
from models.core.trace import LayerTrace, Trace
from models.edits.edit import Edits
from models.edits.edit_syntax import write_edits
from models.gradients.module_backward import layer_stack
from models.networks.forward_run import ForwardRun
from models.networks.precision import StatesByFormat, stack_states_by_format, states_by_format
from models.zoo import FOLDER
from models.zoo.catalogue import network_names
from viz.pages import cache
from viz.pages import checkpoint_store as checkpoints
from viz.session import Session

KEPT = 16


@dataclass(frozen=True)
class CheckpointSelection:
    """What is looked at: two are the same if their numbers are.

    Attributes:
        net: name of the network.
        edits: the active edits.
        run: the saved run that it is, if it is one.
    """

    net: str
    edits: Edits = cache.NO_EDITS
    run: Path | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """What is in it. Raises Problem: it cannot be opened."""
        opened = checkpoints.find(self.net)
        return opened.checkpoint if opened is not None and not self.edits.entries else _checkpoint(self)

    @property
    def opened(self) -> checkpoints.OpenedCheckpoint | None:
        """The opened file that it is, if it is one."""
        return checkpoints.find(self.net)

    @property
    def title(self) -> str:
        """The file's own name."""
        opened = self.opened
        return opened.file.name if opened else f"{self.net}.safetensors" if self.net in network_names() else self.net

    @property
    def key(self) -> str:
        """A text that differs between selections, for the keys of widgets."""
        return f"{self.net}_{write_edits(self.edits)}"

    @property
    def waits(self) -> bool:
        """Whether it is large, and nobody has asked yet for all of it."""
        opened = self.opened
        return opened is not None and opened.large and not st.session_state.get(f"all_of_{opened.file.digest}")

    def ask(self) -> None:
        """Ask for all of it."""
        if self.opened is not None:
            st.session_state[f"all_of_{self.opened.file.digest}"] = True

    @property
    def size(self) -> int:
        """Bytes of the file."""
        opened = self.opened
        if opened:
            return opened.file.size
        return (self.run or FOLDER / f"{self.net}.safetensors").stat().st_size


@dataclass(frozen=True, eq=False)
class Run:
    """What the layers did with the reader's sequence.

    Attributes:
        reading: the run.
        names: the names that the layers have in it, by those in the file.
    """

    reading: ForwardRun
    names: Mapping[str, str]

    def layer(self, name: str) -> LayerTrace | None:
        """What a layer of the file did, if it ran."""
        return self.reading.trace.layers.get(self.names.get(name, ""))


HASH_FUNCS: dict[str | type[Any], Callable[[Any], Any]] = {
    CheckpointSelection: lambda selection: (selection.net, cache.edits_key(selection.edits), selection.run),
    Run: lambda run: run.reading.serial,
}
"""How Streamlit's caches tell the arguments of the cached functions apart."""


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def _checkpoint(selection: CheckpointSelection) -> Checkpoint:
    if selection.run is not None:
        return of_run(cache.load_saved_run(selection.run))
    if selection.edits.entries:
        return load_checkpoint(cache.edited_network(selection.net, selection.edits).save())
    return load_checkpoint(FOLDER / f"{selection.net}.safetensors")


def of_run(trace: Trace) -> Checkpoint:
    """The weights that a saved run was made with, as a checkpoint."""
    found = {}
    for name, layer in trace.layers.items():
        weights = layer.weights
        parts = {part: _stored(values) for part, values in weights.arrays().items()}
        found[name] = FoundLayer(weights.kind, parts, tuple(f"{name}/{part}" for part in parts), weights.options)
    return Checkpoint.from_contents(Contents("Unrolled", {}), found)


def _stored(values: np.ndarray) -> StoredTensor:
    return StoredTensor(values.shape, str(values.dtype), lambda: values)


def run_of(session: Session, selection: CheckpointSelection) -> Run | None:
    """The run; None where it cannot be had, or nobody has asked for that of a large file."""
    if selection.waits:
        return None
    try:
        if selection.run is not None:
            reading = cache.saved_forward_run(selection.run, 0)
        else:
            if session.view.text is None:
                session.fill_defaults(text=cache.network(selection.net).card.default.text)
            reading = cache.forward_run(selection.net, session.view.text or "", session.edits)
    except ValueError:
        return None
    return Run(
        reading, selection.opened.run_names if selection.opened else {name: name for name in reading.trace.layers}
    )


@st.cache_resource(show_spinner=False, max_entries=8 * KEPT, hash_funcs=HASH_FUNCS)
def judged(selection: CheckpointSelection, layer: str, run: Run | None) -> list[Finding]:
    """What the weights of one layer say, and what its run says."""
    ran = run.layer(layer) if run else None
    return verdict(selection.checkpoint, [layer], {layer: ran} if ran else None, others=False)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def judged_others(selection: CheckpointSelection) -> list[Finding]:
    """What the other tensors say; of a file without layers, that too."""
    checkpoint = selection.checkpoint
    return check_other_tensors(checkpoint) if checkpoint.found else verdict(checkpoint)


def together(parts: Iterable[list[Finding]]) -> list[Finding]:
    """Several verdicts as one, the worst first; it is healthy only where all are."""
    found = [finding for part in parts for finding in part]
    healthy = [finding for finding in found if finding.severity == "healthy"]
    others = [finding for finding in found if finding.severity != "healthy"]
    if healthy and all(finding.severity == "note" for finding in others):
        evidence = [each for finding in healthy for each in finding.evidence]
        others.append(Finding(healthy[0].sentence, "healthy", evidence, **healthy[0].values))
    return sorted(others, key=lambda finding: SEVERITY_ORDER.index(finding.severity))


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def distributed(selection: CheckpointSelection, layer: str) -> dict[str, dict[str, Distribution]]:
    """How the weights of a layer are distributed, by array and gate."""
    return distributions(selection.checkpoint.layers[layer])


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def odd(selection: CheckpointSelection, layer: str) -> dict[str, Anomalies]:
    """What is odd about the numbers of a layer, by array."""
    parts = selection.checkpoint.found[layer].parts
    return {
        part: find_anomalies(values, parts[part].dtype)
        for part, values in selection.checkpoint.layers[layer].arrays().items()
    }


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def block_spectrum(selection: CheckpointSelection, layer: str, gate: str, exact: int) -> WeightSpectrum:
    """The spectrum of one recurrent block. Raises Problem: it holds numbers that are not finite."""
    return weight_spectrum(recurrent_blocks(selection.checkpoint.layers[layer])[gate], exact, f"{layer}: {gate}")


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def units(selection: CheckpointSelection, layer: str) -> UnitHealth:
    """What the weights alone say of the units."""
    checkpoint = selection.checkpoint
    return check_units(checkpoint.layers[layer], consumer_weights(checkpoint, layer))


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def lengths(selection: CheckpointSelection, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """How strongly every unit reads and is read, (H) each: the lengths of its rows, and of its columns in all readers."""
    checkpoint = selection.checkpoint
    weights = checkpoint.layers[layer]
    gates = len(weights.cell.gates)
    with np.errstate(invalid="ignore", over="ignore"):
        rows = np.square(weights.weight_ih).sum(axis=1) + np.square(weights.weight_hh).sum(axis=1)
        reads = np.sqrt(rows.reshape(gates, -1).sum(axis=0))
        readers = [weights.weight_hh, *(consumer_weights(checkpoint, layer) or [])]
        if weights.weight_hr is not None:
            readers = [weights.weight_hr]
        read = np.sqrt(sum(np.square(matrix).sum(axis=0) for matrix in readers))
    return reads, read


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def drifted(selection: CheckpointSelection, layer: str, run: Run | None, steps: int) -> StatesByFormat:
    """A layer in several number formats: in the run, each level reading the one below it in the same format.

    A layer that does not run reads ``steps`` random vectors.
    """
    ran = run.layer(layer) if run else None
    if run is None or ran is None:
        weights = selection.checkpoint.layers[layer]
        return states_by_format(weights, np.random.default_rng(0).normal(size=(steps, weights.input_size)))
    stack = layer_stack(run.reading.trace.layers, ran.name.rpartition(".")[0])
    row = run.reading.row
    given = stack[0][0].input[row, : int(ran.lengths[row])]
    found = stack_states_by_format([[each.weights for each in level] for level in stack], given)
    return next(
        drift
        for level, drifts in zip(stack, found, strict=True)
        for each, drift in zip(level, drifts, strict=True)
        if each.name == ran.name
    )


def beside(first: CheckpointSelection, second: CheckpointSelection) -> CheckpointComparison:
    """Two files beside each other. Raises CheckpointError: they have nothing in common."""
    return compare_checkpoints(first.checkpoint, second.checkpoint)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def moved_in(first: CheckpointSelection, second: CheckpointSelection, layer: str) -> list[BlockChange]:
    """What moved in a layer, by its name in the first."""
    return beside(first, second).layer_changes(layer)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=HASH_FUNCS)
def moved_everywhere(first: CheckpointSelection, second: CheckpointSelection) -> list[BlockChange]:
    """What moved in all that both have."""
    return list(beside(first, second).all_changes())
