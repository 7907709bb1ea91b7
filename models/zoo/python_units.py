"""The units of ``python-lm`` that follow a property of the source code, and the default view that shows one of them."""

import math
from typing import Any

import numpy as np
import torch

from models.architectures.language_model import LanguageModel
from models.capturing.capture import capture
from models.states.python_features import FEATURES, features
from models.states.unit_tracking import Sample, correlations
from models.zoo.python_text import DEFAULT_TEXT, Split, encode_python_source, source_files

LEVELS = dict.fromkeys(FEATURES, (0, 1)) | {
    "bracket_depth": (0, 1, 2),
    "line_position": (10, 40, 70),
    "indentation": (0, 4, 8),
}
"""Values of each feature at which the mean of its unit is measured."""


def tracking_units(module: LanguageModel, limit: int = 8000) -> dict[str, dict[str, Any]]:
    """Return the state that follows each of ``FEATURES`` best, over the first ``limit`` characters of each file.

    The state is the one with the largest correlation on the validation files. Its correlation, and its means at the values of
    the feature in ``LEVELS``, are measured on the held-out files.
    """
    (names, chosen), (_, measured) = (_states_and_features(module, part, limit) for part in ("validation", "held-out"))
    found = {}
    for feature in FEATURES:
        on_validation, on_held_out = correlations(chosen, measured, feature)
        best = int(np.abs(np.nan_to_num(on_validation)).argmax())
        layer, unit, quantity = names[best]
        values = measured.properties[feature]
        at = {level: measured.states[values == level, best] for level in LEVELS[feature]}
        found[feature] = {
            "layer": layer,
            "unit": unit,
            "quantity": quantity,
            "correlation": round(float(on_held_out[best]), 3),
            "means": {str(level): round(float(states.mean()), 2) for level, states in at.items() if len(states)},
        }
    return found


def _states_and_features(module: LanguageModel, part: Split, limit: int) -> tuple[list[tuple[str, int, str]], Sample]:
    """Return the (layer, unit, quantity) of each column of states, and the states and features of one split."""
    names: list[tuple[str, int, str]] = []
    states, properties = [], []
    for text in source_files(part).values():
        ids = torch.from_numpy(encode_python_source(text[:limit]).astype(np.int64))[None]
        with torch.no_grad(), capture(module) as trace:
            module(ids)
        layers = [(name, quantity) for name in trace.layers for quantity in ("cell", "hidden")]
        states.append(np.concatenate([trace.layers[name][quantity][0] for name, quantity in layers], axis=1))
        names = [(name, unit, quantity) for name, quantity in layers for unit in range(module.rnn.hidden_size)]
        properties.append(features(text[:limit]))
    return names, Sample(
        np.concatenate(states), {name: np.concatenate([each[name] for each in properties]) for name in FEATURES}
    )


SHOWN = {
    "inside_docstring": (
        '"""Say hello',
        "The {state} of unit {unit} follows being inside a docstring: {r}; it averages {at1} inside and {at0} outside. "
        "At this time step a docstring is open.",
        "유닛 {unit}의 {state}는 독스트링 안에 있는지를 따라가요({r}; 평균: 안 {at1}, 밖 {at0}). "
        "이 시점에는 독스트링이 열려 있어요.",
    ),
    "inside_string": (
        '["hello',
        "The {state} of unit {unit} follows being inside quotes: {r}; it averages {at1} inside and {at0} outside. "
        "At this time step a string is open.",
        "유닛 {unit}의 {state}는 따옴표 안에 있는지를 따라가요({r}; 평균: 안 {at1}, 밖 {at0}). "
        "이 시점에는 문자열이 열려 있어요.",
    ),
    "inside_quotes": (
        '"""Say hello',
        "The {state} of unit {unit} follows being inside a string or docstring: {r}; it averages {at1} inside and {at0} "
        "outside. At this time step a docstring is open.",
        "유닛 {unit}의 {state}는 문자열이나 독스트링 안에 있는지를 따라가요({r}; 평균: 안 {at1}, 밖 {at0}). "
        "이 시점에는 독스트링이 열려 있어요.",
    ),
    "indentation": (
        'print(" ".join',
        "The {state} of unit {unit} follows the indentation: {r}; it averages {at0} in lines without indentation, {at4} "
        "after 4 spaces and {at8} after 8. This line starts with 8 spaces; see how long the value stays.",
        "유닛 {unit}의 {state}는 줄의 들여쓰기를 따라가요({r}; 평균: 들여쓰기 없음 {at0}, 4칸 {at4}, 8칸 {at8}). "
        "이 줄은 8칸을 들여 썼어요. 값이 언제까지 유지되는지 보세요.",
    ),
}
"""By feature: the text of ``DEFAULT_TEXT`` up to the step that is shown, and the reason for the view, English and Korean."""


def python_default_view(module: LanguageModel) -> dict[str, Any]:
    """Return a view of the state that correlates most with one of the features in ``SHOWN``."""
    units = tracking_units(module)
    feature = max(SHOWN, key=lambda name: abs(units[name]["correlation"]))
    best = units[feature]
    until, english, korean = SHOWN[feature]
    state = {"cell": ("cell state", "셀 상태"), "hidden": ("hidden state", "은닉 상태")}[best["quantity"]]
    values = {f"at{level}": f"{best['means'].get(str(level), math.nan):.2f}" for level in LEVELS[feature]}
    values["unit"] = str(best["unit"])
    r = f"r = {best['correlation']:.2f}"
    return {
        "text": DEFAULT_TEXT,
        "layer": best["layer"],
        "unit": best["unit"],
        "step": DEFAULT_TEXT.index(until) + len(until) - 1,
        "quantity": best["quantity"],
        "why": {
            "en": english.format(state=state[0], r=f"{r} on source code not used in training", **values),
            "ko": korean.format(state=state[1], r=f"학습에 쓰지 않은 소스 코드에서 {r}", **values),
        },
    }
