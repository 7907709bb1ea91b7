"""The network of a training run at one of its snapshots, with a card, so that every lens opens it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.core.messages import Problem
from models.core.seeded_random import seeded_random
from models.networks.network import DefaultView, Example, ModelCard, Network
from models.runs.run_folder import is_plain_file, replace_file
from models.runs.snapshots import list_snapshots
from models.training.check_options import MAX_PARAMETERS, check_options, check_parameters
from models.training.sequence_models import LastStepClassifier, NextTokenModel, SequenceModel, SeriesModel, layer_rates
from models.training.training_checkpoint import load_tensors, own_tensors
from models.training.training_data import TaskData
from models.training.training_options import TrainingOptions

OPTIONS, CARD = "options.json", "card.json"
MAX_BYTES = 16_000_000
"""The largest of these files that is read."""
MAX_LENGTH = 10_000
"""Characters of a title or a sentence of the card."""

TASK_NAMES: dict[str, dict[str, str]] = {
    "recall": {"en": "recall the city", "ko": "도시 기억하기"},
    "counting": {"en": "counting (aⁿbⁿ)", "ko": "개수 세기 (aⁿbⁿ)"},
    "characters": {"en": "characters of Python source", "ko": "파이썬 소스의 글자"},
    "sentiment": {"en": "sentiment", "ko": "감성 분석"},
    "dates": {"en": "dates", "ko": "날짜"},
    "text": {"en": "own text", "ko": "내 텍스트"},
    "series": {"en": "own series", "ko": "내 시계열"},
}
"""By task and language."""

TASK_SENTENCES: dict[str, dict[str, str]] = {
    "recall": {
        "en": "Predicts, at the end of a text, the city that was its first word.",
        "ko": "텍스트의 끝에서 첫 단어였던 도시를 예측해요.",
    },
    "counting": {
        "en": "Predicts the next character of strings aⁿbⁿ, separated by full stops.",
        "ko": "마침표로 구분된 문자열 aⁿbⁿ에서 다음 글자를 예측해요.",
    },
    "characters": {
        "en": "Predicts the next character of Python source.",
        "ko": "파이썬 소스에서 다음 글자를 예측해요.",
    },
    "sentiment": {
        "en": "Classifies an English or Korean review as positive or negative.",
        "ko": "영어나 한국어 리뷰를 긍정이나 부정으로 분류해요.",
    },
    "dates": {
        "en": "Continues a text with a date, after ⊢, with that date in ISO 8601 format and ⊣.",
        "ko": "날짜가 있는 텍스트 다음의 ⊢ 뒤에 그 날짜를 ISO 8601 형식과 ⊣로 이어 써요.",
    },
    "text": {
        "en": "Predicts the next token of the reader's own text.",
        "ko": "직접 넣은 텍스트에서 다음 토큰을 예측해요.",
    },
    "series": {
        "en": "Takes the values of the reader's own series as input, one row per time step, and predicts the next row.",
        "ko": "직접 넣은 시계열의 값을 시점마다 한 행씩 입력받아 다음 행을 예측해요.",
    },
}
"""By task and language."""

CARD_CLASSES: dict[str, type[SequenceModel]] = {
    each.__name__: each for each in (NextTokenModel, LastStepClassifier, SeriesModel)
}


def training_card(options: TrainingOptions, data: TaskData, module: SequenceModel) -> ModelCard:
    """Return the card of the network of a run, before training."""
    architecture: dict[str, Any] = {
        "class": type(module).__name__,
        "cell": options.cell,
        "hidden": options.units,
        "layers": options.layers,
        "embedding": options.embedding or None,
        "outputs": data.outputs,
    }
    why = {
        "en": "The last layer at the last time step of the sequence that is recorded during training.",
        "ko": "학습하는 동안 기록하는 시퀀스의 마지막 시점에서 마지막 층이에요.",
    }
    card = ModelCard(
        name="trained",
        title={key: f"{options.cell}: {name}" for key, name in TASK_NAMES[options.task].items()},
        task=TASK_SENTENCES[options.task],
        kind=data.kind,
        scored=data.scored,
        predicts=data.predicts,
        classes=data.classes,
        architecture=architecture,
        vocabulary=data.vocabulary,
        unknown=data.unknown,
        padding=data.padding,
        particles=data.particles,
        columns=data.columns,
        parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        data={"source": data.source},
        training={"seed": options.seed, "steps": 0, "decay": options.weight_decay},
        metrics={},
        examples=tuple(Example(text, language) for text, language in data.examples),
        default=DefaultView(data.probe, f"rnn.l{options.layers - 1}", 0, 0, "hidden", why),
        answer_step=data.answer_step,
    )
    last = len(network_in_training(module, card).tokens(data.probe)) - 1
    return replace(card, default=replace(card.default, step=last))


def network_in_training(module: SequenceModel, card: ModelCard) -> Network:
    """Return a network of the module as it is, for the tokens of a text; the module's mode is not changed."""
    return Network("trained", module, card.vocabulary, card)


def probe_of(network: Network) -> tuple[Tensor, Callable[[Any, Any], Tensor]]:
    """Return the fixed sequence that is recorded in training, and its loss as a function of the module's output."""
    card = network.card
    given = network.encode(card.default.text)
    if card.predicts == "class":
        return given, lambda outputs, _: -outputs.log_softmax(-1).max(-1).values.sum()
    if card.vocabulary is None:
        return given[:, :-1], lambda outputs, _: nn.functional.mse_loss(outputs, given[:, 1:])
    if card.answer_step is not None:
        answer = given[:, card.answer_step]
        return given, lambda outputs, _: nn.functional.cross_entropy(outputs[:, -1], answer)
    targets = given[0, 1:]
    return given[:, :-1], lambda outputs, _: nn.functional.cross_entropy(outputs[0], targets)


