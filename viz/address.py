"""The view, and the address that carries it.

`View` is what a reader looks at; `parse` reads it out of an address and `write` puts it back. Both are
plain functions of plain values. Whether a network of that name exists, or a step lies inside its text, is
for the page to say: an address knows only what can be read without one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

from viz.i18n import LANGUAGES, _
from viz.view_options import read_look, write_look

LONGEST_TEXT = 2000
"""Characters of text which a link carries at most; browsers and chat programs cut longer ones."""

LONGEST_EDITS = 8000
"""Characters of edits which a link carries at most; a whole matrix has more, and servers refuse such addresses."""

LONGEST_WORD = 200
LARGEST_NUMBER = 10**9


@dataclass(frozen=True)
class View:
    """What is being looked at. None: not chosen, the page picks its own opening.

    net: name of the network.
    text: the sequence as it was typed (symbols, or numbers apart by spaces).
    layer: layer of the network, as PyTorch names it ("rnn.l0").
    unit: unit of the layer, from 0.
    step: step of the sequence, from 0.
    quantity: the gate or state which is picked out ("forget_gate").
    lang: language of the page, a key of `LANGUAGES`; None: the browser's.
    edits: changes made to the weights, as the Edit lens writes them; "" for none.
    source: the symbol of a translated text which is picked out, from 0; None for the one that is read most.
    attend: changes made to the attention and the output, as the Attention lens writes them; "" for none.
    look: what was chosen of the pictures, such as their order or a part of them (``viz.view_options``); "" for nothing.
    """

    net: str | None = None
    text: str | None = None
    layer: str | None = None
    unit: int | None = None
    step: int | None = None
    quantity: str | None = None
    lang: str | None = None
    edits: str = ""
    source: int | None = None
    attend: str = ""
    look: str = ""


NAMES = tuple(field.name for field in fields(View))
"""The names in an address: those of `View`. They are a contract with every link ever shared."""


def parse(address: Mapping[str, str], default: View | None = None) -> tuple[View, list[str]]:
    """The view in an address, and one sentence for each piece of it that cannot be read.

    What the address does not name is not chosen. What it names wrongly is as in `otherwise`. Names which
    are not ours are left alone: a link may pass through programs which add their own.
    """
    default = default or View()
    read: dict[str, str | int | None] = {}
    problems: list[str] = []
    for name in NAMES:
        if name not in address:
            continue
        try:
            read[name] = _READERS[name](address[name])
        except ValueError as error:
            problems.append(str(error))
            read[name] = getattr(default, name)
    return View(**read), problems  # type: ignore[arg-type]


def write(view: View) -> dict[str, str]:
    """The pieces of an address which `parse` reads as `view`; what is `too_long` for a link is left out."""
    pieces = {name: str(getattr(view, name)) for name in NAMES if getattr(view, name) not in (None, "")}
    if view.text == "":
        pieces["text"] = ""
    for name in too_long(view):
        del pieces[name]
    return pieces


def query(view: View) -> str:
    """`write`, as the part of a link after the question mark."""
    return urlencode(write(view))


def too_long(view: View) -> tuple[str, ...]:
    """The names of what a link cannot carry of this view: its "text", its "edits"."""
    sizes = {"text": (len(view.text or ""), LONGEST_TEXT), "edits": (len(view.edits), LONGEST_EDITS)}
    return tuple(name for name, (size, most) in sizes.items() if size > most)


def _short(value: str) -> str:
    """A value as it can stand inside a sentence: on one line, and not long."""
    value = "".join(c if c.isprintable() else "\ufffd" for c in value[:41])
    return value if len(value) <= 40 else value[:39] + "…"


def _word(name: str, value: str) -> str:
    if not value or len(value) > LONGEST_WORD or not value.isprintable():
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use a name.").format(name=name, value=_short(value))
        )
    return value


def _number(name: str, value: str) -> int:
    # Not int() alone, which also takes "1_0", " 1" and digits of other scripts.
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= LARGEST_NUMBER):
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use a whole number, 0 or greater.").format(
                name=name, value=_short(value)
            )
        )
    return int(value)


def _text(value: str) -> str:
    if len(value) > LONGEST_TEXT:
        raise ValueError(
            _("The text in the link has {n} characters, but at most {most} are allowed. Use a shorter text.").format(
                n=f"{len(value):,}", most=f"{LONGEST_TEXT:,}"
            )
        )
    return value


def _edits(value: str) -> str:
    if len(value) > LONGEST_EDITS:
        raise ValueError(
            _("The edits in the link have {n} characters, but at most {most} are allowed. Use fewer edits.").format(
                n=f"{len(value):,}", most=f"{LONGEST_EDITS:,}"
            )
        )
    return value


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use one of these: {choices}.").format(
                name="lang", value=_short(value), choices=", ".join(LANGUAGES)
            )
        )
    return value


def _look(value: str) -> str:
    try:
        return write_look(read_look(value))
    except ValueError:
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use the form {example}.").format(
                name="look", value=_short(value), example="order:mean;steps:0-99"
            )
        ) from None


_READERS: dict[str, Callable[[str], str | int]] = {
    "net": lambda value: _word("net", value),
    "text": _text,
    "layer": lambda value: _word("layer", value),
    "unit": lambda value: _number("unit", value),
    "step": lambda value: _number("step", value),
    "quantity": lambda value: _word("quantity", value),
    "lang": _language,
    "edits": _edits,
    "source": lambda value: _number("source", value),
    "attend": str,
    "look": lambda value: _look(value),
}
