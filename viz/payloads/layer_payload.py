"""The payload of one layer of a run: of all steps, or of a long run an excerpt and the steps near the current one."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from models.core.local_derivatives import layer_norms
from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from models.networks.forward_run import (
    ClassPrediction,
    ForwardRun,
    Prediction,
    SymbolPrediction,
    TagPrediction,
    ValuePrediction,
)
from viz.edit_text import fixed_spans
from viz.payloads.binary_payload import finite_list, pack, pack_nearby
from viz.payloads.cell_description import cell_description, gate_names
from viz.payloads.custom_description import custom_description, quantity_options
from viz.payloads.excerpt import (
    MAX_NEARBY,
    MAX_WHOLE,
    Excerpt,
    Span,
    fits_whole,
    quantity_width,
    steps_around,
    unit_count,
)
from viz.payloads.heatmap_image import HeatmapImage, excerpt_parts

MAX_WEIGHTS = 600_000
"""Bytes of weights that are sent with a trace; of a larger layer only some units' rows are sent."""

TOP = 8
"""Predictions shown at each step."""


def weights_fit(layer: LayerTrace) -> bool:
    """Return whether the weights of every unit are sent with the trace."""
    return (
        isinstance(layer, SavedCell) or layer.weights.weight_ih.nbytes + layer.weights.weight_hh.nbytes <= MAX_WEIGHTS
    )


def layer_fits(run: ForwardRun, name: str, room: int = MAX_WHOLE) -> bool:
    """Return whether the values of every step are sent at once, in ``room`` bytes."""
    labels = run.labels_of(name)
    return fits_whole(len(labels) * _step_bytes(run, name), labels, room)