def write_settings(folder: Path, options: TrainingOptions, card: ModelCard) -> None:
    """Write the options and the card of a run into its folder."""
    replace_file(folder / OPTIONS, options.to_json().encode())
    replace_file(folder / CARD, json.dumps(asdict(card), ensure_ascii=False, indent=1).encode())


def is_training_folder(folder: str | Path) -> bool:
    """Return whether a folder has the settings of a training run of this app."""
    return is_plain_file(Path(folder) / OPTIONS)


def read_options(folder: str | Path) -> TrainingOptions:
    """Return the options of a run; the folder may be anybody's.

    Raises:
        Problem: it has none, or they are invalid.
    """
    path = Path(folder) / OPTIONS
    _check_file(path)
    options = TrainingOptions.from_json(path.read_text(encoding="utf-8", errors="replace"))
    check_options(options)
    return options


def read_card(folder: str | Path) -> ModelCard:
    """Return the card of a run; the folder may be anybody's.

    Raises:
        Problem: it has none, or it is damaged.
    """
    path = Path(folder) / CARD
    _check_file(path)
    try:
        card = ModelCard.load(path)
        _check_card(card)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Problem("The card of this run is damaged. Choose another run.") from error
    return card


def _check_file(path: Path) -> None:
    """Check that a file of a run is one, and not too large.

    Raises:
        Problem: it is missing, a link, or too large.
    """
    if not is_plain_file(path) or path.stat().st_size > MAX_BYTES:
        raise Problem(
            "This folder is not a run that was trained here: it has no {name}. Choose another run.", name=path.name
        )


def _check_card(card: ModelCard) -> None:
    """Check the types and the values of what the network and the pages use.

    Raises:
        ValueError: one is wrong.
    """
    words, outputs, default = card.vocabulary, card.architecture["outputs"], card.default
    texts: list[Any] = [
        card.unknown or "",
        card.padding or "",
        *card.particles,
        *(words or ()),
        default.text,
        default.layer,
    ]
    sentences = [of[language] for of in (card.title, card.task, default.why) for language in ("en", "ko")]
    texts += sentences
    texts += [each.text for each in card.examples]
    classes = card.classes or {}
    texts += [name for names in classes.values() for name in names]
    numbers = (card.columns, outputs, card.parameters, default.unit, default.step, card.answer_step or 0)
    right = (
        all(isinstance(each, str) for each in texts)
        and all(len(each) <= MAX_LENGTH for each in sentences)
        and all(type(each) is int and 0 <= each <= MAX_PARAMETERS for each in numbers)
        and (words is None) == (card.columns > 0) == (card.kind == "numbers")
        and (words is None or (len(words) > 0 and {card.unknown, card.padding} - {None} <= set(words)))
        and card.kind in ("characters", "words", "numbers")
        and card.scored in ("all", "last")
        and card.predicts in ("next", "class")
        and (card.predicts == "class") == bool(classes)
        and all(len(names) == outputs for names in classes.values())
        and (not classes or {"en", "ko"} <= classes.keys())
        and card.architecture["class"] in CARD_CLASSES
        and isinstance(card.training, dict)
        and isinstance(card.data, dict)
        and card.metrics == {}
    )
    if not right:
        raise ValueError("the card is invalid")


def network_of(folder: str | Path, training_step: int | None = None) -> Network:
    """Return the network of a run that ``train`` wrote, as it was at a training step.

    Args:
        folder: of the run.
        training_step: of the snapshot; the nearest one is opened. None for the last.

    Raises:
        Problem: the folder has no such run, no snapshot, or damaged files; or the run has zoneout, whose equations in
            evaluation are not those of any cell of ``models.core.cells`` (``models.training.zoneout_recording``).
    """
    options = read_options(folder)
    if options.zoneout or options.zoneout_cell:
        raise Problem(
            "The cells of this run average with the previous state (zoneout), so its network cannot be opened as one of "
            "{cell} cells. Open its recorded sequence from the Train page instead.",
            cell=options.cell,
        )
    return snapshot_network(folder, training_step)


def snapshot_network(folder: str | Path, training_step: int | None = None) -> Network:
    """Return the network of a run as ``network_of`` does, with zoneout too."""
    folder = Path(folder)
    options, card = read_options(folder), read_card(folder)
    snapshots = list_snapshots(folder)
    if not snapshots:
        raise Problem("This run has no snapshots of its weights yet. Wait for the first one.")
    step = (
        max(snapshots) if training_step is None else min(snapshots, key=lambda each: (abs(each - training_step), each))
    )
    inputs = card.columns if card.vocabulary is None else len(card.vocabulary)
    outputs = card.architecture["outputs"]
    check_parameters(options, inputs, outputs)
    kind: Any = CARD_CLASSES[card.architecture["class"]]
    further = ([0.0] * card.columns, [1.0] * card.columns) if kind is SeriesModel else ()
    with seeded_random():
        module: SequenceModel = kind(options, inputs, outputs, layer_rates(options), *further)
    try:
        tensors = load_file(snapshots[step])
    except (OSError, SafetensorError, ValueError) as error:
        raise Problem("The snapshot of training step {step} is damaged. Choose another one.", step=step) from error
    own = own_tensors(module)
    load_tensors(module, {name: values for name, values in tensors.items() if name in own})
    title = {
        "en": f"{card.title.get('en', '')} (training step {step:,})",
        "ko": f"{card.title.get('ko', '')} (학습 단계 {step:,})",
    }
    card = replace(card, name=f"{folder.name}@{step}", title=title, training=card.training | {"steps": step})
    return Network(card.name, module.eval(), card.vocabulary, card)
