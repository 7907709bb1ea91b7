"""The blocks of a lesson, ``view``, ``predict`` and ``check``, from the fields of their YAML."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from models.core.messages import Problem
from viz.address import MAX_EDITS, MAX_NAME, MAX_NUMBER, MAX_TEXT
from viz.lessons.lesson import (
    AnswerChoice,
    AnswerForm,
    ChoiceForm,
    LensView,
    NumberForm,
    Question,
    QuestionKind,
    QuestionPlace,
    SketchForm,
)
from viz.lessons.lesson_markdown import MarkdownProblem, check_markdown
from viz.lessons.yaml_fields import Fields
from viz.panel_choice import LENS_PANELS
from viz.view_options import split_unknown_options

MAX_LINE, MAX_MARKDOWN, MAX_ANSWER, MAX_CHOICES = 300, 4000, 1000, 8
"""Characters of a title, of a question's text and of an answer's expression; choices of a question."""

MAX_PANELS = 3

ANSWER_FIELD = re.compile(r"\{answer(?::(?P<format>[^{}]*))?\}")
"""The right answer in an explanation."""

ANSWER_FORMAT = re.compile(r"[+,]?(?:\.\d)?[efg%d]?[가-힣]*")
"""How the answer may be formatted: as Python's format specifications, and a Korean particle (``viz.josa``)."""

_KEY = re.compile(r"\w{1,40}")
_NUMBER = re.compile(r"[-+]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:e[-+]?\d{1,2})?", re.ASCII | re.IGNORECASE)


