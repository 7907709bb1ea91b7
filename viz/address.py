"""The view, and its address in the browser.

`View` is what a page shows; `parse_view` takes it from the parameters of an address, `view_params` returns those
parameters. Both are pure functions. Neither checks whether a network of that name exists or a step is inside its text:
the page does, once it has the network.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from viz import panel_choice, view_options
from viz.escape import widget_key
from viz.i18n import LANGUAGES, _

MAX_TEXT = 2000
"""Characters of the text in a link at most; browsers and chat programs cut longer links."""

MAX_EDITS = 8000
"""Characters of the edits in a link at most; a whole matrix has more, and servers refuse such addresses."""

MAX_NAME = 200
MAX_NUMBER = 10**9


@dataclass(frozen=True)
class View:
    """The state of a page that a link contains. None: not chosen, the page uses its default.

    Attributes:
        net: name of the network.
        text: the input as it was typed (symbols, or numbers separated by spaces).
        layer: layer of the network, by PyTorch's name ("rnn.l0").
        unit: unit of the layer, from 0.
        step: time step of the sequence, from 0.
        quantity: the selected gate or state ("forget_gate").
        lang: language of the page, a key of `LANGUAGES`; None: the browser's.
        edits: the edits, in the syntax of ``models.edits.edit_syntax``; "" for none.
        source: the selected token of the input of an encoder-decoder, from 0; None for the one with the largest attention
            weight.
        attend: the edits of the attention and the output, in the syntax of ``models.decoding.intervention_syntax``; "" for
            none.
        look: options of the charts, such as the order of units or a range of steps (``viz.view_options``); "" for none.
        panel: the panels that were opened or folded (``viz.panel_choice``); "" for the page's defaults.
        mode: "projector" for one panel at a time in large type; "" for the whole page.
        run: the training run: the name of its folder.
        training_step: the training step of the snapshot that is shown; None for the last one.
        lesson: name of the lesson that is shown, or that the reader came from; None for none.
        section: section of the lesson, from 1.
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
    panel: str = ""
    mode: str = ""
    run: str | None = None
    training_step: int | None = None
    lesson: str | None = None
    section: int | None = None


PROJECTOR = "projector"
"""The `View.mode` that shows one panel at a time."""

NAMES = tuple(field.name for field in fields(View))
"""The parameters of an address: the fields of `View`. Links that were shared depend on these names."""

PAGE_FIELDS = ("lang", "panel", "mode", "lesson", "section")
"""The fields of `View` that stay when another network is chosen."""

WORDS = ("net", "layer", "quantity", "run", "lesson")
"""The parameters that are names. A file may have a layer whose name is too long for a link, or not printable."""


class UnknownPartsError(ValueError):
    """A parameter with parts that no page has; ``known`` is the parameter without them."""

    def __init__(self, problem: str, known: str) -> None:
        super().__init__(problem)
        self.known = known


def parse_view(address: Mapping[str, str], default: View | None = None) -> tuple[View, list[str]]:
    """Return the view of an address, and one sentence for each invalid parameter.

    A parameter that is missing is None in the view; an invalid one is as in `default`. Unknown parameters are ignored:
    other programs add theirs to a link.
    """
    default = default or View()
    read: dict[str, str | int | None] = {}
    problems: list[str] = []
    for name in NAMES:
        if name not in address:
            continue
        try:
            read[name] = _READERS[name](address[name])
        except UnknownPartsError as error:
            problems.append(str(error))
            read[name] = error.known
        except ValueError as error:
            problems.append(str(error))
            read[name] = getattr(default, name)
    return View(**read), problems  # type: ignore[arg-type]


def view_params(view: View) -> dict[str, str]:
    """Return the parameters that `parse_view` reads as `view`, without what is `too_long` or no name for a link."""
    pieces = {name: str(getattr(view, name)) for name in NAMES if getattr(view, name) not in (None, "")}
    if view.text == "":
        pieces["text"] = ""
    for name in too_long(view):
        del pieces[name]
    return {name: value for name, value in pieces.items() if name not in WORDS or _is_word(value)}


def page_fields(view: View) -> dict[str, Any]:
    """Return the `PAGE_FIELDS` of a view."""
    return {name: getattr(view, name) for name in PAGE_FIELDS}


def query_string(view: View) -> str:
    """Return the parameters of `view_params` as the part of a link after the question mark."""
    return urlencode(view_params(view))


