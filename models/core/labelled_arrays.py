"""Traces and runs of training as labelled arrays of xarray and tables of pandas, for other libraries to compute with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from models.core.attention import AttentionTrace
from models.core.layer_gradients import GradientError
from models.core.messages import Problem

if TYPE_CHECKING:
    import xarray


def optional_package(name: str) -> Any:
    """Return a package of the extra ``arrays``.

    Raises:
        Problem: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise Problem(
            "This needs the package {name}, which is not installed. Run: pip install {name}", name=name
        ) from None


def arrays_to_xarray(
    layers: Mapping[str, Any], attention: Mapping[str, AttentionTrace], tokens: tuple[str, ...] | None
) -> xarray.DataTree:
    """Return the parts of a trace as a tree: ``layers/NAME`` has gates and states, ``attention/NAME`` scores and weights.

    Dimensions of a layer are (batch, time, unit); what has another width has a last dimension of its own, such as
    ``input_unit``, or ``hidden_unit`` where a projection follows the cell. Steps past a sequence's length are NaN. Where
    gradients were recorded, ``hidden_grad`` and ``cell_grad`` are beside the states. Those of an attention are (batch, head,
    target, source).

    Raises:
        Problem: xarray is not installed.
    """
    xr = optional_package("xarray")
    found: dict[str, Any] = {"/": xr.Dataset(attrs={"source": "Unrolled"})}
    for name, layer in layers.items():
        found[f"layers/{name}"] = _layer_dataset(xr, layer, tokens)
    for name, each in attention.items():
        found[f"attention/{name}"] = _attention_dataset(xr, each)
    return xr.DataTree.from_dict(found)


def _quantities(layer: Any) -> dict[str, np.ndarray]:
    """Return the gates and states of a layer, and the gradients of the states where they were recorded."""
    arrays: dict[str, np.ndarray] = {name: layer[name] for name in layer.quantities}
    with suppress(GradientError, AttributeError, KeyError):
        arrays["hidden_grad"] = layer.hidden_grad
        arrays["cell_grad"] = layer.cell_grad
    return arrays


def _layer_dataset(xr: Any, layer: Any, tokens: tuple[str, ...] | None) -> Any:
    units = layer.shape[2]
    arrays = _quantities(layer)
    batch, steps = layer.shape[:2]
    lengths = np.asarray(getattr(layer, "lengths", np.full(batch, steps)))
    past = np.arange(steps) >= lengths[:, None]
    data: dict[str, Any] = {"input": (("batch", "time", "input_unit"), _masked(layer.input, past))}
    for name, values in arrays.items():
        last = "unit" if values.shape[2] == units else f"{name.removesuffix('_grad')}_unit"
        data[name] = (("batch", "time", last), _masked(values, past))
    coordinates: dict[str, Any] = {"time": np.arange(steps), "length": ("batch", lengths)}
    if tokens is not None and len(tokens) == steps:
        coordinates["token"] = ("time", np.array(tokens, dtype=object))
    attributes = {"kind": layer.kind, "reverse": int(getattr(layer, "reverse", False))}
    return xr.Dataset(data, coordinates, attributes)


def _masked(values: np.ndarray, past: np.ndarray) -> np.ndarray:
    return np.where(past[..., None], np.asarray(np.nan, values.dtype), values) if past.any() else values


def _attention_dataset(xr: Any, attention: AttentionTrace) -> Any:
    dimensions = ("batch", "head", "target", "source")
    return xr.Dataset({"scores": (dimensions, attention.scores), "weights": (dimensions, attention.weights)})


