"""One layer of a reading as the bytes that the browser steps through."""

import numpy as np

from models.reading import ClassPrediction, Reading, SymbolPrediction, ValuePrediction
from models.trace import LayerTrace
from viz.payload import pack

MOST_WEIGHTS = 1 << 20
"""Bytes of weights that travel with a trace; of a larger layer only the chosen unit's rows do."""

TOP = 8
"""Predictions shown at each step."""


def light(layer: LayerTrace) -> bool:
    """Whether the weights of every unit can travel with the trace."""
    return layer.weights.weight_ih.nbytes + layer.weights.weight_hh.nbytes <= MOST_WEIGHTS


def layer_payload(view_id: str, reading: Reading, name: str, unit: int | None) -> bytes:
    """The payload of the layer ``name``, with the weights of ``unit``, or of all units where it is None."""
    layer = reading.trace.layers[name]
    weights, row = layer.weights, reading.row
    steps = slice(0, int(layer.lengths[row]))
    rows = range(weights.hidden_size) if unit is None else [unit]
    labels = reading.labels_of(name)
    arrays: dict[str, np.ndarray | None] = {
        "input": layer.input[row, steps],
        "hidden_prev": layer.hidden_prev[row, steps],
        "cell_prev": layer.cell_prev[row, steps] if layer.kind == "LSTM" else None,
    }
    gates = len(weights.cell.gates)
    for key, values in weights.arrays().items():
        if key != "weight_hr":
            blocks = values.reshape(gates, weights.hidden_size, *values.shape[1:])
            arrays[key] = blocks[:, list(rows)].swapaxes(0, 1)
    predicts, vocabulary = None, None
    answer: dict[str, object] = {}
    prediction = reading.prediction if len(labels) == len(reading.labels) else None
    if isinstance(prediction, SymbolPrediction):
        predicts, vocabulary = "symbols", prediction.vocabulary
        arrays |= _symbols(prediction)
    elif isinstance(prediction, ValuePrediction):
        predicts = "values"
        arrays |= {"prediction": prediction.value, "truth": prediction.following}
    elif isinstance(prediction, ClassPrediction):
        predicts = "class"
        answer = {"classes": prediction.classes, "probability": [float(each) for each in prediction.probability]}
    return pack(
        view_id,
        layer=name,
        kind=layer.kind,
        gates={gate: layer[gate][row, steps] for gate in weights.cell.gates},
        states={state: layer[state][row, steps] for state in weights.cell.states},
        tokens=labels,
        arrays=arrays,
        predicts=predicts,  # type: ignore[arg-type]
        vocabulary=vocabulary,
        input_names=reading.input_names if name.endswith(("l0", "l0_reverse")) else None,
        rows="all" if unit is None else [unit],
        options={
            "projected": weights.weight_hr is not None,
            "reset_after": weights.reset_after,
            "nonlinearity": weights.nonlinearity,
            "reverse": layer.reverse,
            **answer,
        },
    )


def _symbols(prediction: SymbolPrediction) -> dict[str, np.ndarray]:
    top = prediction.top(min(TOP, len(prediction.vocabulary)))
    following = prediction.following
    probability = np.take_along_axis(prediction.probability, following[:, None], axis=1)[:, 0]
    return {
        "top_token": top,
        "top_probability": np.take_along_axis(prediction.probability, top, axis=1),
        "next_token": following,
        "next_probability": np.where(following < 0, np.nan, probability),
        "surprise": prediction.surprise,
    }
