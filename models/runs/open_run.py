"""Open a run folder, which may be a stranger's or still being written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from models.core.html_representation import NotebookHtml
from models.core.labelled_arrays import maps_to_pandas, scalars_to_pandas, training_to_xarray
from models.core.messages import Problem
from models.runs.map_store import MissingArray, read_map
from models.runs.nonfinite_place import NonFinitePlace, parse_place
from models.runs.run_database import read_database
from models.runs.run_folder import read_description, run_status
from models.runs.scalar_store import read_scalars, scalar_names
from models.runs.snapshots import list_snapshots

if TYPE_CHECKING:
    import pandas
    import xarray

MAX_LAYERS = 1000
MAX_SAMPLES = 1000
"""The most samples that are read: the newest."""
ATTEMPTS = 5
"""How often a map is read again if its files were replaced meanwhile."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class StepMap:
    """A quantity over the training: a row for each training step that is kept, a column for each position of the sequence.

    Attributes:
        steps: (N,) int64, the training steps of the rows, ascending. Rows are thinned as a run grows: those kept are at
            training steps divisible by ``stride``, and the newest. No row is an average of several.
        positions: (P,) int64, the first time step of each column.
        values: (N, P) float32; the mean over the time steps of each column; NaN past the end of a row's sequences.
        lengths: (N,) int64, T of each row.
        width: the number of time steps of a column: 1 unless the sequences are longer than 256.
        stride: the distance of the rows in training steps.
        every: the distance at which rows were recorded before they were thinned.
    """

    steps: np.ndarray
    positions: np.ndarray
    values: np.ndarray
    lengths: np.ndarray
    width: int
    stride: int
    every: int


@dataclass(frozen=True)
class RunLayer:
    """A recurrent layer of a run.

    Attributes:
        name: as in a trace.
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        inputs: D. units: H. outputs: P. None where they are unknown.
        gates: the names of its gates.
        maps: the quantities of its maps, in the order of a row.
    """

    name: str
    kind: str
    inputs: int | None
    units: int | None
    outputs: int | None
    gates: tuple[str, ...]
    maps: tuple[str, ...]


