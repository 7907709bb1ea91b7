"""The settings of one training run, and their JSON.

    options = TrainingOptions(task="recall", cell="LSTM", units=32, distance=30, clipping="norm")
    check_options(options)

Every field has PyTorch's name or the field's; ``models.training.framework_lines`` writes the same settings as lines of Keras
and PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any, Literal, get_args

from models.core.messages import Problem

TaskName = Literal["recall", "counting", "characters", "sentiment", "dates", "text", "series"]
CellKind = Literal["RNN", "LSTM", "GRU"]
Optimizer = Literal["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]
Clipping = Literal["off", "norm", "value"]
TimeMask = Literal["fresh", "variational", "keras"]
Initialization = Literal["pytorch", "keras", "orthogonal", "uniform", "normal"]
Level = Literal["characters", "words"]

CHOICES: dict[str, tuple[str, ...]] = {
    "task": get_args(TaskName),
    "level": get_args(Level),
    "cell": get_args(CellKind),
    "optimizer": get_args(Optimizer),
    "clipping": get_args(Clipping),
    "time_mask": get_args(TimeMask),
    "initialization": get_args(Initialization),
}
"""The values of the settings that are names."""

OWN_DATA = ("text", "series")
"""The tasks on data of one's own."""

MAX_JSON = 4_000_000
"""Characters of a JSON of options that is read: a text of the longest length, escaped."""


@dataclass(frozen=True)
class TrainingOptions:
    """The settings of one training run. ``models.training.check_options`` validates them.

    Attributes:
        task: ``"recall"`` (the city at the start of a text), ``"counting"`` (aⁿbⁿ), ``"characters"`` (Python source),
            ``"sentiment"``, ``"dates"``, or data of one's own: ``"text"``, ``"series"``.
        data: of the tasks ``"text"`` and ``"series"``: the text, or the CSV.
        level: of the task ``"text"``: its tokens.
        distance: of the task ``"recall"``: the most words between the city and the end.
        examples: number of sequences to train and validate on; 0 for all there are (own data, Python source), or
            ``DEFAULT_EXAMPLES`` of a generated task.
        cell: of all recurrent layers. units: H, of each. layers: L, stacked.
        embedding: size of the embedding; 0 for one-hot inputs. A series has none.
        tied: whether the output layer uses the embedding's weights (Press and Wolf 2017).
        optimizer: as in ``torch.optim``. momentum: of SGD.
        rate: the learning rate. weight_decay: as in ``torch.optim``.
        batch: B, sequences of a training step.
        epochs: passes over the training sequences. steps: training steps instead of epochs; 0 for epochs.
        sequence_length: T, time steps of a sequence cut from a text, a series or a string of aⁿbⁿ.
        bptt_length: time steps after which the backward pass is cut off (truncated BPTT); 0 for none.
        validation_share: share of the sequences that is used for validation only.
        validate_every: training steps between two validations; 0 for the end of each epoch.
        clipping: of the gradient: ``"norm"`` as ``clip_grad_norm_``, ``"value"`` as ``clip_grad_value_``.
        clip_threshold: its bound.
        input_dropout: of the first layer's input.
        depth_dropout: of the output of each recurrent layer but the last, as ``nn.LSTM(dropout=...)``.
        time_dropout: of h_{t-1} in the recurrent product.
        time_mask: ``"fresh"``: a mask for each time step; ``"variational"``: one for each sequence (Gal and Ghahramani 2016);
            ``"keras"``: one for each sequence and gate, as ``recurrent_dropout`` in Keras 3. The masks of the input and along
            depth are drawn in the same way.
        zoneout: probability that a unit's hidden state stays what it was (Krueger et al. 2016). zoneout_cell: of cell states.
        forget_bias: initial forget-gate bias of an LSTM, ``bias_ih`` plus ``bias_hh``; None for that of ``initialization``.
        initialization: ``"pytorch"``: uniform within 1 / sqrt(H); ``"keras"``: Glorot uniform, orthogonal recurrent weights,
            biases 0; ``"orthogonal"``: as PyTorch, with orthogonal recurrent weights; ``"uniform"``, ``"normal"``: all
            recurrent layers' weights with ``initial_scale``, biases 0.
        initial_scale: the bound, or the standard deviation, of ``"uniform"`` and ``"normal"``.
        patience: validations without improvement after which training stops; 0 for no early stopping.
        min_delta: the least decrease of the validation loss that is an improvement.
        seed: of data, weights and masks.
        record_every: training steps between two recordings of gradients and gates.
        snapshots: number of snapshots of the weights that are kept.
        minutes: the longest duration.
    """

    task: TaskName = "recall"
    data: str = ""
    level: Level = "characters"
    distance: int = 30
    examples: int = 0
    cell: CellKind = "LSTM"
    units: int = 32
    layers: int = 1
    embedding: int = 16
    tied: bool = False
    optimizer: Optimizer = "Adam"
    momentum: float = 0.0
    rate: float = 0.005
    weight_decay: float = 0.0
    batch: int = 32
    epochs: int = 10
    steps: int = 0
    sequence_length: int = 40
    bptt_length: int = 0
    validation_share: float = 0.1
    validate_every: int = 0
    clipping: Clipping = "norm"
    clip_threshold: float = 1.0
    input_dropout: float = 0.0
    depth_dropout: float = 0.0
    time_dropout: float = 0.0
    time_mask: TimeMask = "variational"
    zoneout: float = 0.0
    zoneout_cell: float = 0.0
    forget_bias: float | None = None
    initialization: Initialization = "pytorch"
    initial_scale: float = 0.1
    patience: int = 0
    min_delta: float = 0.0
    seed: int = 0
    record_every: int = 10
    snapshots: int = 40
    minutes: float = 30.0

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Return the settings as JSON, which ``from_json`` reads."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    def with_changes(self, **changes: Any) -> TrainingOptions:
        """Return the settings with some of them changed."""
        return replace(self, **changes)

    def sweep(self, **choices: Iterable[Any]) -> list[TrainingOptions]:
        """Return the options of a sweep, one for each combination: ``sweep(cell=("RNN", "LSTM"), seed=range(5))`` has ten."""
        return [self.with_changes(**dict(zip(choices, each, strict=True))) for each in product(*choices.values())]

    @classmethod
    def from_dict(cls, values: Any) -> TrainingOptions:
        """Return the settings of a JSON object; settings that it lacks have their default.

        Raises:
            Problem: it is not an object of settings of the right types.
        """
        known = {field.name: field for field in fields(cls)}
        if not isinstance(values, dict) or not values.keys() <= known.keys():
            raise Problem(
                "This file contains no training settings of this version. Choose the folder of a training run."
            )
        return cls(**{name: _typed(name, value, known[name].default) for name, value in values.items()})

    @classmethod
    def from_json(cls, text: str) -> TrainingOptions:
        """Return the settings of a JSON text, which may be anybody's.

        Raises:
            Problem: as ``from_dict``.
        """
        try:
            values = json.loads(text) if len(text) <= MAX_JSON else None
        except (ValueError, RecursionError):
            values = None
        return cls.from_dict(values)


def _typed(name: str, value: Any, default: Any) -> Any:
    """Return ``value`` as the type of a setting's default.

    Raises:
        Problem: it has another type.
    """
    kind: type = float if name == "forget_bias" else type(default)
    if value is None and default is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number and (type(value) is float or abs(value) < 1e300):
        return float(value)
    if type(value) is kind:
        return value
    raise Problem(
        "The setting “{name}” is {value}, which is not of its type. Choose the folder of a training run.",
        name=name,
        value=str(value)[:40],
    )
