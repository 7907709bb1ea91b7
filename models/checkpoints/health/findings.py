"""Findings of a health check: sentences, each with the measurements that support it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from models.core.messages import Sentence

Severity = Literal["broken", "warning", "note", "healthy"]
"""``"broken"``: cannot work; ``"warning"``: is unlikely to work well; ``"note"``: worth knowing; ``"healthy"``."""

SEVERITY_ORDER: tuple[Severity, ...] = ("broken", "warning", "note", "healthy")


@dataclass(frozen=True)
class Evidence:
    """One measurement that supports a finding.

    Attributes:
        where: the layer or tensor, followed by a colon and the gate if it concerns one gate: ``"rnn.l0: forget_gate"``.
        measure: what was measured.
        value: the result.
        threshold: the threshold that ``value`` was compared with, or None if ``value`` is a count.
        source: the publication that the threshold comes from; "" if it is our own.
        units: the units or rows concerned, at most ``MAX_LISTED_UNITS``.
        pairs: the pairs of units concerned, likewise.
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
    """One result of a health check.

    Attributes:
        severity: how serious it is.
        evidence: the measurements that support it.
    """

    def __init__(self, sentence: str, severity: Severity, evidence: Iterable[Evidence], **values: Any) -> None:
        """Create a finding of a sentence, whose placeholders are filled with ``values``."""
        super().__init__(sentence, **values)
        self.severity, self.evidence = severity, tuple(evidence)
