"""Places of a corpus as lines of text, aligned at the match, each token coloured by one unit's value."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import streamlit as st

from models.core.tokenize_text import display
from models.corpus.corpus_index import CorpusIndex
from viz.colours import signed_colour_parts
from viz.escape import csv_cell, file_name
from viz.i18n import _
from viz.pages.page_elements import page_theme
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.property_titles import property_title
from viz.pages.states.tracking_panel import PROPERTIES
from viz.session import get_session

BEFORE, AFTER = 40, 24
"""Characters before and after a match."""

AFTER_OPENED = 40
"""Tokens after a match that are opened with it."""

MAX_MATCH = 60
"""Characters of a match."""

SAID = ("inside_quotes", "inside_brackets", "inside_comment", "after_negation")
"""Built-in properties that are named beside a place where they are 1; the values of all are on hover."""


@dataclass(frozen=True)
class Hit:
    """A place of the corpus.

    Attributes:
        start, stop: its first token, and the one after its last.
        note: a remark, such as its distance.
    """

    start: int
    stop: int
    note: str


def hit_list(index: CorpusIndex, layer: str, quantity: str, unit: int, hits: Sequence[Hit], *, key: str) -> None:
    """Show places of a corpus, with buttons that open one in Step and save all as CSV or JSON.

    Args:
        index: of the corpus.
        layer, quantity, unit: whose value colours the tokens.
        hits: the places.
        key: of the elements in the page.
    """
    lines = _lines(index, layer, quantity, unit, hits)
    largest = max((float(np.abs(line.values).max(initial=0)) for line in lines), default=0.0) or 1.0
    rows = [_row(line, number, largest, layer, quantity, unit) for number, line in enumerate(lines, start=1)]
    st.html(_STYLE)
    st.html(f'<div class="unrolled-hits" data-hits="{len(hits)}">{"".join(rows)}</div>')
    opened, csv, as_json = st.columns([6, 1, 1], vertical_alignment="bottom")
    with opened:
        chosen = st.pills(_("Open in Step"), list(range(1, len(hits) + 1)), key=f"{key}_open")
    records = [line.record(number) for number, line in enumerate(lines, start=1)]
    with csv:
        st.download_button(
            _("CSV"),
            lambda: _csv(records),
            file_name=f"{file_name(key)}.csv",
            mime="text/csv",
            key=f"{key}_csv",
            on_click="ignore",
        )
    with as_json:
        st.download_button(
            _("JSON"),
            lambda: json.dumps(records, ensure_ascii=False, indent=1),
            file_name=f"{file_name(key)}.json",
            mime="application/json",
            key=f"{key}_json",
            on_click="ignore",
        )
    if chosen is not None:
        open_in_step(index, hits[chosen - 1], layer, quantity, unit)


def open_in_step(index: CorpusIndex, hit: Hit, layer: str, quantity: str, unit: int) -> None:
    """Open the document of a place in Step, from its first token to a little after the place, at the place's last token."""
    document = index.document_at(hit.start)
    stop = min(document.stop, hit.stop + AFTER_OPENED)
    text = index.document_text(document.number)
    if stop < document.stop:
        text = text[: int(index.read("places", stop))]
    get_session().navigate(
        text=text, step=hit.stop - 1 - document.start, layer=layer, quantity=quantity, unit=unit, look=""
    )
    from viz.pages import find_lens  # here, because viz.pages imports this page

    st.switch_page(find_lens("step").page())


@dataclass(frozen=True, eq=False)
class _Line:
    """A place with its context: tokens, their values, which of them are the match, and the properties of its first one."""

    hit: Hit
    first: int
    tokens: list[str]
    values: np.ndarray
    source: str
    document_step: int
    joined: str
    annotations: dict[str, float | str | None]

    def record(self, number: int) -> dict[str, object]:
        start, stop = self.hit.start - self.first, self.hit.stop - self.first
        return {
            "number": number,
            "source": self.source,
            "time_step": self.document_step + 1,
            "before": self.joined.join(self.tokens[:start]),
            "match": self.joined.join(self.tokens[start:stop]),
            "after": self.joined.join(self.tokens[stop:]),
            "note": self.hit.note,
            "value": float(self.values[stop - 1]) if len(self.values) >= stop else None,
            **{f"property:{name}": value for name, value in self.annotations.items()},
        }


def _annotations(index: CorpusIndex, hits: Sequence[Hit]) -> list[dict[str, float | str | None]]:
    """Return the properties at the first token of each place, None for those that have no value there."""
    starts = np.array([each.start for each in hits], dtype=np.int64)
    found: list[dict[str, float | str | None]] = [{} for _each in hits]
    for name in index.about["annotations"] if hits else ():
        labels = index.array(f"annotations/{name}").attrs.get("labels")
        for row, value in zip(found, index.read(f"annotations/{name}", starts).tolist(), strict=True):
            row[name] = (value if isfinite(value) else None) if labels is None else labels[value] or None
    return found


