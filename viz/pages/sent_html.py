"""Elements of Streamlit as HTML for a file: text, formulas, tables, and what is chosen in a widget.

Texts of a network are escaped already where the page was made of them (`viz.escape`); here nothing that they contain becomes
an element.
"""

import json
import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from markdown_it import MarkdownIt
from streamlit.proto.Block_pb2 import Block
from streamlit.proto.Dataframe_pb2 import Dataframe
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.Markdown_pb2 import Markdown
from streamlit.proto.Table_pb2 import Table
from streamlit.proto.WidgetStates_pb2 import WidgetState

from viz.escape import escape_html
from viz.i18n import _
from viz.rooms.question_markup import formula_html, markdown_parser

MAX_ROWS = 1000
"""Rows of a table that a file contains."""

MAX_CHOSEN = 300
"""Characters of a text that was typed into a field."""

GROUPED = {"percent": (2, 2, "%"), "localized": (0, 3, "")}
"""Formats of Streamlit's columns, without its others: the power of ten, the digits after the point at most, and the unit."""

MISSING = "None"
"""What Streamlit shows for a missing value in a cell of a ``st.dataframe`` that names nothing else; `st.table`: nothing."""

_DEFINITION = re.compile(r"</?dfn\b[^>]*>")
_SIGN = re.compile(r"(?<!\\):material/\w+:\s*")
_COLOUR = re.compile(r"(?<!\\):(?:red|orange|blue|green|gray|small)\[((?:[^\[\]\\]|\\.)*)\]")
_SPACE_OF_LINE = re.compile(r"\\\\\[[\d.]+\w\w\]")
_PENDING = re.compile(r'class="unrolled-(?:pending|stopped)"')


def markdown_html(text: str) -> str:
    """Return Markdown as the page has it in HTML; the tips of terms and Streamlit's signs and colours are left out."""
    plain = _COLOUR.sub(r"\1", _SIGN.sub("", _DEFINITION.sub("", text)))
    return str(_markdown().render(plain))


@cache
def _markdown() -> MarkdownIt:
    # Without links: the pages of the app are not there.
    parser = markdown_parser(lambda latex: formula_html(_known_latex(latex)), allow_space=True)
    return parser.enable(["table", "strikethrough"]).disable("image")


def sent_html(element: Element | Block) -> str:
    """Return the HTML of an element of the page, "" for one that a file does not contain."""
    if isinstance(element, Block):
        label = element.expandable.label if element.WhichOneof("type") == "expandable" else ""
        return f"<h3>{markdown_html(label)}</h3>" if label else ""
    kind = element.WhichOneof("type") or ""
    if kind == "html":
        return "" if _PENDING.search(element.html.body) else element.html.body
    if kind == "markdown":
        return _text_html(element.markdown)
    if kind == "heading":
        return f"<h3>{markdown_html(element.heading.body)}</h3>"
    if kind == "alert":
        return f'<div class="unrolled-kept-note">{markdown_html(element.alert.body)}</div>'
    if kind == "code":
        return f"<pre><code>{escape_html(element.code.code_text)}</code></pre>"
    if kind == "text":
        return f"<p>{escape_html(element.text.body)}</p>"
    if kind == "metric":
        return f"<p>{markdown_html(f'{element.metric.label}: **{element.metric.body}**')}</p>"
    if kind in ("table", "dataframe"):
        return table_html(element.table if kind == "table" else element.dataframe)
    return ""


def _text_html(text: Markdown) -> str:
    if text.element_type == Markdown.Type.LATEX:
        return f'<div class="unrolled-kept-formula">{formula_html(_known_latex(text.body.strip().strip("$").strip()))}</div>'
    muted = ' class="unrolled-muted"' if text.element_type == Markdown.Type.CAPTION else ""
    return f"<div{muted}>{markdown_html(text.body)}</div>"


def _known_latex(formula: str) -> str:
    """Return a formula without what the library cannot read: its name of aligned lines is another one."""
    return _SPACE_OF_LINE.sub(r"\\\\", formula.replace("{aligned}", "{align*}"))


def setting_of(element: Element | Block, chosen: dict[str, WidgetState]) -> str | None:
    """Return "label: what is chosen" of a widget, None for another element, or if nothing is chosen.

    Args:
        element: of the page.
        chosen: what is chosen in each widget, by its id.
    """
    if isinstance(element, Block):
        return None
    widget = getattr(element, element.WhichOneof("type") or "empty")
    state, label = chosen.get(getattr(widget, "id", "")), getattr(widget, "label", "")
    if not isinstance(label, str) or not label:
        return None
    if getattr(widget, "set_value", False):  # by the page, in this run
        value = next(
            (getattr(widget, name) for name in ("raw_value", "raw_values", "value") if hasattr(widget, name)), None
        )
    else:
        kind = None if state is None else state.WhichOneof("value")
        value = None if kind is None or kind.endswith("trigger_value") else getattr(state, kind)
    text = _chosen_text(value)
    return f"{_plain(label)}: {text}" if text else None