def layer_to_pandas(layer: Any, tokens: tuple[str, ...] | None) -> Any:
    """Return a layer of a trace as a table: a row for each sequence, time step and unit, a column for each gate and state.

    Steps past a sequence's length have no rows. A state with fewer units than the layer has NaN for the others. Where the
    trace has a token for each time step, the column ``token`` contains it.

    Raises:
        Problem: pandas is not installed.
    """
    pd = optional_package("pandas")
    arrays = _quantities(layer)
    batch, steps = layer.shape[:2]
    units = max(values.shape[2] for values in arrays.values())
    lengths = np.asarray(getattr(layer, "lengths", np.full(batch, steps)))
    index = pd.MultiIndex.from_product([range(batch), range(steps), range(units)], names=["batch", "time", "unit"])
    columns: dict[str, Any] = {}
    if tokens is not None and len(tokens) == steps:
        columns["token"] = np.tile(np.repeat(np.array(tokens, dtype=object), units), batch)
    for name, values in arrays.items():
        missing = ((0, 0), (0, 0), (0, units - values.shape[2]))
        columns[name] = np.pad(values, missing, constant_values=np.nan).reshape(-1)
    real = np.arange(steps) < lengths[:, None]
    return pd.DataFrame(columns, index)[np.repeat(real.reshape(-1), units)]


def training_to_xarray(
    scalars: Mapping[str, tuple[np.ndarray, np.ndarray]], layers: Mapping[str, Mapping[str, Any]]
) -> xarray.DataTree:
    """Return a run of training as a tree: ``scalars``, and ``maps/LAYER`` with a variable for each map of the layer.

    The scalars are ``value``, (training_step, scalar), NaN where none was recorded. Maps are (training_step, time), NaN past
    a row's sequences; ``time`` is the first time step of each column, which is the mean of as many as ``width`` says.

    Args:
        scalars: the training steps (N,) and values (N,) of each, by name.
        layers: by layer, the maps by name, each with the attributes of ``models.runs.open_run.StepMap``.

    Raises:
        Problem: xarray is not installed.
    """
    xr = optional_package("xarray")
    names = list(scalars)
    steps = np.unique(np.concatenate([np.empty(0, np.int64), *(each[0] for each in scalars.values())]))
    table = np.full((len(steps), len(names)), np.nan)
    for column, (at, values) in enumerate(scalars.values()):
        table[np.searchsorted(steps, at), column] = values
    coordinates = {"training_step": steps, "scalar": np.array(names, dtype=object)}
    found: dict[str, Any] = {
        "/": xr.Dataset(attrs={"source": "Unrolled"}),
        "scalars": xr.Dataset({"value": (("training_step", "scalar"), table)}, coordinates),
    }
    for layer, maps in layers.items():
        first = next(iter(maps.values()), None)
        if first is None:
            continue
        found[f"maps/{layer}"] = xr.Dataset(
            {name.replace("/", "_"): (("training_step", "time"), each.values) for name, each in maps.items()},
            {"training_step": first.steps, "time": first.positions, "length": ("training_step", first.lengths)},
            {"width": first.width},
        )
    return xr.DataTree.from_dict(found)


def maps_to_pandas(maps: Mapping[str, Any]) -> Any:
    """Return the maps of a layer as a table: a row for each training step and time step, a column for each map.

    A row past the end of the sequences of its training step is left out. Where the sequences are long, ``time`` is the first
    time step of those whose mean a value is.

    Args:
        maps: by name, each with the attributes of ``models.runs.open_run.StepMap``; all of the same rows.

    Raises:
        Problem: pandas is not installed.
    """
    pd = optional_package("pandas")
    first = next(iter(maps.values()), None)
    steps, positions = ([], []) if first is None else (first.steps, first.positions)
    index = pd.MultiIndex.from_product([steps, positions], names=["training_step", "time"])
    table = pd.DataFrame({name.replace("/", "_"): each.values.reshape(-1) for name, each in maps.items()}, index)
    return table if first is None else table[(first.positions < first.lengths[:, None]).reshape(-1)]


def scalars_to_pandas(scalars: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """Return scalars, each with its training steps, as a table: a row for each step, a column for each scalar, NaN for none.

    Raises:
        Problem: pandas is not installed.
    """
    pd = optional_package("pandas")
    columns = {name: pd.Series(values, index=steps) for name, (steps, values) in scalars.items()}
    return pd.DataFrame(columns).rename_axis("training_step")
