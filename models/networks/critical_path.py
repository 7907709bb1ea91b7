"""Critical path of a translation: the longest chain of sequential operations before each position.

One sequential operation is one layer at one position, or at any number of positions that do not depend on one another. A
recurrent layer's step depends on the step before it; an attention layer only on the layer below (Vaswani et al. 2017,
table 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["forward", "backward", "encoder", "training", "writing"]


@dataclass(frozen=True)
class CriticalPath:
    """The sequential operations before each position of a source and an output.

    Attributes:
        source: number of source symbols; the output's positions come after them.
        lines: (part, its first position, sequential operations until each position from there on is computed).
    """

    source: int
    lines: tuple[tuple[Part, int, tuple[int, ...]], ...]

    @property
    def last(self) -> int:
        """Sequential operations until the whole output is generated."""
        return max(max(moments) for part, _first, moments in self.lines if part != "training")


def recurrent_critical_path(source: int, output: int) -> CriticalPath:
    """Return the path of a bidirectional recurrent encoder and a recurrent decoder of one layer; the same in training."""
    return CriticalPath(
        source,
        (
            ("forward", 0, tuple(range(1, source + 1))),
            ("backward", 0, tuple(range(source, 0, -1))),
            ("writing", source, tuple(range(source + 1, source + output + 1))),
        ),
    )


def transformer_critical_path(source: int, output: int, layers: int) -> CriticalPath:
    """Return the path of a Transformer with ``layers`` in the encoder and in the decoder.

    In training the decoder computes all steps at once from the target sequence. In generation each step depends on the symbol
    before, and so on all layers of the step before.
    """
    encoder = tuple(("encoder", 0, (layer + 1,) * source) for layer in range(layers))
    training = tuple(("training", source, (layers + layer + 1,) * output) for layer in range(layers))
    writing = ("writing", source, tuple(layers * (step + 2) for step in range(output)))
    return CriticalPath(source, (*encoder, *training, writing))  # type: ignore[arg-type]
