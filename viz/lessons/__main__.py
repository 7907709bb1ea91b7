"""The linter on the command line: ``python -m viz.lessons FOLDER``.

It prints each problem as ``file:line: sentence``, and exits with 1 if there are any.
"""

import sys
from pathlib import Path

from viz.i18n import translate
from viz.lessons.check_lessons import check_folder
from viz.lessons.find_lessons import FOLDER, lesson_folders


def main(arguments: list[str]) -> int:
    """Check the lessons of a folder, by default those that come with the app."""
    folder = Path(arguments[0]) if arguments else FOLDER
    problems = check_folder(folder)
    for problem in problems:
        print(f"{problem.place}: {translate(problem)}")
    if not problems:
        count = len(lesson_folders(folder))
        print(f"{count} lesson{'s' * (count != 1)}, no problems.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
