"""Runs that differ in the seed alone, compared as one: the mean over the seeds, and the range from run to run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from models.training.training_options import TrainingOptions
from viz.colours import CURVES, KIND, Theme
from viz.figures.training_curves import TrainingCurve
from viz.i18n import _
from viz.pages.train.run_names import run_title, split_token
from viz.pages.train.shown_run import ShownRun, known_scalars


@dataclass(frozen=True, eq=False)
class SeedGroup:
    """One run of the comparison, or all runs that differ in the seed alone.

    Attributes:
        runs: at least one.
        title, colour: in the charts.
    """

    runs: tuple[ShownRun, ...]
    title: str
    colour: str

    @property
    def cell(self) -> str | None:
        """The kind of cell; None of a training loop under ``watch``."""
        options = self.runs[0].options
        return None if options is None else options.cell

    def _recorded(self, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the training steps and the values of a scalar, of each run that has any."""
        recordings = [run.recording for run in self.runs if run.recording is not None]
        found = [known_scalars(recording, (name,)).get(name) for recording in recordings]
        return [each for each in found if each is not None and len(each[0])]

    def curve(self, name: str, title: str, *, dash: str = "solid", width: float = 2.0) -> TrainingCurve | None:
        """Return the curve of a scalar: of several runs the mean with the range, at the steps that all have; None without."""
        found = self._recorded(name)
        if len(found) < 2:
            return TrainingCurve(title, *found[0], colour=self.colour, dash=dash, width=width) if found else None
        steps = reduce(np.intersect1d, [each for each, _values in found])
        values = np.stack([each[np.isin(at, steps)] for at, each in found])
        mean, low, high = values.mean(0), values.min(0), values.max(0)
        return TrainingCurve(title, steps, mean, colour=self.colour, dash=dash, width=width, low=low, high=high)

    def last(self, name: str) -> list[float | None]:
        """Return the newest value of a scalar of each run; None of a run without one."""
        found = [float(values[-1]) for _steps, values in self._recorded(name)]
        return found + [None] * (len(self.runs) - len(found))

    def mean_and_range(self, values: Sequence[float | None], form: str) -> str:
        """Return a number of each run as a text: of several runs the mean and the range, and how many runs have one."""
        known = [value for value in values if value is not None]
        if not known:
            return "–"
        text = form.format(float(np.mean(known)))
        if len(known) > 1:
            text += f" ({form.format(float(np.min(known)))} – {form.format(float(np.max(known)))})"
        if len(known) < len(values):
            text += " · " + _("{n} of {total} runs").format(n=len(known), total=len(values))
        return text


def group_by_seed(runs: Sequence[ShownRun], theme: Theme) -> list[SeedGroup]:
    """Return the runs in groups of the same settings but for the seed; a run under ``watch`` is a group of its own.

    Groups of different cells have the colours of their cells.
    """
    groups: dict[tuple[TrainingOptions | str, int], list[ShownRun]] = {}
    before: Counter[TrainingOptions | str] = Counter()
    for run in runs:
        same = run.name if run.options is None else run.options
        but_seed = run.name if run.options is None else run.options.with_changes(seed=0)
        groups.setdefault((but_seed, before[same]), []).append(run)  # the same seed again: another line
        before[same] += 1
    titles = [_title(own) for own in groups.values()]
    count = Counter(titles)
    titles = [
        f"{title} · {run_title(own[0].name)}" if count[title] > 1 else title
        for title, own in zip(titles, groups.values(), strict=True)
    ]
    kinds = [None if own[0].options is None else own[0].options.cell for own in groups.values()]
    by_kind = None not in kinds and len(set(kinds)) == len(kinds)
    return [
        SeedGroup(tuple(own), title, (KIND[str(kind)] if by_kind else CURVES[place % len(CURVES)])[theme])
        for place, (own, title, kind) in enumerate(zip(groups.values(), titles, kinds, strict=True))
    ]


def _title(runs: Sequence[ShownRun]) -> str:
    """Return the title of one run, or of several that differ in the seed."""
    if len(runs) == 1:
        return run_title(runs[0].name)
    name = re.sub(r"-seed[0-9]+$", "", split_token(runs[0].name)[0])
    return _("{name}, {n} seeds").format(
        name=name, n=len({run.options.seed for run in runs if run.options is not None})
    )
