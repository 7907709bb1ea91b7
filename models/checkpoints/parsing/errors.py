"""The error of files that cannot be opened."""

from models.core.messages import Problem


class CheckpointError(Problem):
    """A file that cannot be opened as a checkpoint; one sentence says what was found and what to do."""


class LimitError(CheckpointError):
    """A file whose parsing takes more memory or time than it may."""
