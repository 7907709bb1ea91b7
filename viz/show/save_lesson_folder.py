"""Write the views of a lesson as files that need no server, with an index, into a folder for any static host.

    python -m viz.show.save_lesson_folder LESSON FOLDER [--app ADDRESS] [--lang en]

LESSON is the number or name of a lesson, or the folder of one; ADDRESS that of a running app, to which the files have links;
the language is the one shown first.
"""

import argparse
import sys
from pathlib import Path

from models.core.messages import Problem
from models.core.parse_numbers import shorten
from viz.i18n import LANGUAGES, translate
from viz.lessons.find_lessons import read_lessons, shipped_lessons
from viz.lessons.lesson import Lesson
from viz.show.lesson_folder import save_lesson_views


def chosen_lesson(name: str) -> Lesson:
    """Return a lesson: by its number or name one that comes with the app, else that of a folder.

    Raises:
        Problem: there is none.
    """
    for lesson in shipped_lessons():
        if name in (lesson.name, str(lesson.number)):
            return lesson
    lessons, problems = read_lessons(Path(name))
    if problems:
        raise problems[0]
    if len(lessons) != 1:
        raise Problem("There is no lesson “{name}”. Name one by its number, or the folder of one.", name=name)
    return lessons[0]


def _written_index(lesson: Lesson, folder: str, app: str | None, lang: str) -> Path:
    """Write the folder, and return its index. Raises Problem: it cannot be written."""
    try:
        if Path(folder).exists() and not Path(folder).is_dir():
            raise Problem("“{folder}” is not a folder. Name a folder, or a new name for one.", folder=shorten(folder))
        return save_lesson_views(lesson, folder, app=app, lang=lang)
    except OSError as error:
        raise Problem(
            "The files cannot be written to “{folder}”: {reason}.",
            folder=shorten(folder),
            reason=(error.strerror or str(error)).lower(),
        ) from None


def main(arguments: list[str]) -> int:
    """Write the folder; return 1 with one sentence where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m viz.show.save_lesson_folder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lesson")
    parser.add_argument("folder")
    parser.add_argument("--app")
    parser.add_argument("--lang", choices=list(LANGUAGES), default="en")
    chosen = parser.parse_args(arguments)
    try:
        print(_written_index(chosen_lesson(chosen.lesson), chosen.folder, chosen.app, chosen.lang))
    except Problem as problem:
        print(translate(problem), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
