"""A lesson: its sections, each of text, at most one view of a lens, and questions.

`viz.lessons.read_lesson` makes these objects from Markdown; ``README.md`` in this folder documents the form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

QuestionKind = Literal["predict", "check"]


@dataclass(frozen=True)
class MarkdownBlock:
    """A part of a section's text.

    Attributes:
        markdown: without raw HTML and images; formulas between ``$`` or ``$$``.
        line: its first line in the file, from 1.
    """

    markdown: str
    line: int


@dataclass(frozen=True)
class LensView:
    """A view of a lens. Where a field is None or "", the lens uses its default.

    Attributes:
        lens: name of the lens ("gradients").
        panels: names of the panels to show, the first one at the top; empty: the player alone.
        net, text, layer, unit, step, quantity, edits, source, attend, look, run, training_step: as in `viz.address.View`.
        line: its first line in the file, from 1.
    """

    lens: str
    panels: tuple[str, ...] = ()
    net: str | None = None
    text: str | None = None
    layer: str | None = None
    unit: int | None = None
    step: int | None = None
    quantity: str | None = None
    edits: str = ""
    source: int | None = None
    attend: str = ""
    look: str = ""
    run: str | None = None
    training_step: int | None = None
    line: int = 0


@dataclass(frozen=True)
class NumberForm:
    """The form of a question whose answer is a number.

    Attributes:
        tolerance: the largest difference from the answer that counts as right.
        is_relative: whether the difference is divided by the magnitude of the answer.
    """

    tolerance: float
    is_relative: bool


@dataclass(frozen=True)
class AnswerChoice:
    """One choice: the key to which the answer computes, and its text in Markdown."""

    key: str
    text: str


@dataclass(frozen=True)
class ChoiceForm:
    """The form of a question with choices, one of which is right."""

    choices: tuple[AnswerChoice, ...]

    def text_of(self, key: str) -> str:
        """Return the text of the choice with a key."""
        return next(each.text for each in self.choices if each.key == key)


@dataclass(frozen=True)
class SketchForm:
    """The form of a question whose answer is a curve over the time steps, between ``low`` and ``high``."""

    low: float
    high: float


AnswerForm = NumberForm | ChoiceForm | SketchForm


@dataclass(frozen=True)
class QuestionPlace:
    """The network and the sequence of a question.

    Attributes:
        net: name of a network; None: the question does not name one.
        text: the input; None: the default of the network.
        edits: in the syntax of ``models.edits.edit_syntax``.
        layer: name of a layer; None: the network's default.
        look: options of the charts, as in a link: the call of a layer, a corpus.
        attend: edits of the attention, as in a link.
    """

    net: str | None = None
    text: str | None = None
    edits: str = ""
    layer: str | None = None
    look: str = ""
    attend: str = ""


@dataclass(frozen=True)
class Question:
    """A question to the reader; its right answer is computed (`viz.lessons.answers`).

    Attributes:
        kind: "predict": what follows it in the section is hidden until it is answered; "check": at the end of a lesson.
        ask: the question, in Markdown.
        form: what the reader gives as the answer.
        answer: the expression of the right answer.
        explain: Markdown, with ``{answer:.2g}`` for the right answer.
        place: the network and the sequence, those of the section's view unless the question names others.
        line: its first line in the file, from 1.
    """

    kind: QuestionKind
    ask: str
    form: AnswerForm
    answer: str
    explain: str
    place: QuestionPlace
    line: int = 0


Block = MarkdownBlock | LensView | Question

BlockT = TypeVar("BlockT", MarkdownBlock, LensView, Question)


@dataclass(frozen=True)
class Section:
    """A section, one screen of the page: its title and its blocks in their order."""

    title: str
    blocks: tuple[Block, ...]
    line: int = 0

    def _of_type(self, kind: type[BlockT]) -> Iterator[BlockT]:
        return (block for block in self.blocks if isinstance(block, kind))

    @cached_property
    def view(self) -> LensView | None:
        """The section's view, None if it has none."""
        return next(self._of_type(LensView), None)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """The section's questions in their order."""
        return tuple(self._of_type(Question))

    @cached_property
    def prediction(self) -> Question | None:
        """The section's first prediction, None if it has none."""
        return next((each for each in self.questions if each.kind == "predict"), None)

    @cached_property
    def markdown(self) -> str:
        """The section's text without its views and questions."""
        return "\n\n".join(block.markdown for block in self._of_type(MarkdownBlock))


@dataclass(frozen=True)
class LessonText:
    """A lesson in one language.

    Attributes:
        language: "en" or "ko".
        title, question: its title, and the question that it answers, as plain text.
        minutes: how long it takes.
        sources: what it is based on, each a line of Markdown with an address.
        textbooks: what textbooks get wrong, in Markdown; "" for nothing.
        sections: in their order.
        path: the file.
    """

    language: str
    title: str
    question: str
    minutes: int
    sources: tuple[str, ...]
    textbooks: str
    sections: tuple[Section, ...]
    path: Path

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """All questions in their order."""
        return tuple(each for section in self.sections for each in section.questions)

    @cached_property
    def checks(self) -> tuple[Question, ...]:
        """The checks in their order."""
        return tuple(each for each in self.questions if each.kind == "check")


@dataclass(frozen=True)
class Lesson:
    """A lesson in its languages.

    Attributes:
        name: in the address ("vanishing"): the folder's name without its number.
        number: its place in the order; 0 if the folder's name has no number.
        folder: the folder of its files.
        texts: by language; a lesson of one's own may have one language.
    """

    name: str
    number: int
    folder: Path
    texts: Mapping[str, LessonText]

    def in_language(self, language: str) -> LessonText:
        """Return the lesson in a language, in its first one if it is not written in that language."""
        return self.texts.get(language) or next(iter(self.texts.values()))