def nearby_steps(run: ForwardRun, name: str, step: int, room: int = MAX_NEARBY) -> Span:
    """Return the steps around ``step`` at which the values of all units are sent, if not all steps fit."""
    layer = run.trace.layers[name]
    return steps_around(step, int(layer.lengths[run.row]), room // _step_bytes(run, name))


def weight_units(layer: LayerTrace | SavedCell, unit: int) -> range:
    """Return the units around ``unit`` whose weights take at most ``MAX_WEIGHTS`` bytes: all units if they fit."""
    count = unit_count(layer)
    if isinstance(layer, SavedCell) or weights_fit(layer):
        return range(count)
    room = max(1, MAX_WEIGHTS * count // (layer.weights.weight_ih.nbytes + layer.weights.weight_hh.nbytes))
    first = min(max(unit - room // 2, 0), max(count - room, 0))
    return range(first, min(first + room, count))


def layer_payload(view_id: str, run: ForwardRun, name: str, units: int | Sequence[int] | None) -> bytes:
    """Return the payload of the layer ``name``, with the weights of ``units``: one or several, or all if it is None."""
    layer, row = run.trace.layers[name], run.row
    steps = slice(0, int(layer.lengths[row]))
    return _pack(
        view_id,
        run,
        layer,
        numbers={quantity: layer[quantity][row, steps] for quantity in layer.quantities},
        labels=run.labels_of(name),
        arrays=_before(layer, row, steps) | {"input": layer.input[row, steps]} | _norms(layer, row, steps),
        steps=steps,
        rows=range(unit_count(layer)) if units is None else [units] if isinstance(units, int) else units,
    )


def excerpt_payload(
    view_id: str,
    run: ForwardRun,
    name: str,
    excerpt: Excerpt,
    image: HeatmapImage,
    units: int | Sequence[int] | None = None,
) -> bytes:
    """Return the payload of a layer that is too large to be sent as a whole, without the steps of ``nearby_payload``.

    It has the weights of ``units``, one or several, or of all units of the excerpt if it is None.
    """
    parts = excerpt_parts(run, name, excerpt, image, near=True)
    layer, steps = run.trace.layers[name], excerpt.page.slice
    rows = excerpt.columns if units is None else [units] if isinstance(units, int) else units
    return _pack(view_id, run, layer, steps=steps, rows=rows, **parts)


def nearby_payload(payload: bytes, run: ForwardRun, name: str, span: Span) -> bytes:
    """Return the values of all units around a step (``nearby_steps``), which complete the ``payload`` of a long run."""
    layer, row = run.trace.layers[name], run.row
    arrays = {quantity: layer[quantity][row, span.slice] for quantity in layer.quantities}
    arrays |= _before(layer, row, span.slice) | {"input": layer.input[row, span.slice]} | _norms(layer, row, span.slice)
    return pack_nearby(payload, steps=span.steps, stay=span.stay, arrays=arrays)


def _pack(
    view_id: str,
    run: ForwardRun,
    layer: LayerTrace,
    *,
    numbers: Mapping[str, np.ndarray | None],
    labels: Sequence[str],
    arrays: dict[str, np.ndarray],
    steps: slice,
    rows: Sequence[int],
    excerpt: Mapping[str, object] | None = None,
) -> bytes:
    """Return the payload of the values ``numbers``, with predictions at ``steps`` and weights of ``rows``."""
    cell, prediction = layer.cell_equations, _prediction(run, layer.name)
    answer: dict[str, object] = {}
    if isinstance(prediction, ClassPrediction):
        answer = {"classes": prediction.classes, "probability": finite_list(prediction.probability)}
    elif isinstance(prediction, TagPrediction):
        answer = {"classes": prediction.classes}
    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates={gate: numbers[gate] for gate in gate_names(cell)},
        states={state: numbers[state] for state in cell.states},
        tokens=labels,
        arrays=arrays
        | _predicted(prediction, steps)
        | ({} if isinstance(layer, SavedCell) else _weight_rows(layer, rows)),
        predicts=_kind(prediction),
        vocabulary=prediction.vocabulary if isinstance(prediction, SymbolPrediction) else None,
        input_names=run.input_names if layer.name.endswith(("l0", "l0_reverse")) else None,
        rows="all" if len(rows) == unit_count(layer) else rows,
        options={
            "reverse": layer.reverse,
            "generates": run.decodes(layer.name),  # the next tokens are the network's own output
            **quantity_options(cell),
            "fixed": fixed_spans(run, layer.name),
            **_options(layer),
            **answer,
        },
        excerpt=excerpt,
    )


def _options(layer: LayerTrace | SavedCell) -> dict[str, object]:
    """Return the description of the layer's cell and its weights' options."""
    if isinstance(layer, SavedCell):
        return {"cell": custom_description(layer.cell_equations)}
    weights = layer.weights
    return {"projected": weights.weight_hr is not None, "cell": cell_description(weights.cell), **weights.options}


def _step_bytes(run: ForwardRun, name: str) -> int:
    """Return the bytes of what is sent of one step."""
    layer = run.trace.layers[name]
    prediction = _prediction(run, name)
    predicted = 0
    if isinstance(prediction, SymbolPrediction):
        predicted = 8 * TOP + 12
    elif isinstance(prediction, TagPrediction):
        predicted = 8 * TOP
    elif isinstance(prediction, ValuePrediction):
        predicted = 8 * prediction.value.shape[1]
    return 4 * (sum(quantity_width(layer, each) for each in layer.quantities) + layer.input.shape[2]) + predicted


def _before(layer: LayerTrace, row: int, steps: slice) -> dict[str, np.ndarray]:
    """Return the states before these steps, from which the browser derives the previous state of each step."""
    arrays = {}
    for state in layer.cell_equations.states:
        prev = getattr(layer, f"{state}_prev")
        results, starts = layer[state][row, steps], prev[row, steps]
        next_steps, steps_before = (slice(1, None), slice(None, -1))[:: -1 if layer.reverse else 1]
        if np.array_equal(starts[next_steps], results[steps_before], equal_nan=True):
            arrays[f"{state}_before"] = starts[-1 if layer.reverse else 0]
        else:  # edits may replace the previous state of a step
            arrays[f"{state}_prev"] = starts
    return arrays


def _norms(layer: LayerTrace | SavedCell, row: int, steps: slice) -> dict[str, np.ndarray]:
    """Return the mean and the deviation at each layer norm of some steps, (S, 2); none without norms."""
    if isinstance(layer, SavedCell) or layer.cell_equations.norm is None:
        return {}
    norms = layer_norms(layer.select(row, steps))
    parts = {"ih": norms.input, "hh": norms.recurrent, "c": norms.cell}
    return {
        f"norm_{part}": np.concatenate([norm.mean[0].numpy(), norm.deviation[0].numpy()], axis=1)
        for part, norm in parts.items()
        if norm is not None
    }


def _weight_rows(layer: LayerTrace, units: Sequence[int]) -> dict[str, np.ndarray]:
    weights = layer.weights
    rows = {}
    for key, values in weights.arrays().items():
        gates = weights.cell.row_gates(key)
        if gates:
            blocks = values.reshape(len(gates), weights.hidden_size, *values.shape[1:])
            rows[key] = blocks[:, list(units)].swapaxes(0, 1)
    return rows


def _prediction(run: ForwardRun, name: str) -> Prediction | None:
    return run.prediction_of(name)


def _kind(prediction: Prediction | None) -> Literal["symbols", "values", "class", "tags"] | None:
    if isinstance(prediction, SymbolPrediction):
        return "symbols"
    if isinstance(prediction, ValuePrediction):
        return "values"
    if isinstance(prediction, TagPrediction):
        return "tags"
    return None if prediction is None else "class"


def _predicted(prediction: Prediction | None, steps: slice) -> dict[str, np.ndarray]:
    """Return the predictions at some steps, and the targets."""
    if isinstance(prediction, ValuePrediction):
        known = {} if prediction.target is None else {"truth": prediction.target[steps]}
        return {"prediction": prediction.value[steps]} | known
    if not isinstance(prediction, SymbolPrediction | TagPrediction):
        return {}
    top = prediction.top(min(TOP, prediction.probability.shape[1]))
    arrays = {"top_token": top, "top_probability": np.take_along_axis(prediction.probability, top, axis=1)}
    if isinstance(prediction, SymbolPrediction):
        target = prediction.target
        probability = np.take_along_axis(prediction.probability, target[:, None], axis=1)[:, 0]
        arrays |= {
            "next_token": target,
            "next_probability": np.where(target < 0, np.nan, probability),
            "surprise": prediction.surprisal,
        }
    return {name: array[steps] for name, array in arrays.items()}