def _chosen_text(value: Any) -> str:
    if isinstance(value, str):
        return _plain(value if len(value) <= MAX_CHOSEN else value[: MAX_CHOSEN - 1] + "…")
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, (int, float)):
        return all_digits(value)
    try:
        return ", ".join(map(_chosen_text, getattr(value, "data", value) or ()))
    except TypeError:  # as of an uploaded file
        return ""


def _plain(markdown: str) -> str:
    """Return a label or an option, which are Markdown, as plain text."""
    return re.sub(r"\\(?=[^\w\s])", "", _SIGN.sub("", markdown)).replace("\u2060", "").strip("* ")


def table_html(table: Table | Dataframe) -> str:
    """Return a table as HTML; of more than `MAX_ROWS` rows the first ones, and a sentence that says so."""
    # Integers with gaps would be floats, of which those above 2^53 are others.
    frame = pyarrow.ipc.open_stream(table.arrow_data.data).read_all().to_pandas(integer_object_nulls=True)
    for single in frame.select_dtypes("float32"):  # the shortest digits that name it, which as a double are more
        frame[single] = frame[single].astype(str).astype(float)
    is_text = isinstance(table, Table)  # whose cells are Markdown
    missing = "" if isinstance(table, Table) else table.placeholder if table.HasField("placeholder") else MISSING
    settings: dict[str, Any] = {} if is_text else json.loads(table.columns or "{}")
    hides_index = table.hide_index if is_text else bool(settings.get("_index", {}).get("hidden"))
    if not hides_index:
        frame = frame.reset_index()
    names = [name for name in frame.columns if not settings.get(str(name), {}).get("hidden")]
    inline = _markdown().renderInline if is_text else escape_html
    titles = [inline(str(settings.get(str(name), {}).get("label") or name)) for name in names]
    rows = [
        "".join(
            f"<td>{inline(shown_cell(value, settings.get(str(name), {}), missing))}</td>"
            for name, value in zip(names, row, strict=True)
        )
        for row in frame[names].head(MAX_ROWS).itertuples(index=False, name=None)
    ]
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    rest = (
        _("The first {shown} of {count} rows.").format(shown=MAX_ROWS, count=len(frame))
        if len(frame) > MAX_ROWS
        else ""
    )
    note = f'<p class="unrolled-muted">{escape_html(rest)}</p>' if rest else ""
    return (
        f'<div class="unrolled-kept-table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div>{note}"
    )


def shown_cell(value: Any, settings: dict[str, Any], missing: str) -> str:
    """Return the text of a cell.

    Args:
        value: of the cell.
        settings: of its column, as Streamlit writes them.
        missing: what is shown where there is no value.
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(shown_cell(each, {}, missing) for each in value)
    if value is None or pd.isna(value):
        return missing
    if not isinstance(value, (int, float)):
        return str(value)
    form = (settings.get("type_config") or {}).get("format")
    if form in GROUPED and np.isfinite(value):
        scale, digits, unit = GROUPED[form]
        return grouped_digits(value, scale, digits) + unit
    if isinstance(form, str) and "%" in form:
        try:
            return form % value
        except (TypeError, ValueError, OverflowError):  # a format of the browser that Python lacks
            pass
    return all_digits(value)


def grouped_digits(value: float, scale: int, digits: int) -> str:
    """Return a number times 10 to the power of ``scale`` in groups of three digits, as a browser writes it.

    At most ``digits`` follow the point; a tie is rounded away from zero.

    >>> grouped_digits(0.12345, 2, 2), grouped_digits(1234.5, 0, 3)
    ('12.35', '1,234.5')
    """
    with localcontext(prec=400):  # any float, exactly
        rounded = Decimal(value).scaleb(scale).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    whole, point, rest = f"{rounded:,f}".partition(".")
    return (whole + point + rest.rstrip("0")).removesuffix(".")


def all_digits(value: float) -> str:
    """Return a number with all of its digits; a whole one as an integer.

    >>> all_digits(123456789.0), all_digits(0.1)
    ('123456789', '0.1')
    """
    # From 1e16 on Python writes an exponent.
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e16
    return str(int(value) if is_whole else value)
