"""Write a page that shows every figure of `viz/figures`: `python -m tests.figure_gallery FOLDER`.

FOLDER/index.html has a section for each function in `viz/figures` that returns a figure: its name, its file, the first
paragraph of its docstring, the view of the app that draws it, and the figure itself. Every figure is drawn by the app's own
pages from a bundled network; nothing is made up for the gallery. To add a figure, add the view that draws it to `VISITS`.
"""

from __future__ import annotations

import functools
import inspect
import pkgutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from urllib.parse import urlencode

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from streamlit.testing.v1 import AppTest

import viz.figures
from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from tests.support.inline_training import train_inline
from tests.support.lens_page import run, start

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Visit:
    """A view of the app, what to do there until its figures are drawn, and what it was started for."""

    lens: str
    view: dict[str, str]
    act: Callable[[AppTest], object] | None = None
    opened: Callable[[], Path] | None = None

    @property
    def address(self) -> str:
        """The view's address below that of the app."""
        return f"{'' if self.lens == 'step' else self.lens}?{urlencode(self.view)}"


def _backpropagate(page: AppTest) -> None:
    page.toggle(key="edit_gradients").set_value(True)


def _measure_times(page: AppTest) -> None:
    page.button(key="attention_measure").click()


def _train() -> Path:
    folder = Path(tempfile.mkdtemp())
    options = TrainingOptions(
        task="recall", cell="RNN", units=8, examples=64, steps=6, time_dropout=0.2, record_every=1
    )
    train(options, folder / "recall-rnn")
    return folder


def _measure_distances(page: AppTest) -> None:
    page.toggle(key="train_by_distance").set_value(True)


def _train_on_corpus(page: AppTest) -> None:
    train_inline()
    page.button(key="language_train_vectors").click()


def _answer_search(page: AppTest) -> None:
    train_inline()
    for name in ("readable_when", "fixed_points"):
        page.button(key=f"search_start_{name}").click()
        run(page)


VISITS = (
    Visit("step", {"net": "python-lm"}),
    Visit("states", {"net": "recall-lstm"}),
    Visit("states", {"net": "sentiment"}),
    Visit("gradients", {"net": "recall-lstm"}),
    Visit("edit", {"net": "counter", "edits": "rnn.l0.writes[0]=0"}, _backpropagate),
    Visit("attention", {"net": "dates-additive"}),
    Visit("attention", {"net": "dates-transformer"}, _measure_times),
    Visit("train", {"run": "recall-rnn"}, _measure_distances, _train),
    Visit("language", {}, _train_on_corpus),
    Visit(
        "search",
        {"net": "sentiment", "panel": "text_search,readable_when,fixed_points,-found_spans", "look": "given:mean"},
        _answer_search,
    ),
    Visit("checkpoint", {"net": "recall-lstm"}),
    Visit("checkpoint", {"net": "recall-lstm", "edits": "rnn.l0.weight_hh[forget_gate]*=0.5"}),
)


def figure_functions() -> dict[str, tuple[ModuleType, FunctionType]]:
    """Return the public functions of `viz.figures` that make a figure, by name, with their modules."""
    found = {}
    for info in pkgutil.iter_modules(viz.figures.__path__):
        module = import_module(f"viz.figures.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            types = dict(function.__annotations__)
            makes = types.pop("return", None) is go.Figure
            changes = go.Figure in types.values()
            if function.__module__ == module.__name__ and not name.startswith("_") and makes and not changes:
                found[name] = (module, function)
    return found


@contextmanager
def recorded() -> Iterator[dict[str, go.Figure]]:
    """Yield a dict that gets the first figure that each function makes, by the function's name.

    The pages must not be imported before, since they import the functions by name.
    """
    figures: dict[str, go.Figure] = {}

    def recording(function: FunctionType) -> Callable[..., go.Figure]:
        @functools.wraps(function)
        def record(*arguments, **options):
            figure = function(*arguments, **options)
            figures.setdefault(function.__name__, figure)
            return figure

        return record

    functions = figure_functions()
    for name, (module, function) in functions.items():
        setattr(module, name, recording(function))
    try:
        yield figures
    finally:
        for name, (module, function) in functions.items():
            setattr(module, name, function)


def draw_all() -> tuple[dict[str, go.Figure], dict[str, str]]:
    """Return every figure and the address of the view that drew it, by the function's name."""
    addresses: dict[str, str] = {}
    with recorded() as figures:
        for visit in VISITS:
            page = start(visit.lens, None if visit.opened is None else visit.opened(), **visit.view)
            if visit.act is not None:
                visit.act(page)
                run(page)
            addresses = dict.fromkeys(figures, visit.address) | addresses
    return figures, addresses


def summary(function: FunctionType) -> str:
    """Return the first paragraph of a function's docstring."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def page_html(figures: dict[str, go.Figure], addresses: dict[str, str]) -> str:
    """Return the gallery as one page that needs nothing from elsewhere."""
    entries, sections = [], []
    for name, (_module, function) in sorted(figure_functions().items()):
        path = Path(inspect.getsourcefile(inspect.unwrap(function)) or "").relative_to(ROOT).as_posix()
        drawn = figures[name].to_html(full_html=False, include_plotlyjs=False, default_width="100%")
        entries.append(f'<li><a href="#{name}">{name}</a></li>')
        sections.append(
            f'<section id="{name}"><h2>{name}</h2><p>{escape(summary(function))}</p>'
            f"<p><code>{path}</code>, drawn at <code>/{escape(addresses[name])}</code></p>{drawn}</section>"
        )
    return TEMPLATE.format(script=get_plotlyjs(), entries="".join(entries), sections="".join(sections))


TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Unrolled: figures</title>
<style>
  body {{ margin: 0 auto; max-width: 1000px; padding: 1rem; font: 15px/1.5 sans-serif; color: #31333f; }}
  ul {{ columns: 3; padding-left: 1.2rem; }}
  section {{ border-top: 1px solid #ddd; margin-top: 2rem; }}
  code {{ font-size: 13px; }}
</style><script>{script}</script></head>
<body><h1>The figures of Unrolled</h1><ul>{entries}</ul>{sections}</body></html>
"""


def main(folder: Path) -> None:
    """Write the gallery, and exit with an error that names the figures that no visit draws."""
    figures, addresses = draw_all()
    if missing := sorted(figure_functions().keys() - figures.keys()):
        sys.exit(f"No visit draws {', '.join(missing)}. Add a view that does to VISITS in tests/figure_gallery.py.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(page_html(figures, addresses), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.figure_gallery FOLDER")
    main(Path(sys.argv[1]))
