"""The output of an encoder-decoder in words and as rows of tokens with their probabilities."""

import datetime
from collections.abc import Callable

import numpy as np
import streamlit as st

from models.core.tokenize_text import display
from models.decoding import Decoding
from viz.escape import escape_html, escape_markdown
from viz.i18n import _


def describe_output(decoding: Decoding) -> str:
    """Return sentences on the output, its probability, its least probable token, and whether it is a valid date."""
    least = int(decoding.token_probability.argmin())
    sentences = [
        _("The output is {answer} (probability of the whole output: {chance}).").format(
            answer=f"**{escape_markdown(decoding.answer) or '∅'}**",
            chance=format_probability(float(np.exp(decoding.log_probability))),
        ),
        _("Least confident at step {step}: “{symbol}” ({chance}).").format(
            symbol=escape_markdown(display(decoding.target[least])),
            step=least + 1,
            chance=format_probability(float(decoding.token_probability[least])),
        ),
    ]
    if not decoding.finished:
        sentences.append(_("No end token was generated within {n} tokens.").format(n=len(decoding.target)))
    elif not is_date(decoding.answer):
        sentences.append(
            _("The output is not a valid ISO 8601 date or interval: the network outputs something for any input.")
        )
    return " ".join(sentences)


def format_probability(chance: float) -> str:
    """Return a probability in percent, never rounded to 0% or 100%."""
    if np.isnan(chance):
        return "NaN"
    if 0.9995 <= chance < 1:
        return ">99.9%"
    return "<0.1%" if 0 < chance < 0.0005 else f"{chance:.1%}"


def is_date(answer: str) -> bool:
    """Return whether an output is a valid ISO 8601 date, or two joined by a slash, the earlier one first."""
    try:
        days = [datetime.date.fromisoformat(part) for part in answer.split("/")]
    except ValueError:
        return False
    return all(len(part) == 10 for part in answer.split("/")) and len(days) in (1, 2) and days == sorted(days)


def output_rows(
    answers: list[tuple[str, Decoding]],
    quantity: str,
    right: str | None = None,
    title: Callable[[str], str] = str,
) -> None:
    """Show outputs in rows, token below token; tokens that differ from the first row are highlighted.

    Args:
        answers: (name of the row, output).
        quantity: ``data-quantity`` of the token elements; each row's ``data-group`` is its name.
        right: the correct output, shown as the first row; None if unknown.
        title: from the name of a row to what the page shows for it.
    """
    first = answers[0][1].target if right is None else (*right, END_TOKEN)
    lines = [] if right is None else [_row(_("correct answer"), [_cell(token, False, "", None) for token in first], "")]
    for name, decoding in answers:
        cells = [
            _cell(
                token,
                first[step : step + 1] != (token,),
                f'data-quantity="{quantity}" data-group="{escape_html(name)}" data-step="{step}" '
                f'data-token="{escape_html(token)}"',
                float(chance),
            )
            for step, (token, chance) in enumerate(zip(decoding.target, decoding.token_probability, strict=True))
        ]
        lines.append(_row(title(name), cells, format_probability(float(np.exp(decoding.log_probability)))))
    st.html(f"<style>{ROWS_STYLE}</style>")
    st.html(f'<div class="unrolled-outputs">{"".join(lines)}</div>')


def _row(name: str, cells: list[str], total: str) -> str:
    return (
        f"<div>{escape_html(name)}</div>"
        f'<div class="unrolled-output-cells">{"".join(cells)}</div><div class="unrolled-output-total">{total}</div>'
    )


def _cell(token: str, different: bool, attributes: str, chance: float | None) -> str:
    """Return the HTML of one token with a bar for its probability."""
    bar = "" if chance is None else BAR_HTML.format(width=f"{chance:.3f}")
    value = "" if chance is None else f'title="{chance:.4f}" data-value="{chance!r}"'
    style = CELL_STYLE + (DIFFERENT_STYLE if different else "")
    return f'<span style="{style}" {attributes} {value}>{escape_html(display(token))}{bar}</span>'


END_TOKEN = "⊣"
ROWS_STYLE = """
.unrolled-outputs {
  display: grid; grid-template-columns: max-content fit-content(100%) minmax(4em, 1fr); gap: 8px 6px; align-items: center;
  font-size: 14px;
}
.unrolled-output-cells { display: flex; flex-wrap: wrap; gap: 2px; }
.unrolled-output-total { font-variant-numeric: tabular-nums; }
@media (max-width: 800px) { /* the name above its row */
  .unrolled-outputs { grid-template-columns: fit-content(100%) minmax(4em, 1fr); gap: 4px 6px; }
  .unrolled-outputs > :nth-child(3n + 1) { grid-column: 1 / -1; }
  .unrolled-outputs > :nth-child(3n + 1):not(:first-child) { margin-top: 6px; }
}
"""
CELL_STYLE = (
    "position:relative;display:inline-grid;place-items:center;min-width:21px;height:32px;padding-bottom:4px;"
    "font:600 17px var(--st-code-font,monospace);border:1px solid color-mix(in srgb,currentColor 25%,transparent);"
    "border-radius:5px;"
)
DIFFERENT_STYLE = "outline:2px solid #d9651b;outline-offset:-2px;background:color-mix(in srgb,#d9651b 16%,transparent);"
BAR_HTML = (
    '<i style="position:absolute;left:4px;right:4px;bottom:3px;height:3px;border-radius:2px;background:currentColor;'
    'transform:scaleX({width});transform-origin:left"></i>'
)
