"""The questions that a teacher can ask about a view; their choices and right answers are computed from its network.

Where the sequence goes on, a question is about the step after the one that is shown, whose numbers nobody has seen; once the
answer is shown, the page steps there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.decoding.decode import Decoding
from models.edits.edit import Edits, Entry, Place, SpectralRadius
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.gradients.jacobian import recurrent_spectrum
from models.gradients.losses import Loss
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction
from viz.address import View, parse_view
from viz.i18n import LANGUAGES, _, use_language
from viz.pages import cache
from viz.pages.attention.attention_cache import cached_decoding
from viz.quantity_names import quantity_names
from viz.rooms.room_question import MAX_POINTS

OPEN, CLOSED, UNCHANGED = 0.9, 0.1, 0.05
"""A gate is open above ``OPEN`` and closed below ``CLOSED``; a state that changes by less than ``UNCHANGED`` stays."""

RADIUS, MUCH = 1.2, 2.0
"""The spectral radius of the question about gradients, and the factor from which on they grew."""

MOST_CHOICES = 4

Question = dict[str, Any]


def view_questions(address: str, at: Mapping[str, Any]) -> list[Question]:
    """Return the questions about a view, in the form of `viz.rooms.room_question`.

    Args:
        address: of the view, as a link has it.
        at: step, unit and quantity of each player on its page, which are newer than those of the address.

    Raises:
        ValueError: the view has no network, or it cannot be run on the text.
    """
    parts = urlsplit(address)
    view, _problems = parse_view(dict(parse_qsl(parts.query, keep_blank_values=True)))
    place: Mapping[str, Any] = next(iter(at.values()), {})
    view = View(**vars(view) | {name: place[name] for name in ("step", "unit", "quantity") if name in place})
    if view.net is None or not cache.is_network(view.net):
        return []
    shown = _ShownView(view, attends=parts.path.strip("/") == "attention")
    return [question for make in _QUESTIONS for question in make(shown)]


@dataclass(frozen=True)
class _ShownView:
    """A view with its run."""

    view: View
    attends: bool

    @property
    def edits(self) -> Edits:
        return read_edits(self.view.edits)

    @cached_property
    def text(self) -> str:
        card = cache.network(self.view.net or "").card
        return card.default.text if self.view.text is None else self.view.text

    @cached_property
    def run(self) -> ForwardRun:
        return cache.forward_run(self.view.net or "", self.text, self.edits)

    @cached_property
    def decoding(self) -> Decoding | None:
        """The generated sequence; None if the network generates none."""
        if not self.attends or cache.network(self.view.net or "").card.predicts != "sequence":
            return None
        return cached_decoding(self.view.net or "", self.text, self.view.attend, cache.weight_edits(self.edits))

    @cached_property
    def layer(self) -> LayerTrace | None:
        layers = self.run.trace.layers
        chosen = self.view.layer or ""
        return layers[chosen] if chosen in layers else next(iter(layers.values()), None)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.run.labels if self.layer is None else self.run.labels_of(self.layer.name)

    @property
    def step(self) -> int:
        """The step of the question: the next one, or the last one if it is shown."""
        return min((self.view.step or 0) + 1, len(self.labels) - 1)

    @property
    def unit(self) -> int:
        return self.view.unit or 0

    def values(self, quantity: str) -> np.ndarray | None:
        """Return a quantity of the unit at all steps, (T); None if the layer or the unit has none."""
        layer = self.layer
        if layer is None or quantity not in layer.quantities:
            return None
        found = layer[quantity][self.run.row, : len(self.labels)]
        return found[:, self.unit] if self.unit < found.shape[1] else None

    def after(self, quantity: str | None = None) -> dict[str, Any]:
        """Return where the page goes once the answer is shown."""
        return {"step": self.step, "unit": self.unit} | ({} if quantity is None else {"quantity": quantity})


def _texts(sentence: Callable[[], str]) -> dict[str, str]:
    """Return a sentence in every language."""
    found = {}
    for lang in LANGUAGES:
        with use_language(lang):
            found[lang] = sentence()
    return found


def _same(text: str) -> dict[str, str]:
    return dict.fromkeys(LANGUAGES, text)


def _choice_question(
    ask: Callable[[], str],
    choices: list[tuple[str, dict[str, str]]],
    right: str,
    explain: Callable[[], str],
    **more: Any,
) -> Question:
    listed = [{"key": key, "text": text} for key, text in choices]
    return {
        "form": "choices", "ask": _texts(ask), "choices": listed, "right": right, "explain": _texts(explain), **more
    }  # fmt: skip


def _next_symbol(shown: _ShownView) -> Iterator[Question]:
    run = shown.run
    if (
        shown.attends
        or not isinstance(run.prediction, SymbolPrediction)
        or len(run.prediction.target) != len(shown.labels)
    ):
        return
    prediction, step = run.prediction, shown.step
    found = [int(each) for each in prediction.top(MOST_CHOICES)[step]]
    target = int(prediction.target[step])
    if target >= 0 and target not in found:
        found[-1] = target
    best, label = found[0], shown.labels[step]
    names = prediction.vocabulary
    percent = float(prediction.probability[step, best])
    yield _choice_question(
        lambda: _("The network reads “{token}” (step {step}). Which token does it expect next?").format(
            token=label, step=step + 1
        ),
        [(str(each), _same(names[each])) for each in sorted(found, key=lambda each: names[each])],
        str(best),
        lambda: _("It gives “{token}” {percent:.1%} of the probability.").format(token=names[best], percent=percent),
        after=shown.after(),
    )


def _gate(shown: _ShownView) -> Iterator[Question]:
    layer = shown.layer
    if layer is None or shown.attends:
        return
    gates = layer.cell_equations.zero_one_gates
    preferred = [name for name in (shown.view.quantity, "forget_gate", "update_gate", *gates) if name in gates]
    values = shown.values(preferred[0]) if preferred else None
    if values is None or not np.isfinite(values[shown.step]):
        return
    gate, value, label = preferred[0], float(values[shown.step]), shown.labels[shown.step]
    right = "open" if value > OPEN else "closed" if value < CLOSED else "between"

    def name() -> str:
        return quantity_names().get(gate, gate)

    yield _choice_question(
        lambda: _("The network reads “{token}” (step {step}). How open is the {gate} of unit {unit}?").format(
            token=label, step=shown.step + 1, gate=name(), unit=shown.unit
        ),
        [
            ("open", _texts(lambda: _("open (above {value})").format(value=OPEN))),
            ("between", _texts(lambda: _("in between"))),
            ("closed", _texts(lambda: _("closed (below {value})").format(value=CLOSED))),
        ],
        right,
        lambda: _("The {gate} is {value:.3f}: it lets {value:.1%} through.").format(gate=name(), value=value),
        after=shown.after(gate),
    )


def _state(shown: _ShownView) -> str | None:
    """Return the state of the question: the selected one, else the cell state or the hidden state."""
    if shown.layer is None:
        return None
    states = [name for name in ("cell", "hidden") if name in shown.layer.quantities]
    return shown.view.quantity if shown.view.quantity in states else next(iter(states), None)


def _change(shown: _ShownView) -> Iterator[Question]:
    state = _state(shown)
    values = None if state is None or shown.attends else shown.values(state)
    if state is None or values is None or shown.step < 1:
        return
    before, now = float(values[shown.step - 1]), float(values[shown.step])
    if not np.isfinite([before, now]).all():
        return
    right = "stays" if abs(now - before) < UNCHANGED else "rises" if now > before else "falls"
    label = shown.labels[shown.step]
    yield _choice_question(
        lambda: _(
            "The {state} of unit {unit} is {before:.3f}. What does it do when the network reads “{token}”?"
        ).format(state=quantity_names().get(state, state), unit=shown.unit, before=before, token=label),
        [
            ("rises", _texts(lambda: _("It rises"))),
            ("stays", _texts(lambda: _("It stays (changes by less than {value})").format(value=UNCHANGED))),
            ("falls", _texts(lambda: _("It falls"))),
        ],
        right,
        lambda: _("It goes from {before:.3f} to {now:.3f}.").format(before=before, now=now),
        after=shown.after(state),
    )


def _curve(shown: _ShownView) -> Iterator[Question]:
    quantity = shown.view.quantity or _state(shown)
    values = None if quantity is None or shown.attends else shown.values(quantity)
    if quantity is None or values is None or not 2 <= len(values) <= MAX_POINTS or not np.isfinite(values).all():
        return
    gates = shown.layer.cell_equations.zero_one_gates if shown.layer is not None else ()
    size = float(np.ceil(max(1.0, np.abs(values).max())))
    yield {
        "form": "sketch",
        "ask": _texts(
            lambda: _("Draw the {quantity} of unit {unit} over the sequence.").format(
                quantity=quantity_names().get(quantity, quantity), unit=shown.unit
            )
        ),
        "tokens": [each[:40] for each in shown.labels],
        "low": 0.0 if quantity in gates and values.min() >= 0 else -size,
        "high": size,
        "right": [round(float(each), 6) for each in values],
        "explain": _texts(lambda: _("The dashed curve is the network's own.")),
        "after": shown.after(quantity) | {"step": len(values) - 1},
    }


def _gradient(shown: _ShownView) -> Iterator[Question]:
    """The gradient of an RNN's answer, before and after its recurrent matrix is scaled."""
    layer, name = shown.layer, shown.view.net or ""
    if layer is None or layer.kind != "RNN" or shown.attends or layer.name.endswith("_reverse"):
        return
    if cache.network(name).card.predicts not in ("class", "next") or len(shown.labels) < 3:
        return
    active = cache.weight_edits(shown.edits)
    if active.entries != cache.active_edits(shown.edits).entries:
        return
    scaled = Edits((*active.entries, Entry(SpectralRadius(Place(f"{layer.name}.weight_hh"), RADIUS))))
    shares = []
    for edits in (active, scaled):
        found = EditedNetwork(cache.network(name), edits).differentiate(shown.text, Loss("answer"), None)
        norms = np.linalg.norm(found.trace.layers[layer.name].hidden_grad[0].astype(np.float64), axis=-1)
        shares.append(float(norms[0] / norms[-1]) if norms[-1] > 0 else np.nan)
    before, now = shares
    if not np.isfinite(shares).all() or before == 0:
        return
    radius = recurrent_spectrum(layer.weights)["preactivation"].radius
    right = "grows" if now > MUCH * before else "shrinks" if now < before / MUCH else "same"
    yield _choice_question(
        lambda: _(
            "The spectral radius of W_hh is {radius:.2f}. We scale it to {new}. What happens to the gradient at the first "
            "step, relative to that at the last one?"
        ).format(radius=radius, new=RADIUS),
        [
            ("grows", _texts(lambda: _("It grows (more than twice as large)"))),
            ("same", _texts(lambda: _("It hardly changes"))),
            ("shrinks", _texts(lambda: _("It shrinks (to less than half)"))),
        ],
        right,
        lambda: _("It was {before:.2g}, and is now {now:.2g}.").format(before=before, now=now),
    )


