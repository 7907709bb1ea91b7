"""The arguments of one call of a recurrent layer, with Keras's names where it has one, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

from models.core.cells import GATE_COUNTS
from models.core.messages import LinkProblem, Problem
from models.core.parse_numbers import shorten

MERGE_MODES = ("", "concat", "sum", "ave", "mul")
"""How ``Bidirectional`` joins its two directions; "" for one direction."""

CALL_CHOICES: dict[str, tuple[str, ...]] = {
    "source": ("numbers", "text"),
    "cell": tuple(GATE_COUNTS),
    "merge": MERGE_MODES,
    "initialization": ("constant", "keras", "pytorch"),
    "padding": ("pre", "post"),
    "truncating": ("pre", "post"),
}
"""The values of the arguments that are names."""

CALL_BOUNDS: dict[str, tuple[int, int]] = {
    "units": (1, 64),
    "layers": (1, 4),
    "embedding": (1, 64),
    "num_words": (0, 10_000),
    "maxlen": (0, 60),
    "outputs": (1, 20),
    "seed": (0, 2**31 - 1),
}
"""The lowest and the highest value of the arguments that are integers."""


@dataclass(frozen=True)
class CallOptions:
    """The arguments of one call; the defaults are those of the study notes. ``check_call`` validates them.

    Attributes:
        source: ``"numbers"``, or ``"text"`` whose words become ids and then rows of an embedding.
        data: the numbers or the text; "" for an example.
        num_words: of a text: only ids below it are kept, as by Keras's ``Tokenizer``; 0 for all.
        embedding: of a text: D, the length of an embedding's row.
        cell: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        units: H.
        merge: how the outputs of two directions are joined; "" for one direction.
        layers: L, stacked.
        return_sequences, return_state, go_backwards: as in Keras.
        batch_first: as in PyTorch: whether the batch is the first axis, and time the second.
        reset_after: as in Keras, of a GRU.
        use_bias: whether there are biases.
        unit_forget_bias: as in Keras, of an LSTM: whether the forget gate's bias begins at 1, not 0.
        initialization: ``"constant"``; ``"keras"``: Glorot uniform kernels, orthogonal recurrent kernels; ``"pytorch"``:
            uniform within 1 / sqrt(H), the biases too.
        constant: the value of all weights if they are constant.
        seed: of the random weights.
        maxlen: length to which ``pad_sequences`` pads or cuts; 0 for the length of the longest sequence.
        padding, truncating: as in ``pad_sequences``: whether before the sequence (``"pre"``) or after it (``"post"``).
        mask: whether padding is masked.
        outputs: K, of an output layer after the call.
        tf32: whether matrix products round their factors to TF32, as on NVIDIA GPUs.
    """

    source: str = "numbers"
    data: str = ""
    num_words: int = 0
    embedding: int = 4
    cell: str = "LSTM"
    units: int = 3
    merge: str = "concat"
    layers: int = 1
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    batch_first: bool = True
    reset_after: bool = True
    use_bias: bool = True
    unit_forget_bias: bool = True
    initialization: str = "constant"
    constant: float = 0.1
    seed: int = 0
    maxlen: int = 0
    padding: str = "pre"
    truncating: str = "pre"
    mask: bool = False
    outputs: int = 1
    tf32: bool = False

    @property
    def directions(self) -> int:
        """1, or 2 if the layer is bidirectional."""
        return 2 if self.merge else 1

    @property
    def merged_size(self) -> int:
        """The size of the output of a level after its directions are joined."""
        return self.units * (2 if self.merge == "concat" else 1)

    def input_sizes(self, size: int) -> list[int]:
        """Return the size of each level's input; ``size``: D, of the first."""
        return [size, *[self.merged_size] * (self.layers - 1)]

    def with_call_changes(self, **changes: Any) -> CallOptions:
        """Return the arguments with some of them changed."""
        return replace(self, **changes)

    def to_link(self) -> str:
        """Return the arguments that differ from the defaults as JSON, which ``call_of_link`` parses."""
        default = asdict(CallOptions())
        changed = {name: value for name, value in asdict(self).items() if value != default[name]}
        return json.dumps(changed, ensure_ascii=False, separators=(",", ":"))


def call_of_link(text: str) -> CallOptions:
    """Return the call whose arguments a JSON object has, which may be anybody's.

    Raises:
        LinkProblem: an argument does not exist, is of another type, or is none of its ``CALL_CHOICES``.
        ValueError: it is not an object. Numbers need not be valid (``check_call``).
    """
    try:
        values = json.loads(text)
    except RecursionError:
        values = None
    default = asdict(CallOptions())
    if not isinstance(values, dict):
        raise ValueError("not the arguments of a call")
    for name, value in values.items():
        kinds = (int, float) if name == "constant" else (type(default.get(name)),)
        if name not in default or type(value) not in kinds or value not in CALL_CHOICES.get(name, (value,)):
            raise LinkProblem(
                (
                    "In the link, “{name}” of “call” cannot be “{value}”, so none of its arguments are used. "
                    "Choose them on the page."
                ),
                name=shorten(name),
                value=shorten(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)),
            )
    return CallOptions(**values | ({"constant": float(values["constant"])} if "constant" in values else {}))


def check_call(call: CallOptions) -> None:
    """Check the arguments of a call, apart from its data.

    Raises:
        Problem: one is not valid, or they do not fit together.
    """
    for name, choices in CALL_CHOICES.items():
        if getattr(call, name) not in choices:
            raise Problem(
                "“{value}” is not valid for “{name}”. Use one of these: {choices}.",
                value=str(getattr(call, name))[:40],
                name=name,
                choices=", ".join(choice for choice in choices if choice),
            )
    for name, (low, high) in CALL_BOUNDS.items():
        value = getattr(call, name)
        if not low <= value <= high:
            raise Problem(
                "“{name}” is {value:,}. Choose a whole number from {low:,} to {high:,}.",
                name=name,
                value=value,
                low=low,
                high=high,
            )
    if not (isfinite(call.constant) and abs(call.constant) <= 100):
        raise Problem("The constant of the weights is {value}. Choose a number from −100 to 100.", value=call.constant)
    if call.go_backwards and call.merge:
        raise Problem(
            "Keras's Bidirectional already has a layer that goes backwards, and refuses go_backwards. Choose one direction."
        )
