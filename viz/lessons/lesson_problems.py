"""The error of a lesson: a sentence with the file and the line."""

from __future__ import annotations

from pathlib import Path

from models.core.messages import Problem


class LessonError(Problem):
    """A problem of a lesson's file.

    Attributes:
        path: the file, or the folder where a file is missing.
        line: from 1; 0 for the whole file.
    """

    def __init__(self, problem: Problem, path: Path, line: int = 0) -> None:
        """Store the sentence of ``problem`` with the place."""
        super().__init__(problem.sentence, **problem.values)
        self.path, self.line = path, line

    @property
    def place(self) -> str:
        """The file and the line, as compilers write them: ``en.md:12``."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)
