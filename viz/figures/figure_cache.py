"""Figures that were drawn lately, shared by all sessions: a page draws the same figures of the same values at every rerun."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from threading import Lock
from typing import ParamSpec

import plotly.graph_objects as go

from viz.i18n import language

MAX_BYTES = 64 << 20
"""Bytes of the arguments of all figures that are kept."""

Arguments = ParamSpec("Arguments")
_figures: OrderedDict[tuple[Callable[..., go.Figure], str, bytes], tuple[go.Figure, int]] = OrderedDict()
_lock = Lock()


def cached_figure(draw: Callable[Arguments, go.Figure]) -> Callable[Arguments, go.Figure]:
    """Return a function that draws the figure of the same arguments once in each language; nobody modifies the figure.

    Arguments are equal if all bytes of their pickles are: different values always give different figures. A figure whose
    arguments cannot be pickled is drawn each time.
    """

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> go.Figure:
        try:
            content = pickle.dumps((args, kwargs), protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError):
            return draw(*args, **kwargs)
        key = (draw, language(), blake2b(content).digest())
        with _lock:
            if key in _figures:
                _figures.move_to_end(key)
                return _figures[key][0]
        figure = draw(*args, **kwargs)
        with _lock:
            _figures[key] = figure, len(content)
            size = sum(each for _figure, each in _figures.values())
            while size > MAX_BYTES:
                size -= _figures.popitem(last=False)[1][1]
        return figure

    return drawn
