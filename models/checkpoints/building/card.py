"""The card of an opened network: only what the file itself specifies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from torch import nn

from models.checkpoints.building.checkpoint_module import PredictionKind
from models.checkpoints.building.compatibility import DecoderMatrix
from models.checkpoints.building.example_sequences import make_examples
from models.checkpoints.building.vocabulary import unknown_symbol
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.stacks import Stack
from models.decoding.run_network import run_network
from models.networks.network import DefaultView, ModelCard, Network

TASKS: dict[str, dict[str, str]] = {
    "next": {
        "en": "An opened file: what it was trained on is not known. It scores what comes next after every step.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 시점마다 다음에 올 것에 점수를 매겨요.",
    },
    "class": {
        "en": "An opened file: what it was trained on is not known. It scores the whole sequence after its last step.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 마지막 시점이 지나면 시퀀스 전체에 점수를 매겨요.",
    },
    "tag": {
        "en": "An opened file: what it was trained on is not known. It scores the classes of each time step.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 시점마다 클래스에 점수를 매겨요.",
    },
    "sequence": {
        "en": "An opened file: what it was trained on is not known. It takes in a sequence and generates another one.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 시퀀스를 받아 다른 시퀀스를 생성해요.",
    },
    "values": {
        "en": "An opened file: what it was trained on is not known. It outputs values at each time step.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 시점마다 값을 출력해요.",
    },
    "outputs": {
        "en": "An opened file: what it was trained on is not known. It outputs values for the whole sequence.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 시퀀스 전체에 대한 값을 출력해요.",
    },
    "nothing": {
        "en": "An opened file: what it was trained on is not known. Its recurrent layers run; nothing scores their output.",
        "ko": "열어 본 파일이에요. 무엇으로 학습했는지는 알 수 없어요. 순환층은 돌아가지만 출력에 점수를 매기는 것은 없어요.",
    },
}

WHY_THIS_UNIT = {
    "en": "Of the {units} units of this layer, unit {unit} changes most over this example: from {low} to {high}.",
    "ko": "이 층의 유닛 {units}개 중 이 예시에서 가장 크게 변하는 것은 유닛 {unit}번이에요. 값은 {low}에서 {high}까지예요.",
}
NO_FINITE_UNIT = {
    "en": "No unit of this layer stays a finite number here: its weights hold NaN or infinity, or its states explode.",
    "ko": "이 층의 유닛은 하나도 유한한 숫자로 남지 않아요. 가중치에 NaN이나 무한대가 있거나, 상태가 폭발해요.",
}


def make_card(
    checkpoint: CheckpointData,
    stack: Stack,
    embedding: str | None,
    matrix: DecoderMatrix | None,
    vocabulary: tuple[str, ...] | None,
    kind: str,
    predicts: PredictionKind | Literal["sequence"],
    classes: tuple[str, ...] | None,
    module: nn.Module,
    name: str,
) -> ModelCard:
    """Return the card of an opened network, without examples and without a default view."""
    kinds = dict.fromkeys(part.kind for part in stack.modules)
    architecture: dict[str, Any] = {
        "class": type(module).__name__,
        "cell": ", ".join(kinds),
        "hidden": max(part.hidden_size for part in stack.modules),
        "layers": sum(len(part.levels) for part in stack.modules),
        "embedding": None if embedding is None else stack.input_size,
    }
    used = {embedding, *((matrix.name, matrix.bias) if matrix else ())}
    unused = [layer for layer in checkpoint.found if layer not in stack.layers]
    unused += [tensor for tensor, stored in checkpoint.stored.items() if tensor not in used and stored.is_float]
    about = {"format": checkpoint.format, "unused": tuple(unused)} | dict(checkpoint.provenance)
    return ModelCard(
        name=name,
        title={"en": name, "ko": name},
        task=TASKS[predicts],
        kind="words" if kind == "ids" else kind,  # type: ignore[arg-type]
        scored="last" if predicts == "class" else "all",
        predicts=predicts,
        classes=None if classes is None else {"en": classes, "ko": classes},
        architecture=architecture,
        vocabulary=vocabulary,
        unknown=None if vocabulary is None else unknown_symbol(vocabulary),
        padding=None,
        particles=(),
        columns=stack.input_size if vocabulary is None else 0,
        parameters=sum(values.numel() for values in module.parameters()),
        data=about,
        training={},
        metrics={},
        examples=(),
        default=DefaultView("", "", 0, 0, "hidden", {}),
    )


def with_examples(network: Network) -> Network:
    """Return ``network`` with examples on its card, and a default view of the unit whose state varies most."""
    examples = make_examples(network)
    text = examples[0].text if examples else ""
    if not text:
        return network
    trace = run_network(network, text).trace
    name, layer = list(trace.layers.items())[-1]
    quantity = layer.weights.cell.states[0]
    values = layer[quantity][0]
    with np.errstate(invalid="ignore"):
        swing = values.max(axis=0) - values.min(axis=0)
    unit = int(np.where(np.isfinite(swing), swing, -1).argmax())
    step = int(np.abs(values[:, unit]).argmax())
    low, high = (f"{bound:.3g}" for bound in (values[:, unit].min(), values[:, unit].max()))
    values_of = {"unit": unit, "units": values.shape[1], "low": low, "high": high}
    why = WHY_THIS_UNIT if np.isfinite(swing[unit]) else NO_FINITE_UNIT
    start = DefaultView(
        text, name, unit, step, quantity, {lang: sentence.format(**values_of) for lang, sentence in why.items()}
    )
    return replace(network, card=replace(network.card, examples=examples, default=start))


def with_used(card: ModelCard, used: tuple[str, ...]) -> ModelCard:
    """Return the card without ``used`` among the tensors that are not run."""
    unused = tuple(each for each in card.data["unused"] if each not in used)
    return replace(card, data=card.data | {"unused": unused})
