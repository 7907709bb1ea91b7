"""Write the views of lessons as files that need no server: ``python -m viz.show LESSON FOLDER``."""

import argparse
import sys
from pathlib import Path

from models.core.messages import Problem
from viz.i18n import LANGUAGES, translate
from viz.lessons.find_lessons import read_lessons, shipped_lessons
from viz.lessons.lesson import Lesson
from viz.show.lesson_folder import save_lesson_views


def named_lesson(name: str) -> Lesson:
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


def main(arguments: list[str]) -> int:
    """Write the folder; return 1 with one sentence where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m viz.show", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("lesson", help="number or name of a lesson, or the folder of one")
    parser.add_argument("folder", help="folder to write to")
    parser.add_argument("--app", help="address of a running app, to which the files have links")
    parser.add_argument("--lang", choices=list(LANGUAGES), default="en", help="language that is shown first")
    chosen = parser.parse_args(arguments)
    try:
        print(save_lesson_views(named_lesson(chosen.lesson), chosen.folder, app=chosen.app, lang=chosen.lang))
    except (Problem, OSError) as problem:
        print(translate(problem) if isinstance(problem, Problem) else problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
