"""The line magic of IPython: ``%load_ext unrolled``, then ``%unrolled trace`` or ``%unrolled counter "aabb" lens=states``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from models.core.messages import Problem
from models.runs.run_folder import is_run_folder
from models.zoo.catalogue import network_names
from viz.i18n import translate
from viz.show.show_lens import Shown, show

OPTIONS = ("lens", "layer", "step", "unit", "quantity", "row", "app", "lang")
"""The arguments of `show` that a line may have, as ``name=value``."""


def add_line_magic(shell: Any) -> None:
    """Add ``%unrolled`` to a shell of IPython."""
    from IPython.core.error import UsageError

    def unrolled(line: str) -> Shown:
        """Show a variable, a bundled network or a run folder: %unrolled THING ["TEXT"] [lens=states] [step=3] ..."""
        try:
            return show_line(line, shell.user_ns)
        except Problem as problem:
            raise UsageError(translate(problem)) from None  # which IPython prints without a traceback

    shell.register_magic_function(unrolled, "line", "unrolled")


def show_line(line: str, variables: dict[str, Any]) -> Shown:
    """Return what a line shows.

    Args:
        line: the name of a variable, of a bundled network or of a run folder; a text; options.
        variables: of the notebook, by name.

    Raises:
        Problem: the line names nothing that can be shown.
    """
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""  # a path of Windows has backslashes
    try:
        words = list(lexer)
    except ValueError:
        raise Problem("A quotation mark is missing in this line.") from None
    options: dict[str, Any] = {}
    texts = []
    for word in words[1:]:
        option, equals, value = word.partition("=")
        if equals and option in OPTIONS:
            options[option] = value
        else:
            texts.append(word)
    if not words or len(texts) > 1:
        raise Problem("Write %unrolled, then one thing to show, and for a network its input in quotation marks.")
    name = words[0]
    if name not in variables and name not in network_names() and not is_run_folder(Path(name)):
        raise Problem(
            "“{name}” is neither a variable, nor a run folder, nor one of these networks: {names}.",
            name=name,
            names=", ".join(network_names()),
        )
    numbers = {
        each: int(value) for each, value in options.items() if value.isdecimal() and each in ("step", "unit", "row")
    }
    return show(variables.get(name, name), *texts, **{**options, **numbers})
