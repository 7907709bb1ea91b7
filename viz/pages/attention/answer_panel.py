"""What was written, in words: how sure the network was, and whether it is a date at all."""

import datetime
from html import escape

import numpy as np
import streamlit as st

from models.core.tokenize_text import display
from models.decoding import Decoding
from viz.i18n import _
from viz.pages.page_elements import escape_markdown


def answer_in_words(decoding: Decoding) -> str:
    """The answer, its probability, where it was least sure, and what is wrong with it as a date."""
    least = int(decoding.token_probability.argmin())
    sentences = [
        _("The output is {answer}. The whole output has probability {chance}.").format(
            answer=f"**{escape_markdown(decoding.answer) or '∅'}**",
            chance=percent(float(np.exp(decoding.log_probability))),
        ),
        _("Least confident at step {step}: “{symbol}” ({chance}).").format(
            symbol=escape_markdown(display(decoding.target[least])),
            step=least + 1,
            chance=percent(float(decoding.token_probability[least])),
        ),
    ]
    if not decoding.finished:
        sentences.append(_("No end token was generated within {n} tokens.").format(n=len(decoding.target)))
    elif not is_date(decoding.answer):
        sentences.append(
            _("The output is not a valid ISO 8601 date or interval: the network outputs something for any input.")
        )
    return " ".join(sentences)


def percent(chance: float) -> str:
    """A probability to be read: never rounded to certainty."""
    if 0.9995 <= chance < 1:
        return ">99.9%"
    return "<0.1%" if 0 < chance < 0.0005 else f"{chance:.1%}"


def is_date(answer: str) -> bool:
    """Whether an answer is a date of the calendar, or two with a slash between, the earlier one first."""
    try:
        days = [datetime.date.fromisoformat(part) for part in answer.split("/")]
    except ValueError:
        return False
    return all(len(part) == 10 for part in answer.split("/")) and len(days) in (1, 2) and days == sorted(days)


def rows(answers: list[tuple[str, Decoding]], quantity: str, right: str | None = None) -> None:
    """Outputs below one another, symbol under symbol; what differs from the first row is marked.

    Args:
        answers: what each is, and the output.
        quantity: of the mirrored symbols, as ``data-quantity``; each row's ``data-group`` is its name.
        right: the right answer, where it is known; it is then the first row.
    """
    first = answers[0][1].target if right is None else (*right, END)
    lines = [] if right is None else [_row(_("correct answer"), [_cell(token, False, "", None) for token in first], "")]
    for name, decoding in answers:
        cells = [
            _cell(
                token,
                first[step : step + 1] != (token,),
                f'data-quantity="{quantity}" data-group="{escape(name)}" data-step="{step}" data-token="{escape(token)}"',
                float(chance),
            )
            for step, (token, chance) in enumerate(zip(decoding.target, decoding.token_probability, strict=True))
        ]
        lines.append(_row(name, cells, percent(float(np.exp(decoding.log_probability)))))
    st.html(f'<div style="{GRID}">{"".join(lines)}</div>')


def _row(name: str, cells: list[str], total: str) -> str:
    return (
        f'<div style="{NAME}">{escape(name)}</div><div style="{CELLS}">{"".join(cells)}</div>'
        f'<div style="{TOTAL}">{total}</div>'
    )


def _cell(token: str, different: bool, attributes: str, chance: float | None) -> str:
    """One symbol; below it, as a line, how probable it was."""
    bar = "" if chance is None else BAR.format(width=f"{chance:.3f}")
    value = "" if chance is None else f'title="{chance:.4f}" data-value="{chance!r}"'
    style = CELL + (DIFFERENT if different else "")
    return f'<span style="{style}" {attributes} {value}>{escape(display(token))}{bar}</span>'


END = "⊣"
GRID = "display:grid;grid-template-columns:max-content max-content 1fr;gap:8px 8px;align-items:center;overflow-x:auto"
NAME = "font-size:14px;white-space:nowrap"
TOTAL = "font-size:14px;font-variant-numeric:tabular-nums"
CELLS = "display:flex;gap:2px"
CELL = (
    "position:relative;display:inline-grid;place-items:center;min-width:22px;height:32px;padding-bottom:4px;"
    "font:600 17px var(--st-code-font,monospace);border:1px solid color-mix(in srgb,currentColor 25%,transparent);"
    "border-radius:5px;"
)
DIFFERENT = "outline:2px solid #d9651b;outline-offset:-2px;background:color-mix(in srgb,#d9651b 16%,transparent);"
BAR = (
    '<i style="position:absolute;left:4px;right:4px;bottom:3px;height:3px;border-radius:2px;background:currentColor;'
    'transform:scaleX({width});transform-origin:left"></i>'
)
