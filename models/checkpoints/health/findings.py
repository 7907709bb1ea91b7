"""What a verdict is made of: sentences, each with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from models.core.messages import Sentence

Severity = Literal["broken", "warning", "note", "healthy"]
"""``"broken"``: it cannot work; ``"warning"``: it will hardly work well; ``"note"``: worth knowing; ``"healthy"``."""

SEVERITY_ORDER: tuple[Severity, ...] = ("broken", "warning", "note", "healthy")


@dataclass(frozen=True)
class Evidence:
    """One number that was measured.

    Attributes:
        where: the layer or tensor, and the gate after a colon where it is one gate's: ``"rnn.l0: forget_gate"``.
        measure: what was measured.
        value: what came out.
        threshold: what it was held against; None where it is a count of what ``measure`` says.
        source: who set the threshold; "" where it is ours.
        units: the units or rows that it is about, not more than ``SHOWN``.
        pairs: the pairs of units that it is about, likewise.
    """

    where: str
    measure: Sentence
    value: float
    threshold: float | None = None
    source: str = ""
    units: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()


MAX_LISTED_UNITS = 100


class Finding(Sentence):
    """One thing that a verdict says.

    Attributes:
        severity: how bad it is.
        evidence: what it rests on.
    """

    def __init__(self, sentence: str, severity: Severity, evidence: Iterable[Evidence], **values: Any) -> None:
        """Say ``sentence`` of ``values``."""
        super().__init__(sentence, **values)
        self.severity, self.evidence = severity, tuple(evidence)
