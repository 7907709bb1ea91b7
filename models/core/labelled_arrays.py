"""A trace as labelled arrays of xarray, and a run's scalars as a pandas table, for other libraries to compute with."""

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


def _layer_dataset(xr: Any, layer: Any, tokens: tuple[str, ...] | None) -> Any:
    units = layer.shape[2]
    arrays: dict[str, np.ndarray] = {name: layer[name] for name in layer.quantities}
    with suppress(GradientError, AttributeError, KeyError):
        arrays["hidden_grad"] = layer.hidden_grad
        arrays["cell_grad"] = layer.cell_grad
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


def scalars_to_pandas(scalars: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """Return scalars, each with its training steps, as a table: a row for each step, a column for each scalar, NaN for none.

    Raises:
        Problem: pandas is not installed.
    """
    pd = optional_package("pandas")
    columns = {name: pd.Series(values, index=steps) for name, (steps, values) in scalars.items()}
    return pd.DataFrame(columns).rename_axis("training_step")
