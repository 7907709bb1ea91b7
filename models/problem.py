"""What is wrong with something that was given, as one sentence that can be told in any language."""

from __future__ import annotations

from typing import Any


class Problem(ValueError):
    """Something given cannot be used; the message is one sentence that says what is wrong and what would be right.

    Attributes:
        sentence: the sentence in English, with ``{names}`` in the place of ``values``.
        values: what stands in their place.
    """

    def __init__(self, sentence: str, **values: Any) -> None:
        """Say ``sentence`` of ``values``."""
        super().__init__(sentence.format(**values))
        self.sentence, self.values = sentence, values