def _attended(shown: _ShownView) -> Iterator[Question]:
    decoding = shown.decoding
    if decoding is None or not decoding.trace.attention:
        return
    found = decoding.trace.attention
    chosen = shown.view.layer or ""
    weights = (found[chosen] if chosen in found else next(iter(found.values()))).weights[0]
    if len(weights) != 1:  # of several heads none is the one that is meant
        return
    step = min((shown.view.step or 0) + 1, weights.shape[1] - 1)
    row = weights[0, step]
    top = sorted(int(each) for each in np.argsort(-row, kind="stable")[:MOST_CHOICES])
    best = int(row.argmax())
    read = decoding.decoder_input[step]
    yield _choice_question(
        lambda: _(
            "The decoder has just read “{token}” (output step {step}). Which source token gets the largest weight?"
        ).format(token=read, step=step + 1),
        [(str(each), _same(f"{each + 1}: {decoding.source[each]}")) for each in top],
        str(best),
        lambda: _("“{token}” gets the weight {weight:.3f}.").format(
            token=decoding.source[best], weight=float(row[best])
        ),
        after={"step": step},
    )


def _class(shown: _ShownView) -> Iterator[Question]:
    prediction = None if shown.attends else shown.run.prediction
    if not isinstance(prediction, ClassPrediction) or not 2 <= len(prediction.probability) <= 12:
        return
    best = prediction.best
    names = {lang: prediction.classes.get(lang, prediction.classes["en"]) for lang in LANGUAGES}
    yield _choice_question(
        lambda: _("Which class does the network give to this text?"),
        [(str(k), {lang: names[lang][k] for lang in LANGUAGES}) for k in range(len(prediction.probability))],
        str(best),
        lambda: _("It gives this class {percent:.1%} of the probability.").format(
            percent=float(prediction.probability[best])
        ),
        after={"step": len(shown.labels) - 1},
    )


def _safely(make: Callable[[_ShownView], Iterator[Question]]) -> Callable[[_ShownView], Iterator[Question]]:
    """Return the function without the questions that this network or text cannot answer."""

    def questions(shown: _ShownView) -> Iterator[Question]:
        with suppress(Problem):
            yield from make(shown)

    return questions


_QUESTIONS = tuple(map(_safely, (_attended, _next_symbol, _class, _gate, _change, _curve, _gradient)))