@cached_index_answer
def _lines(index: CorpusIndex, layer: str, quantity: str, unit: int, hits: Sequence[Hit]) -> list[_Line]:
    """Return the places with their context, all read at once."""
    characters = index.about["network"]["kind"] == "characters"
    before, after = (BEFORE, AFTER) if characters else (BEFORE // 5, AFTER // 4)
    documents = [index.document_at(hit.start) for hit in hits]
    firsts = [max(each.start, hit.start - before) for each, hit in zip(documents, hits, strict=True)]
    lasts = [min(each.stop, hit.stop + after) for each, hit in zip(documents, hits, strict=True)]
    tokens = index.texts_of_spans(firsts, lasts)
    values = index.read_spans(f"states/{layer}/{quantity}", firsts, lasts, unit)
    joined = "" if characters else " "
    return [
        _Line(hit, first, token, value.astype(np.float32), each.source, hit.start - each.start, joined, annotations)
        for hit, first, token, value, each, annotations in zip(
            hits, firsts, tokens, values, documents, _annotations(index, hits), strict=True
        )
    ]


def _row(line: _Line, number: int, largest: float, layer: str, quantity: str, unit: int) -> str:
    theme = page_theme()
    pieces = []
    start, stop = line.hit.start - line.first, line.hit.stop - line.first
    for place, (token, value) in enumerate(zip(line.tokens, line.values.tolist(), strict=True)):
        red, green, blue = signed_colour_parts(value, theme)
        shade = min(1.0, abs(value) / largest) * 0.75
        shown = html.escape(display(token)) + ("" if line.joined == "" else " ")
        marked = ' data-match=""' if start <= place < stop else ""
        pieces.append(
            f'<span{marked} style="background:rgba({red},{green},{blue},{shade:.2f})" title="{value:.3f}" '
            f'data-quantity="{quantity}" data-layer="{html.escape(layer)}" data-unit="{unit}" '
            f'data-step="{line.document_step - start + place}" data-value="{value}">{shown}</span>'
        )
    there = {name: value for name, value in line.annotations.items() if value is not None}
    said = [property_title(name) for name in SAID if there.get(name) == 1]
    said += [f"{name}: {_value(value)}" for name, value in there.items() if name not in PROPERTIES]
    source = html.escape(" · ".join(filter(None, (line.source, line.hit.note, *said))))
    everything = [f"{property_title(name)}: {_value(value)}" for name, value in there.items()]
    full = html.escape("\n".join((line.source, *everything)))
    return (
        f'<div class="unrolled-hit"><span class="number">{number}</span>'
        f'<span class="before"><bdi>{"".join(pieces[:start])}</bdi></span>'
        f"<b><bdi>{''.join(pieces[start:stop])}</bdi></b>"
        f'<span class="after"><bdi>{"".join(pieces[stop:])}</bdi></span>'
        f'<span class="source" title="{full}">{source}</span></div>'
    )


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    shown = f"{value:.0f}" if value.is_integer() and abs(value) < 1e16 else f"{value:g}"  # whole: perhaps an identifier
    return shown.replace("-", "−")


def _csv(records: Sequence[dict[str, object]]) -> str:
    if not records:
        return ""
    rows = [list(records[0]), *([_cell(value) for value in each.values()] for each in records)]
    return "\n".join(",".join(map(str, row)) for row in rows) + "\n"


def _cell(value: object) -> str:
    return "" if value is None else csv_cell(str(value))


_STYLE = """<style>
.unrolled-hits { display: grid; grid-template-columns: auto minmax(8rem, 1fr) auto minmax(8rem, 0.7fr) minmax(4rem, 0.5fr);
  font: 0.8rem / 1.7 ui-monospace, "Noto Sans Mono", "Noto Sans Mono CJK KR", monospace; column-gap: 0.3rem;
  row-gap: 1px; overflow-x: auto; }
.unrolled-hit { display: contents; white-space: pre; }
.unrolled-hit > * { overflow: hidden; }
.unrolled-hit > .before { direction: rtl; text-align: right; }
.unrolled-hit > .before > bdi { direction: ltr; }
.unrolled-hit > .after, .unrolled-hit > .source { text-overflow: ellipsis; }
.unrolled-hit > b { max-width: 24rem; outline: 1px solid currentColor; outline-offset: -1px; }
.unrolled-hit > .source { font-family: inherit; padding-left: 0.5rem; }
@media (max-width: 640px) { /* on a telephone, where a place is found stands below it */
  .unrolled-hits { grid-template-columns: auto minmax(0, 1fr) auto minmax(0, 0.7fr); }
  .unrolled-hit > b { max-width: 50vw; white-space: pre-wrap; overflow-wrap: anywhere; }
  .unrolled-hit > .source { grid-column: 2 / -1; padding: 0 0 0.4rem; white-space: normal; }
}
</style>"""