class FieldReader:
    """The fields of one block, with the problems of their values.

    Attributes:
        fields: the fields.
        add: adds a problem at a line.
    """

    def __init__(self, fields: Fields, add: Callable[[Problem, int], None]) -> None:
        """Read ``fields``; ``add`` is called with each problem and its line."""
        self.fields, self.add = fields, add
        self._known: list[str] = []

    def line(self, name: str) -> int:
        """Return the line of a field, of the block if it is missing."""
        return self.fields.lines.get(name, self.fields.line)

    def problem(self, name: str, problem: Problem) -> None:
        """Add a problem of a field."""
        self.add(problem, self.line(name))

    def text_of(self, name: str, *, required: bool = False, most: int = MAX_MARKDOWN) -> str:
        """Return the text of a field, "" if it is missing."""
        self._known.append(name)
        value = self.fields.values.get(name, "")
        if not isinstance(value, str):
            self.problem(
                name, Problem("“{name}” is not a text. Write it on one line, or after “{name}: |”.", name=name)
            )
            return ""
        if len(value) > most:
            self.problem(
                name, Problem("“{name}” has more than {most:,} characters. Make it shorter.", name=name, most=most)
            )
            return ""
        if required and not value.strip():
            self.problem(name, Problem("“{name}” is missing. Add a line “{name}: …”.", name=name))
        return value

    def line_of_text(self, name: str, *, required: bool = False) -> str:
        """Return the text of a field on one line."""
        return " ".join(self.text_of(name, required=required, most=MAX_LINE).split())

    def markdown_of(self, name: str, *, required: bool = False) -> str:
        """Return the Markdown of a field."""
        text = self.text_of(name, required=required).strip()
        self.check_markdown(name, text)
        return text

    def check_markdown(self, name: str, text: str) -> None:
        """Add the problem of a Markdown text, if it has one."""
        try:
            check_markdown(text, self.line(name))
        except MarkdownProblem as problem:
            self.problem(name, problem)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the Markdown texts of a list, () if it is missing."""
        self._known.append(name)
        value = self.fields.values.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.problem(name, Problem("“{name}” is not a list. Begin each line of it with “- ”.", name=name))
            return ()
        for each in value:
            self.check_markdown(name, str(each))
        return tuple(map(str, value))

    def optional(self, name: str, most: int = MAX_NAME) -> str | None:
        """Return the text of a field, None if it is missing."""
        text = self.text_of(name, most=most)
        return text if name in self.fields.values else None

    def whole_number(self, name: str, low: int = 0, high: int = MAX_NUMBER) -> int | None:
        """Return the whole number of a field, None if it is missing."""
        value = self.text_of(name, most=MAX_LINE).strip()
        if not value:
            return None
        if not re.fullmatch(r"\d{1,10}", value, re.ASCII) or not low <= int(value) <= high:
            self.problem(
                name,
                Problem(
                    "“{name}” cannot be “{value}”. Use a whole number from {low} to {high:,}.",
                    name=name,
                    value=value[:40],
                    low=low,
                    high=high,
                ),
            )
            return None
        return int(value)

    def mapping(self, name: str) -> dict[str, str] | None:
        """Return the texts of a mapping, None if it is missing."""
        self._known.append(name)
        if name not in self.fields.values:
            return None
        value = self.fields.values[name]
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            self.problem(name, Problem("“{name}” is not a list of “key: text”. Write one on each line.", name=name))
            return None
        return {key: str(text) for key, text in value.items()}

    def check_names(self) -> None:
        """Add a problem for each field that the block does not have."""
        for name in self.fields.values:
            if name not in self._known:
                self.problem(name, _no_such("field", name, self._known))


def _no_such(what: str, name: str, names: Iterable[str]) -> Problem:
    shown = ", ".join(dict.fromkeys(names))
    if what == "field":
        return Problem("There is no field “{name}” here. Use one of these: {names}.", name=name[:40], names=shown)
    if what == "panel":
        return Problem("This lens has no panel “{name}”. Use one of these: {names}.", name=name[:40], names=shown)
    return Problem("There is no lens “{name}”. Use one of these: {names}.", name=name[:40], names=shown)


def read_view(fields: FieldReader) -> LensView | None:
    """Return the view of a block; None if it names no lens."""
    lens = fields.line_of_text("lens", required=True)
    if lens and lens not in LENS_PANELS:
        fields.problem("lens", _no_such("lens", lens, LENS_PANELS))
    panels = tuple(filter(None, re.split(r"[,\s]+", fields.line_of_text("panels"))))
    for name in panels:
        if lens in LENS_PANELS and name not in LENS_PANELS[lens]:
            fields.problem("panels", _no_such("panel", name, LENS_PANELS[lens]))
    if len(panels) > MAX_PANELS:
        fields.problem(
            "panels", Problem("The view has {count} panels. Use at most {most}.", count=len(panels), most=MAX_PANELS)
        )
    view = LensView(
        lens,
        panels,
        net=fields.optional("net"),
        text=fields.optional("text", MAX_TEXT),
        layer=fields.optional("layer"),
        unit=fields.whole_number("unit"),
        step=fields.whole_number("step"),
        quantity=fields.optional("quantity"),
        edits=fields.text_of("edits", most=MAX_EDITS),
        source=fields.whole_number("source"),
        attend=fields.text_of("attend", most=MAX_EDITS),
        look=_options(fields),
        run=fields.optional("run"),
        training_step=fields.whole_number("training_step"),
        line=fields.fields.line,
    )
    fields.check_names()
    return view if lens in LENS_PANELS else None


def _options(fields: FieldReader) -> str:
    text = fields.text_of("look", most=MAX_EDITS)
    try:
        _known, unknown = split_unknown_options(text)
    except ValueError:
        fields.problem(
            "look", Problem("“look” cannot be “{value}”. Use the form order:mean;steps:0-99.", value=text[:60])
        )
        return ""
    if unknown:
        fields.problem(
            "look",
            Problem("No lens has the option “{name}”. Copy “look” from the link of a page.", name=unknown[0][:40]),
        )
    return text


def read_question(fields: FieldReader, kind: QuestionKind, view: LensView | None) -> Question | None:
    """Return the question of a block; None if it has no valid form.

    Args:
        fields: of the block.
        kind: its name.
        view: of its section.
    """
    ask, explain = fields.markdown_of("ask", required=True), fields.text_of("explain", required=True).strip()
    _check_explanation(fields, explain)
    answer = " ".join(fields.text_of("answer", required=True, most=MAX_ANSWER).split())
    form = _form(fields)
    place = _place(fields, view)
    fields.check_names()
    if form is None:
        return None
    return Question(kind, ask, form, answer, explain, place, fields.fields.line)


def _check_explanation(fields: FieldReader, explain: str) -> None:
    for found in ANSWER_FIELD.finditer(explain):
        if found["format"] and not ANSWER_FORMAT.fullmatch(found["format"]):
            fields.problem(
                "explain",
                Problem(
                    "“{field}” has no valid format. Use a form such as {example}.",
                    field=found[0],
                    example="{answer:.2g}",
                ),
            )
    fields.check_markdown("explain", ANSWER_FIELD.sub("0", explain))


def _place(fields: FieldReader, view: LensView | None) -> QuestionPlace:
    of_view = view or LensView("")
    net = fields.optional("net")
    text, layer, edits = (
        fields.optional("text", MAX_TEXT),
        fields.optional("layer"),
        fields.optional("edits", MAX_EDITS),
    )
    look, attend = fields.optional("look", MAX_EDITS), fields.optional("attend", MAX_EDITS)
    same_net = net in (None, of_view.net)
    return QuestionPlace(
        of_view.net if net is None else net,
        of_view.text if text is None else text,
        (of_view.edits if same_net else "") if edits is None else edits,
        (of_view.layer if same_net else None) if layer is None else layer,
        of_view.look if look is None else look,
        (of_view.attend if same_net else "") if attend is None else attend,
    )


def _form(fields: FieldReader) -> AnswerForm | None:
    given = [name for name in ("number", "choices", "sketch") if name in fields.fields.values]
    found = {"number": _number_form, "choices": _choice_form, "sketch": _sketch_form}
    forms = {name: read(fields) for name, read in found.items()}
    if len(given) == 1:
        return forms[given[0]]
    fields.problem(
        given[1] if given else "ask",
        Problem("A question has exactly one of these fields: {names}. Keep one.", names=", ".join(found)),
    )
    return None


def _number_form(fields: FieldReader) -> NumberForm | None:
    value = fields.optional("number")
    if value is None:
        return None
    parts = value.split()
    tolerance = _number(parts[0]) if parts else None
    if len(parts) != 2 or parts[1] not in ("relative", "absolute") or tolerance is None or tolerance < 0:
        fields.problem(
            "number",
            Problem(
                "“number” cannot be “{value}”. Use a tolerance, as in 0.1 relative or 0.05 absolute.", value=value[:40]
            ),
        )
        return None
    return NumberForm(tolerance, parts[1] == "relative")


def _choice_form(fields: FieldReader) -> ChoiceForm | None:
    found = fields.mapping("choices")
    if found is None:
        return None
    for key, text in found.items():
        fields.check_markdown("choices", text)
        if not _KEY.fullmatch(key) or not text.strip():
            fields.problem(
                "choices",
                Problem("The choice “{key}” is not valid. Write a key of letters, a colon and a text.", key=key[:40]),
            )
    if not 2 <= len(found) <= MAX_CHOICES:
        fields.problem(
            "choices", Problem("There are {count} choices. Use 2 to {most}.", count=len(found), most=MAX_CHOICES)
        )
        return None
    return ChoiceForm(tuple(AnswerChoice(key, text.strip()) for key, text in found.items()))


def _sketch_form(fields: FieldReader) -> SketchForm | None:
    found = fields.mapping("sketch")
    if found is None:
        return None
    low, high = (_number(found.get(name, "")) for name in ("low", "high"))
    if set(found) != {"low", "high"} or low is None or high is None or low >= high:
        fields.problem(
            "sketch", Problem("“sketch” needs a range. Write it as {example}.", example="{low: -1, high: 1}")
        )
        return None
    return SketchForm(low, high)


def _number(text: str) -> float | None:
    """Return a finite number, None if the text is none."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None
