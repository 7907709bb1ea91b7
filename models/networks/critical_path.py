"""What must wait for what when a sequence is translated: the longest chain of layer steps before each position.

One turn is one layer at one position, or at any number of positions that do not need one another. A recurrent layer's step
needs the step before it; an attention layer needs only the layer below (Vaswani et al. 2017, table 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["forward", "backward", "encoder", "training", "writing"]


@dataclass(frozen=True)
class Waiting:
    """When each position of a source and an output can be computed at the earliest.

    Attributes:
        source: symbols of the source; the output's positions come after them.
        lines: (part, the first position, turns after which each position from there on is ready).
    """

    source: int
    lines: tuple[tuple[Part, int, tuple[int, ...]], ...]

    @property
    def last(self) -> int:
        """Turns until everything is written."""
        return max(max(moments) for part, _first, moments in self.lines if part != "training")


def recurrent(source: int, output: int) -> Waiting:
    """A recurrent encoder that reads both ways, and a recurrent decoder of one layer; in training the same."""
    return Waiting(
        source,
        (
            ("forward", 0, tuple(range(1, source + 1))),
            ("backward", 0, tuple(range(source, 0, -1))),
            ("writing", source, tuple(range(source + 1, source + output + 1))),
        ),
    )


def parallel(source: int, output: int, layers: int) -> Waiting:
    """A Transformer of ``layers`` in the encoder and in the decoder.

    In training the decoder computes all steps at once, as it is given the output. When it writes, each step needs the symbol
    before, and with it all layers of the step before.
    """
    encoder = tuple(("encoder", 0, (layer + 1,) * source) for layer in range(layers))
    training = tuple(("training", source, (layers + layer + 1,) * output) for layer in range(layers))
    writing = ("writing", source, tuple(layers * (step + 2) for step in range(output)))
    return Waiting(source, (*encoder, *training, writing))  # type: ignore[arg-type]
