"""The recipe of a bundled network for ``python -m models.zoo.train``: how to build, train, measure and describe it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """Everything about one bundled network except its weights. Fields that are also on a card have the same meaning there.

    Attributes:
        steps: optimizer steps of the shipped network.
        seed: seed of the shipped network.
        train: (module, steps, seed, **options) -> seconds; trains the module in place.
        measure: module -> metrics on held-out data.
        default_view: module -> the default view, chosen by measuring the trained units.
        options: the names of the settings that ``train`` accepts and that can replace those in ``settings``.
        store: format of the weights on disk.
        on_gpu: whether ``train`` puts its batches on the module's device, so that it can train on a GPU.
    """

    title: dict[str, str]
    task: dict[str, str]
    kind: Literal["characters", "words", "numbers"]
    scored: Literal["all", "last"]
    architecture: dict[str, Any]
    data: dict[str, Any]
    settings: dict[str, Any]
    examples: tuple[dict[str, str], ...]
    steps: int
    train: Callable[..., float]
    measure: Callable[[Any], dict[str, Any]]
    default_view: Callable[[Any], dict[str, Any]]
    seed: int = 0
    predicts: Literal["next", "class", "sequence"] = "next"
    classes: dict[str, tuple[str, ...]] | None = None
    vocabulary: tuple[str, ...] | None = None
    target_vocabulary: tuple[str, ...] | None = None
    unknown: str | None = None
    padding: str | None = None
    particles: tuple[str, ...] = field(default=())
    columns: int = 0
    answer_step: int | None = None
    options: tuple[str, ...] = ()
    on_gpu: bool = False
    store: Literal["float32", "float16"] = "float32"
