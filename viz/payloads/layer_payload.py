"""One layer of a reading as the bytes that the browser steps through: whole, or of a long run what is near the step."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from models.core.trace import LayerTrace
from models.networks.forward_run import ClassPrediction, Prediction, Reading, SymbolPrediction, ValuePrediction
from viz.edit_text import fixed_spans
from viz.payloads.binary_payload import pack, pack_near
from viz.payloads.excerpt import NEAR, Excerpt, Span, around, fits, width
from viz.payloads.heatmap_image import Picture, excerpted

MOST_WEIGHTS = 600_000
"""Bytes of weights that travel with a trace; of a larger layer only some units' rows do."""

TOP = 8
"""Predictions shown at each step."""


def light(layer: LayerTrace) -> bool:
    """Whether the weights of every unit can travel with the trace."""
    return layer.weights.weight_ih.nbytes + layer.weights.weight_hh.nbytes <= MOST_WEIGHTS


def whole(reading: Reading, name: str) -> bool:
    """Whether the numbers of every step travel at once."""
    labels = reading.labels_of(name)
    return fits(len(labels) * _step_bytes(reading, name), labels)


def near(reading: Reading, name: str, step: int) -> Span:
    """The steps around ``step`` of which all units' numbers travel, where not all do."""
    layer = reading.trace.layers[name]
    return around(step, int(layer.lengths[reading.row]), NEAR // _step_bytes(reading, name))


def layer_payload(view_id: str, reading: Reading, name: str, unit: int | None) -> bytes:
    """The payload of the layer ``name``, with the weights of ``unit``, or of all units where it is None."""
    layer, row = reading.trace.layers[name], reading.row
    steps = slice(0, int(layer.lengths[row]))
    return _pack(
        view_id,
        reading,
        layer,
        numbers={quantity: layer[quantity][row, steps] for quantity in layer.quantities},
        labels=reading.labels_of(name),
        arrays=_before(layer, row, steps) | {"input": layer.input[row, steps]},
        steps=steps,
        rows=range(layer.weights.hidden_size) if unit is None else [unit],
    )


def excerpt_payload(view_id: str, reading: Reading, name: str, excerpt: Excerpt, picture: Picture) -> bytes:
    """What travels of a layer that is too large to travel whole, but for what is near the step (``near_payload``)."""
    parts = excerpted(reading, name, excerpt, picture, near=True)
    layer, steps = reading.trace.layers[name], excerpt.page.slice
    return _pack(view_id, reading, layer, steps=steps, rows=excerpt.columns, **parts)


def near_payload(payload: bytes, reading: Reading, name: str, span: Span) -> bytes:
    """What completes the ``payload`` of a long run around a step (``near``)."""
    layer, row = reading.trace.layers[name], reading.row
    arrays = {quantity: layer[quantity][row, span.slice] for quantity in layer.quantities}
    arrays |= _before(layer, row, span.slice) | {"input": layer.input[row, span.slice]}
    return pack_near(payload, steps=span.steps, stay=span.stay, arrays=arrays)


def _pack(
    view_id: str,
    reading: Reading,
    layer: LayerTrace,
    *,
    numbers: Mapping[str, np.ndarray | None],
    labels: Sequence[str],
    arrays: dict[str, np.ndarray],
    steps: slice,
    rows: Sequence[int],
    excerpt: Mapping[str, object] | None = None,
) -> bytes:
    """What stands beside the numbers, whether they are whole or not: predictions at ``steps``, weights of ``rows``."""
    weights, prediction = layer.weights, _prediction(reading, layer.name)
    answer: dict[str, object] = {}
    if isinstance(prediction, ClassPrediction):
        answer = {"classes": prediction.classes, "probability": [float(each) for each in prediction.probability]}
    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates={gate: numbers[gate] for gate in weights.cell.gates},
        states={state: numbers[state] for state in weights.cell.states},
        tokens=labels,
        arrays=arrays | _predicted(prediction, steps) | _weight_rows(layer, rows),
        predicts=_kind(prediction),
        vocabulary=prediction.vocabulary if isinstance(prediction, SymbolPrediction) else None,
        input_names=reading.input_names if layer.name.endswith(("l0", "l0_reverse")) else None,
        rows="all" if len(rows) == weights.hidden_size else rows,
        options={
            "projected": weights.weight_hr is not None,
            "reverse": layer.reverse,
            "valves": weights.cell.valves,
            "held": fixed_spans(reading, layer.name),
            **weights.options,
            **answer,
        },
        excerpt=excerpt,
    )


def _step_bytes(reading: Reading, name: str) -> int:
    """Bytes of all that travels of one step."""
    layer = reading.trace.layers[name]
    prediction = _prediction(reading, name)
    predicted = 0
    if isinstance(prediction, SymbolPrediction):
        predicted = 8 * TOP + 12
    elif isinstance(prediction, ValuePrediction):
        predicted = 8 * prediction.value.shape[1]
    return 4 * (sum(width(layer, each) for each in layer.quantities) + layer.weights.input_size) + predicted


def _before(layer: LayerTrace, row: int, steps: slice) -> dict[str, np.ndarray]:
    """The states before these steps, from which the browser knows what each of them started from."""
    before = {"hidden": layer.hidden_prev} | ({"cell": layer.cell_prev} if layer.kind == "LSTM" else {})
    arrays = {}
    for state, prev in before.items():
        now, started = layer[state][row, steps], prev[row, steps]
        here, there = (slice(1, None), slice(None, -1))[:: -1 if layer.reverse else 1]
        if np.array_equal(started[here], now[there], equal_nan=True):
            arrays[f"{state}_before"] = started[-1 if layer.reverse else 0]
        else:  # a run may put another state in the place of the one before
            arrays[f"{state}_prev"] = started
    return arrays


def _weight_rows(layer: LayerTrace, units: Sequence[int]) -> dict[str, np.ndarray]:
    weights = layer.weights
    gates = len(weights.cell.gates)
    rows = {}
    for key, values in weights.arrays().items():
        if key != "weight_hr":
            blocks = values.reshape(gates, weights.hidden_size, *values.shape[1:])
            rows[key] = blocks[:, list(units)].swapaxes(0, 1)
    return rows


def _prediction(reading: Reading, name: str) -> Prediction | None:
    return reading.prediction_of(name)


def _kind(prediction: Prediction | None) -> Literal["symbols", "values", "class"] | None:
    if isinstance(prediction, SymbolPrediction):
        return "symbols"
    if isinstance(prediction, ValuePrediction):
        return "values"
    return None if prediction is None else "class"


def _predicted(prediction: Prediction | None, steps: slice) -> dict[str, np.ndarray]:
    """What was predicted at some steps, and what came."""
    if isinstance(prediction, ValuePrediction):
        return {"prediction": prediction.value[steps], "truth": prediction.following[steps]}
    if not isinstance(prediction, SymbolPrediction):
        return {}
    top = prediction.top(min(TOP, len(prediction.vocabulary)))
    following = prediction.following
    probability = np.take_along_axis(prediction.probability, following[:, None], axis=1)[:, 0]
    arrays = {
        "top_token": top,
        "top_probability": np.take_along_axis(prediction.probability, top, axis=1),
        "next_token": following,
        "next_probability": np.where(following < 0, np.nan, probability),
        "surprise": prediction.surprise,
    }
    return {name: array[steps] for name, array in arrays.items()}
