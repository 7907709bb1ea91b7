"""Take a picture of every page: `python -m tests.gallery FOLDER [LENS ...]`.

Light and dark, 1440 and 1024 px wide, English and Korean, as FOLDER/step-dark-1024-ko.png; the Checkpoint lens also with
defective files, as FOLDER/checkpoint-sick-dark-1024-ko.png. The Train lens shows a run of an experiment.
"""

import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from models.training.presets import PRESETS
from models.training.training_loop import train
from tests.support.browser import (
    NO_CHROMIUM,
    find_chromium,
    launch_browser,
    opened_page,
    rerun,
    save_screenshot,
    serve,
)
from tests.support.specimens import specimens
from viz.pages import LENSES

SCHEMES = ("light", "dark")
WIDTHS = (1440, 1024)
LANGUAGES = {"en": "en-US", "ko": "ko-KR"}


def main(folder: Path, names: list[str]) -> None:
    """Save pictures of the lenses of these names, or of all, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as runs, serve(runs) as url, launch_browser() as browser:
        if not names or "train" in names:
            for variant in PRESETS[0].variants:
                train(variant.options, Path(runs) / variant.name)
        for lens, scheme, width, lang in product(LENSES, SCHEMES, WIDTHS, LANGUAGES):
            if names and lens.name not in names:
                continue
            address = url if lens is LENSES[0] else f"{url}/{lens.name}"
            files = {"": b""} | (specimens() if lens.name == "checkpoint" else {})
            for file, content in files.items():
                name = "-".join(filter(None, (lens.name, file.split(".")[0], scheme, str(width), lang)))
                with opened_page(browser, address, scheme=scheme, width=width, locale=LANGUAGES[lang]) as page:
                    if file:
                        upload = {"name": file, "mimeType": "application/octet-stream", "buffer": content}
                        box = page.locator("input[type=file]").first
                        rerun(page, lambda box=box, upload=upload: box.set_input_files(upload))
                    save_screenshot(page, folder / f"{name}.png")
                print(folder / f"{name}.png")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tests.gallery FOLDER [LENS ...]")
    if not find_chromium():
        sys.exit(NO_CHROMIUM)
    main(Path(sys.argv[1]), sys.argv[2:])