def normalized_query(pieces: dict[str, str]) -> str:
    """Return the pieces of an address that are the app's, in the form and order of `query_string`."""
    view, problems = parse_view(pieces)
    # An address that cannot be parsed was not written by the app: it must not equal one that was.
    return query_string(view) if not problems else widget_key(*(pieces.get(name) for name in NAMES))


def too_long(view: View) -> tuple[str, ...]:
    """Return the names of the parameters of this view that are too long for a link: "text", "edits"."""
    sizes = {"text": (len(view.text or ""), MAX_TEXT), "edits": (len(view.edits), MAX_EDITS)}
    return tuple(name for name, (size, most) in sizes.items() if size > most)


def file_of(net: str) -> str:
    """Return the name of a file's network without the hash of its content and settings."""
    return net.rpartition("~")[0] or net


def _short(value: str) -> str:
    """Shorten a value for a sentence: one line, at most 40 characters."""
    value = "".join(c if c.isprintable() else "\ufffd" for c in value[:41])
    return value if len(value) <= 40 else value[:39] + "…"


def _is_word(value: str) -> bool:
    return 0 < len(value) <= MAX_NAME and value.isprintable()


def _word(name: str, value: str) -> str:
    if not _is_word(value):
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use a name.").format(name=name, value=_short(value))
        )
    return value


def _number(name: str, value: str, least: int = 0) -> int:
    # Not int() alone, which also takes "1_0", " 1" and digits of other scripts.
    if not (value.isascii() and value.isdigit()) or int(value[:10]) < least:
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use a whole number, {least} or greater.").format(
                name=name, value=_short(value), least=least
            )
        )
    if len(value) > 10 or int(value) > MAX_NUMBER:
        raise ValueError(
            _("In the link, the number {value} for “{name}” is too large. Use at most {most}.").format(
                name=name, value=_short(value), most=f"{MAX_NUMBER:,}"
            )
        )
    return int(value)


def _text(value: str) -> str:
    if len(value) > MAX_TEXT:
        raise ValueError(
            _("The text in the link has {n} characters, but at most {most} are allowed. Use a shorter text.").format(
                n=f"{len(value):,}", most=f"{MAX_TEXT:,}"
            )
        )
    return value


def _edits(value: str) -> str:
    if len(value) > MAX_EDITS:
        raise ValueError(
            _("The edits in the link have {n} characters, but at most {most} are allowed. Use fewer edits.").format(
                n=f"{len(value):,}", most=f"{MAX_EDITS:,}"
            )
        )
    return value


def _one_of(name: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use one of these: {choices}.").format(
                name=name, value=_short(value), choices=", ".join(filter(None, choices))
            )
        )
    return value


def _in_form(name: str, value: str, split: Callable[[str], tuple[str, tuple[str, ...]]], example: str) -> str:
    try:
        if len(value) > MAX_EDITS:
            raise ValueError
        known, unknown = split(value)
    except ValueError:
        raise ValueError(
            _("In the link, “{name}” cannot be “{value}”. Use the form {example}.").format(
                name=name, value=_short(value), example=example
            )
        ) from None
    if unknown:
        raise UnknownPartsError(
            _("In the link, “{name}” contains “{part}”, which no page has. Use the form {example}.").format(
                name=name, part=_short(", ".join(unknown)), example=example
            ),
            known,
        )
    return known


_READERS: dict[str, Callable[[str], str | int]] = {
    "net": lambda value: _word("net", value),
    "text": _text,
    "layer": lambda value: _word("layer", value),
    "unit": lambda value: _number("unit", value),
    "step": lambda value: _number("step", value),
    "quantity": lambda value: _word("quantity", value),
    "lang": lambda value: _one_of("lang", value, LANGUAGES),
    "edits": _edits,
    "source": lambda value: _number("source", value),
    "attend": _edits,
    "look": lambda value: _in_form("look", value, view_options.split_unknown_options, "order:mean;steps:0-99"),
    "panel": lambda value: _in_form("panel", value, panel_choice.split_unknown_panels, "equations,-prediction"),
    "mode": lambda value: _one_of("mode", value, ("", PROJECTOR)),
    "run": lambda value: _word("run", value),
    "training_step": lambda value: _number("training_step", value),
    "lesson": lambda value: _word("lesson", value),
    "section": lambda value: _number("section", value, 1),
}
