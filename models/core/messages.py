"""Messages to the user: sentences with values, which the user interface translates into any language."""

from __future__ import annotations

from typing import Any


class TitledName:
    """The name of a network in a sentence: the name itself in Python, its quoted title in the interface.

    Attributes:
        name: as in ``load_network(name)``.
        titles: by language.
    """

    def __init__(self, name: str, titles: dict[str, str]) -> None:
        """Store the name and its titles."""
        self.name, self.titles = name, titles

    def __str__(self) -> str:
        return self.name

    def title(self, language: str) -> str:
        """Return the title in a language, in quotation marks."""
        return f"“{self.titles.get(language, self.name)}”"


class Sentence:
    """A sentence with values.

    Attributes:
        sentence: in English, with ``{name}`` placeholders for ``values``.
        values: by placeholder name.
    """

    def __init__(self, sentence: str, **values: Any) -> None:
        """Store ``sentence`` and the ``values`` of its placeholders."""
        self.sentence, self.values = sentence, values

    def __str__(self) -> str:
        return self.sentence.format(**self.values)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class Problem(Sentence, ValueError):
    """Invalid user input; the message says in one sentence what is wrong and what to do."""

    def __init__(self, sentence: str, **values: Any) -> None:
        """Store ``sentence`` and the ``values`` of its placeholders."""
        super().__init__(sentence, **values)
        ValueError.__init__(self, str(self))

    def __reduce__(self) -> tuple[Any, ...]:  # a copy of another process is not formatted again
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[Problem], arguments: tuple[Any, ...]) -> Problem:
    """Return a problem with these arguments of an exception, without the call of its ``__init__``."""
    return kind.__new__(kind, *arguments)


class LinkProblem(Problem):
    """Invalid part of a link; the message says which one."""
