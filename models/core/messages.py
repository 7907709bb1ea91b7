"""What there is to tell a reader, as one sentence that can be told in any language."""

from __future__ import annotations

from typing import Any


class Sentence:
    """A sentence about some values.

    Attributes:
        sentence: in English, with ``{names}`` in the place of ``values``.
        values: what stands in their place.
    """

    def __init__(self, sentence: str, **values: Any) -> None:
        """Say ``sentence`` of ``values``."""
        self.sentence, self.values = sentence, values

    def __str__(self) -> str:
        return self.sentence.format(**self.values)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class Problem(Sentence, ValueError):
    """Something given cannot be used; the message is one sentence that says what is wrong and what would be right."""

    def __init__(self, sentence: str, **values: Any) -> None:
        """Say ``sentence`` of ``values``."""
        super().__init__(sentence, **values)
        ValueError.__init__(self, str(self))
