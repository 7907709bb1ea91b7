"""Modules that were pickled as a whole, ``torch.save(model)``: attributes are data, and no class is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.checkpoints.parsing.pickles import OpaqueCall
from models.checkpoints.parsing.work_budget import spend

RECURRENT_CLASSES = {
    f"torch.nn.modules.rnn.{kind}{suffix}": kind for kind in ("RNN", "LSTM", "GRU") for suffix in ("", "Cell")
}


def is_module(value: OpaqueCall) -> bool:
    """Return whether an object has the attributes of an ``nn.Module``."""
    return isinstance(value.state, dict) and {"_parameters", "_modules"} <= set(value.state)


def cell_options(module: OpaqueCall) -> dict[str, Any] | None:
    """Return the kind and the options of a recurrent module's cells; None of any other module."""
    kind = RECURRENT_CLASSES.get(module.name)
    if kind is None:
        return None
    if kind != "RNN":
        return {"kind": kind}
    mode = module.state.get("mode", module.state.get("nonlinearity", "tanh"))
    return {"kind": kind, "nonlinearity": str(mode).removeprefix("RNN_").lower()}


def levels_of(state: Mapping[str, Any]) -> Iterator[str]:
    """Generate the names of the layers of a recurrent module: ``"l0"``, ``"l0_reverse"``, ``"l1"``, ..."""
    levels = state.get("num_layers", 1)
    for level in range(levels if isinstance(levels, int) and 0 <= levels <= 1000 else 0):
        spend()
        yield f"l{level}"
        if state.get("bidirectional") is True:
            yield f"l{level}_reverse"
