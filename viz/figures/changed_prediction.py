"""A prediction before and after an edit."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.reading import ClassPrediction, Reading, SymbolPrediction, ValuePrediction
from viz.colours import KIND, Theme
from viz.figures.curves import add_curve
from viz.figures.strokes import INK, finish, step_axis
from viz.i18n import _

PAIR = (KIND["LSTM"], KIND["RNN"])
TOP = 5


def changed_prediction(
    before: Reading, after: Reading, *, step: int, was: int | None, language: str = "en", theme: Theme = "light"
) -> go.Figure | None:
    """Two bars for each candidate and, over the steps, the probability of what came next (or the predicted value).

    Args:
        before, after: the readings.
        step: of the edited sequence, from 0.
        was: that step before the edit; None for an inserted one.
        language: of the classes' names.
        theme: "light" or "dark".

    Returns:
        None where nothing is predicted.
    """
    old, new = before.prediction, after.prediction
    if isinstance(old, ClassPrediction) and isinstance(new, ClassPrediction):
        figure = go.Figure()
        _bars(figure, list(new.classes[language]), old.probability, new.probability, theme)
        return finish(figure, theme, height=260)
    if isinstance(old, ValuePrediction) and isinstance(new, ValuePrediction):
        figure = go.Figure()
        for column in range(new.value.shape[1]):
            first = column == 0
            add_curve(
                figure,
                new.following[:, column],
                after.prediction_labels,
                name=_("true"),
                colour=INK[theme],
                dash="dot",
                legend=first,
            )
            _curves(figure, old.value[:, column], new.value[:, column], before, after, theme, legend=first)
        figure.update_xaxes(title_text=_("step"), **step_axis(after.prediction_labels))
        return finish(figure, theme, height=300)
    if not (isinstance(old, SymbolPrediction) and isinstance(new, SymbolPrediction)):
        return None
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.38, 0.62],
        horizontal_spacing=0.09,
        subplot_titles=(
            _("after step {step}, “{token}”").format(step=step + 1, token=after.prediction_labels[step]),
            _("probability of what came next"),
        ),
    )
    ids = list(dict.fromkeys([*new.top(TOP)[step], *([] if was is None else old.top(TOP)[was])]))[: TOP + 2]
    past = np.full(len(ids), np.nan) if was is None else old.probability[was, ids]
    _bars(figure, [new.vocabulary[each] for each in ids], past, new.probability[step, ids], theme, row=1, col=1)
    first, second = (np.exp2(-each.surprise) for each in (old, new))
    _curves(figure, first, second, before, after, theme, legend=False, row=1, col=2)
    figure.update_yaxes(range=[0, 1.12], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1])
    figure.update_xaxes(title_text=_("step"), row=1, col=2, **step_axis(after.prediction_labels))
    figure.add_vline(x=step, line={"width": 1, "dash": "dot", "color": INK[theme]}, row=1, col=2)
    figure = finish(figure, theme, height=320)
    figure.update_layout(legend={"y": -0.16, "yanchor": "top"}, margin={"b": 80})
    return figure


def _bars(figure: go.Figure, names: list[str], old: np.ndarray, new: np.ndarray, theme: Theme, **where: int) -> None:
    for name, values, colour in ((_("before"), old, PAIR[0]), (_("after"), new, PAIR[1])):
        figure.add_bar(
            x=list(range(len(names))), y=values, name=name, marker_color=colour[theme], legendgroup=name,
            text=[f"{value:.2f}" for value in values], textposition="outside", cliponaxis=False,
            hovertemplate="%{y:.4g}", **where,
        )  # fmt: skip
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, **where)


def _curves(
    figure: go.Figure,
    old: np.ndarray,
    new: np.ndarray,
    before: Reading,
    after: Reading,
    theme: Theme,
    legend: bool,
    **where: int,
) -> None:
    for name, values, labels, colour, dash in (
        (_("before"), old, before.prediction_labels, PAIR[0], "solid"),
        (_("after"), new, after.prediction_labels, PAIR[1], "dash"),
    ):
        add_curve(figure, values, labels, name=name, colour=colour[theme], dash=dash, legend=legend, **where)
