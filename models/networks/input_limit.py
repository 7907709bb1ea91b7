"""The number of steps that an input may have."""

from contextvars import ContextVar

from models.core.messages import Problem
from models.core.tokenize_text import MAX_TEXT

MAX_INPUT_STEPS = 2000
"""Steps that ``Network.encode`` accepts by default."""

INPUT_LIMIT: ContextVar[int] = ContextVar("INPUT_LIMIT", default=MAX_INPUT_STEPS)
"""Steps that ``Network.encode`` accepts without ``limit``; the pages raise it for a reader who runs a longer sequence."""


class TooManyStepsError(Problem):
    """An input of more steps than are run at once.

    Attributes:
        count, limit: its steps, and those that are run.
    """

    def __init__(self, count: int, limit: int) -> None:
        """Store the two numbers."""
        super().__init__(
            "The input has {count} time steps, but at most {limit} are allowed. Use a shorter input.",
            count=f"{count:,}",
            limit=f"{limit:,}",
        )
        self.count, self.limit = count, limit


def check_length(text: str, most: int = MAX_TEXT) -> None:
    """Check that a text has no more than ``most`` characters, before it is split.

    Raises:
        Problem: it has more.
    """
    if len(text) > most:
        raise Problem(
            "This text has {count} characters, but at most {most} can be read. Use a shorter text.",
            count=f"{len(text):,}",
            most=f"{most:,}",
        )