class TrainingRun(NotebookHtml):
    """A run folder; scalars, maps and the status are read anew at each access, so that it follows a run being written.

    Attributes:
        folder: of the run.
        settings: of the training, JSON values.
        layers: the recurrent layers, by name.
        every: the number of training steps from one recorded one to the next.
        maps_of: ``"batch"`` or ``"probes"``: which sequences the maps and the gates are of.
        description: everything in ``run.json``.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        """Read the description.

        Raises:
            Problem: it is not a run folder, or it is damaged.
        """
        self.folder = Path(folder)
        self.description = description = read_description(self.folder)
        settings = description.get("settings")
        self.settings: dict[str, Any] = settings if isinstance(settings, dict) else {}
        every = description.get("every")
        self.every = every if type(every) is int and every > 0 else 1
        self.maps_of = "probes" if description.get("maps_of") == "probes" else "batch"
        self.layers = {layer.name: layer for layer in _layers(description.get("layers"), self.folder)}
        self._index = {name: index for index, name in enumerate(self.layers)}

    @property
    def status(self) -> str:
        """``"running"``, ``"finished"``, ``"stopped"`` by a reader, ``"failed"`` or ``"interrupted"``."""
        return run_status(self.folder, read_description(self.folder))

    @property
    def notes(self) -> tuple[str, ...]:
        """English sentences about what was not recorded, or whose gradients by time step are unconfirmed."""
        description, keys = read_description(self.folder), ("unrecorded", "unconfirmed", "recording_ended")
        return tuple(text for key in keys if isinstance(text := description.get(key), str))

    @property
    def scalar_names(self) -> tuple[str, ...]:
        """The names of the scalars, in the order in which they first appeared."""
        return tuple(self._read(scalar_names))

    def scalar(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the training steps (N,) int64 and the values (N,) float64 of a scalar: every value that was recorded.

        Raises:
            Problem: the run has no such scalar.
        """
        return self.scalars([name])[name]

    def scalars(self, names: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return several scalars of the same state of the run, by name, as of ``scalar``."""

        def read(connection: sqlite3.Connection) -> dict[str, tuple[np.ndarray, np.ndarray]]:
            known = scalar_names(connection)
            for name in names:
                if name not in known:
                    raise Problem("The run has no scalar {name}. Choose one of run.scalar_names.", name=name)
            found = read_scalars(connection, [known[name] for name in names])
            return dict(zip(names, found, strict=True))

        return self._read(read)

    def to_pandas(self, layer: str | None = None) -> pandas.DataFrame:
        """Return all scalars as a table: a row for each training step, a column for each scalar, NaN where it has no value.

        Args:
            layer: for all maps of this layer instead: a row for each training step and time step, a column for each map.

        Raises:
            Problem: the run has no such layer, or pandas is not installed.
        """
        if layer is None:
            return scalars_to_pandas(self.scalars(self.scalar_names))
        return maps_to_pandas(self._all_maps(layer))

    def to_xarray(self) -> xarray.DataTree:
        """Return the scalars and all maps as labelled arrays: see ``training_to_xarray``.

        Raises:
            Problem: xarray is not installed.

        Example:
            >>> run.to_xarray()["maps/rnn.l0"]["gradient_hidden"].sel(training_step=100)
        """
        maps = {name: self._all_maps(name) for name in self.layers}
        return training_to_xarray(self.scalars(self.scalar_names), maps)

    def gradient_map(self, layer: str, quantity: str = "hidden") -> StepMap:
        """Return ||dL/dh_t|| (``"hidden"``) or ||dL/dc_t|| (``"cell"``) over the training; the norm over batch and units.

        Raises:
            Problem: the run has no such layer or quantity.
        """
        return self._map(layer, (f"gradient/{quantity}",))

    def gate_map(self, layer: str, gate: str, statistic: str = "saturation") -> StepMap:
        """Return a statistic of a gate by time step over the training, over the batch and the units.

        Args:
            layer: its name.
            gate: its name.
            statistic: ``"mean"``; ``"closed"`` or ``"open"``, the share of values below or above the thresholds of
                ``models.runs.layer_statistics.gate_thresholds``; ``"saturation"``, the sum of both.

        Raises:
            Problem: the run has no such layer, gate or statistic.
        """
        parts = ("closed", "open") if statistic == "saturation" else (statistic,)
        return self._map(layer, tuple(f"{part}/{gate}" for part in parts))

    def _all_maps(self, layer: str) -> dict[str, StepMap]:
        """Return every map of a layer, of the same state of the run."""
        names = self.layers[layer].maps if layer in self.layers else ()
        return dict(zip(names, self._maps(layer, [(name,) for name in names]), strict=True))

    def _map(self, layer: str, quantities: tuple[str, ...]) -> StepMap:
        return self._maps(layer, [quantities])[0]

    def _maps(self, layer: str, wanted: Sequence[tuple[str, ...]]) -> list[StepMap]:
        """Return the sum of each of several groups of quantities."""
        if layer not in self.layers:
            raise Problem(
                "The run has no layer {layer}. Choose one of: {layers}.", layer=layer, layers=", ".join(self.layers)
            )
        known = self.layers[layer].maps
        for quantities in wanted:
            if not set(quantities) <= set(known):
                raise Problem(
                    "The layer {layer} has no map of {quantity}. Choose one of: {known}.",
                    layer=layer, quantity=quantities[0], known=", ".join(known),
                )  # fmt: skip
        index = self._index[layer]

        def read(connection: sqlite3.Connection) -> list[StepMap]:
            found = connection.execute("SELECT stride FROM strides WHERE layer = ?", (index,)).fetchone()
            stride, maps = self.every if found is None else int(found[0]), []
            for quantities in wanted:
                places = [known.index(quantity) for quantity in quantities]
                steps, lengths, width, values = read_map(connection, self.folder, index, places)
                positions = width * np.arange(values.shape[1], dtype=np.int64)
                maps.append(StepMap(steps, positions, values, lengths, width, stride, self.every))
            return maps

        for attempt in range(ATTEMPTS):
            try:
                return self._read(read)
            except MissingArray:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    @property
    def snapshots(self) -> dict[int, Path]:
        """The files with the weights, by the training step whose forward pass used them, in order."""
        return list_snapshots(self.folder)

    @property
    def first_nonfinite(self) -> tuple[int, NonFinitePlace] | None:
        """The first training step at which NaN or infinity was found, and where; None if it was not."""

        def read(connection: sqlite3.Connection) -> tuple[int, NonFinitePlace] | None:
            row = connection.execute("SELECT step, place FROM nonfinite ORDER BY step LIMIT 1").fetchone()
            return None if row is None else (int(row[0]), parse_place(row[1]))

        return self._read(read)

    @property
    def samples(self) -> list[tuple[int, str]]:
        """The texts that the network wrote during training, each with the number of updates before it; the newest 1000."""

        def read(connection: sqlite3.Connection) -> list[tuple[int, str]]:
            rows = connection.execute(
                "SELECT step, substr(text, 1, 10000) FROM samples ORDER BY row DESC LIMIT ?", (MAX_SAMPLES,)
            ).fetchall()
            return [(int(step), str(text)) for step, text in reversed(rows)]

        return self._read(read)

    @property
    def updates(self) -> int:
        """The number of updates of the weights as far as it is recorded: exact where the training has ended or waits."""
        known = read_description(self.folder).get("updates")
        return max(self.last_step or 0, known if type(known) is int and known < 2**63 else 0)

    @property
    def last_step(self) -> int | None:
        """The last training step of which a scalar is recorded; None if there is none."""

        def read(connection: sqlite3.Connection) -> int | None:
            newest = connection.execute("SELECT max(step) FROM recent").fetchone()[0]
            older = connection.execute("SELECT max(first + stride * (count - 1)) FROM chunks").fetchone()[0]
            known = [int(step) for step in (newest, older) if step is not None]
            return max(known) if known else None

        return self._read(read)

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        return read_database(self.folder, read)


def _layers(entries: Any, folder: Path) -> list[RunLayer]:
    """Return the layers in ``run.json``.

    Raises:
        Problem: they are not a run's.
    """
    try:
        if not isinstance(entries, list) or len(entries) > MAX_LAYERS:
            raise ValueError
        found = []
        for entry in entries:
            sizes = [size if type(size := entry.get(key)) is int else None for key in ("inputs", "units", "outputs")]
            maps = tuple(entry["maps"])
            if not all(isinstance(each, str) for each in (entry["name"], entry["kind"], *maps)) or len(maps) > 100:
                raise ValueError
            gates = tuple(each.removeprefix("mean/") for each in maps if each.startswith("mean/"))
            found.append(RunLayer(entry["name"], entry["kind"], sizes[0], sizes[1], sizes[2], gates, maps))
        if len({layer.name for layer in found}) != len(found):
            raise ValueError
        return found
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Problem(
            "The run.json in {folder} does not describe a run. Choose a folder written by watch(...).",
            folder=str(folder),
        ) from None


def open_run(folder: str | PathLike[str]) -> TrainingRun:
    """Open a run folder, finished or still being written.

    Example:
        >>> run = open_run("runs/lstm-a")
        >>> steps, loss = run.scalar("loss/train")
        >>> run.gradient_map("rnn.l0").values  # ||dL/dh_t||, (N, P)

    Raises:
        Problem: it is not a run folder, or it is damaged.
    """
    return TrainingRun(folder)
