"""The command `unrolled` of an installed copy: it starts the app in the browser.

unrolled                      # the bundled networks
unrolled model.pt             # a checkpoint, or a run that `trace.save` wrote
unrolled runs/                # a folder of training runs, or of lessons
unrolled --lesson 7
unrolled --server.port 8600   # an option of `streamlit run`
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from viz.command_line import LESSON_OPTION

APP = Path(__file__).parent.parent / "app.py"
LESSONS = Path(__file__).parent / "lessons"

PACKAGES = (
    "babel", "distributed", "fsspec", "gensim", "h5py", "hangulpy", "latex2mathml", "markdown_it", "mdit_py_plugins",
    "plotly", "re2", "scipy", "simpleeval", "sklearn", "streamlit", "threadpoolctl", "yaml", "zarr",
)  # fmt: skip
"""What the app imports and `models` alone does not: the packages of the extra `app`."""

_STREAMLIT_OPTION = re.compile(r"--[a-zA-Z0-9]+\.[\w.]+(=.*)?", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the app, until it is interrupted; ``arguments``: those of the command line unless given."""
    own, options = split_options(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="unrolled", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", metavar="FILE | RUN")
    parser.add_argument(LESSON_OPTION, type=int, metavar="N")
    chosen = parser.parse_args(own)
    if problem := _problem(chosen.name, chosen.lesson):
        sys.exit(problem)
    if chosen.name is not None:
        passed = [chosen.name]
    else:
        passed = [] if chosen.lesson is None else [LESSON_OPTION, str(chosen.lesson)]
    from streamlit.web.cli import main as run_streamlit

    run_streamlit(["run", str(APP), *options, "--", *passed], prog_name="streamlit")


def _problem(name: str | None, lesson: int | None) -> str | None:
    """Return why the app cannot start, in one sentence, or None."""
    missing = ", ".join(each for each in PACKAGES if find_spec(each) is None)
    if missing:
        return f'The app needs packages that are not installed ({missing}): run pip install "unrolled[app]".'
    if name is not None and lesson is not None:
        return "Name a file or a lesson, not both."
    if name is not None and not name.endswith(("/", os.sep)) and not Path(name).exists():
        return f"There is no file or folder {name!r}."
    count = len(list(LESSONS.glob("[0-9][0-9]-*")))
    if lesson is not None and not 1 <= lesson <= count:
        return f"There is no lesson {lesson}: choose one from 1 to {count}."
    return None


def split_options(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the command's own arguments, and those of Streamlit, whose options have a dot in their names.

    >>> split_options(["--server.port", "8600", "run.npz"])
    (['run.npz'], ['--server.port', '8600'])
    """
    own: list[str] = []
    options: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        option = _STREAMLIT_OPTION.fullmatch(argument)
        (options if option else own).append(argument)
        if option and option[1] is None and rest:
            options.append(rest.pop(0))
    return own, options


if __name__ == "__main__":
    main()
