"""YAML of a lesson: a mapping of names to texts, small, without anchors, aliases and tags.

Every value is a text: YAML's own numbers, dates and booleans (``text: no``) would change what an author wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from models.core.messages import Problem

LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The loader that makes texts of all values: libyaml's, ten times as fast, where PyYAML has it."""

MAX_CHARACTERS = 20_000
"""Characters of one block of YAML at most."""

MAX_DEPTH, MAX_NODES = 4, 500
"""Levels and values of one block at most."""

Value: TypeAlias = "str | list[Value] | dict[str, Value]"


class YamlProblem(Problem):
    """A problem at a line of the YAML.

    Attributes:
        line: from 1.
    """

    def __init__(self, problem: Problem, line: int) -> None:
        """Store the sentence of ``problem`` with its line."""
        super().__init__(problem.sentence, **problem.values)
        self.line = line


@dataclass(frozen=True)
class Fields:
    """The fields of one block.

    Attributes:
        values: by name.
        lines: the line of each name in the file, from 1.
        line: the first line of the block.
    """

    values: dict[str, Value]
    lines: dict[str, int]
    line: int


def read_fields(text: str, line: int) -> Fields:
    """Return the fields of a block of YAML.

    Args:
        text: the YAML.
        line: the line of the file at which it begins, from 1.

    Raises:
        YamlProblem: it is not a mapping of names, too large, or has aliases or tags.
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlProblem(
            Problem("This block has more than {most:,} characters. Make it shorter.", most=MAX_CHARACTERS), line
        )
    try:
        _check_events(text, line)
        root = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise _syntax_problem(error, line) from None
    if root is None:
        return Fields({}, {}, line)
    if not isinstance(root, yaml.MappingNode):
        raise YamlProblem(Problem("This block has no fields. Write a name, a colon and a value on each line."), line)
    lines = {str(key.value): line + key.start_mark.line for key, _value in root.value}
    return Fields(_Converter(text, line).mapping(root), lines, line)


def _check_events(text: str, line: int) -> None:
    """Check the nesting, the size and the absence of aliases and tags, before any object is built."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=LOADER):
        here = line + event.start_mark.line
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise YamlProblem(
                Problem("This line has a name with & or *, which YAML repeats. Put the value in quotation marks."), here
            )
        if getattr(event, "tag", None) is not None:
            raise YamlProblem(
                Problem("This line has a value that begins with !. Put the value in quotation marks."), here
            )
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise YamlProblem(
                Problem(
                    "This block has more than {nodes} values or {depth} levels. Make it shorter.",
                    nodes=MAX_NODES,
                    depth=MAX_DEPTH,
                ),
                here,
            )


def _syntax_problem(error: yaml.YAMLError, line: int) -> YamlProblem:
    mark = getattr(error, "problem_mark", None)
    return YamlProblem(
        Problem(
            "This line is not valid YAML. Write “name: value”, and put a value with a colon or a quotation mark on lines "
            "of its own after “name: |”."
        ),
        line + (0 if mark is None else mark.line),
    )


class _Converter:
    """The conversion of nodes to texts, lists and dictionaries, with the line of each problem."""

    def __init__(self, text: str, line: int) -> None:
        self.rows, self.line = text.splitlines(), line

    def mapping(self, node: yaml.MappingNode) -> dict[str, Value]:
        """Return a mapping; no name occurs twice."""
        found: dict[str, Value] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in found:
                raise YamlProblem(
                    Problem("The name “{name}” occurs twice, or is not a name. Keep one.", name=str(key.value)[:40]),
                    self.line + key.start_mark.line,
                )
            found[key.value] = self.value(value)
        return found

    def value(self, node: yaml.Node) -> Value:
        """Return a value."""
        match node:
            case yaml.SequenceNode():
                return [self.value(each) for each in node.value]
            case yaml.MappingNode():
                return self.mapping(node)
        if not node.style:  # a plain one
            self._check_comment(node)
        return str(node.value)

    def _check_comment(self, node: yaml.Node) -> None:
        """Check that a text is not cut by a ``#``, which begins a comment."""
        last = re.escape(node.value.split()[-1]) if node.value.strip() else ""
        for number in range(node.start_mark.line, node.end_mark.line + 1):  # libyaml's end may be after the comment
            if last and number < len(self.rows) and re.search(rf"{last}\s+#", self.rows[number]):
                raise YamlProblem(
                    Problem(
                        "The text after # is a comment in YAML. Put the value in quotation marks, or delete the comment."
                    ),
                    self.line + number,
                )
