"""Edits as the reader sees them: in words, steps counted from 1, and as spans of fixed values that the browser marks."""

from models.core.tokenize_text import display
from models.edits import edit as kinds
from models.edits.edit import Edit, InterventionEdit
from models.networks.forward_run import ForwardRun
from viz.i18n import _
from viz.quantity_names import quantity_names


def describe_edit(edit: Edit) -> str:
    """Return the edit as a sentence."""
    match edit:
        case kinds.WeightChange(place, how, value):
            template = {
                "=": _("{place}: set to {value}"),
                "+=": _("{place}: {value} added"),
                "*=": _("{place}: multiplied by {value}"),
            }[how]
            return template.format(place=describe_place(place), value=_number(value))
        case kinds.ForgetBias(layer, value, unit):
            return _("Forget bias of {whose}: set to {value}").format(whose=_whose(layer, unit), value=_number(value))
        case kinds.SpectralRadius(place, value):
            return _("{place}: spectral radius scaled to {value}").format(
                place=describe_place(place), value=_number(value)
            )
        case kinds.Quantize(place, bits):
            return _("{place}: rounded to {bits} bits").format(place=describe_place(place), bits=bits)
        case kinds.Noise(place, deviation, seed):
            return _("{place}: Gaussian noise added (standard deviation {value}, random seed {seed})").format(
                place=describe_place(place), value=_number(deviation), seed=seed
            )
        case kinds.ReplaceMatrix(name):
            return _("{name}: replaced by a matrix from a file").format(name=name)
        case kinds.TokenEdit(how, step, token):
            template = {
                "replace": _("Token at time step {step} replaced by “{token}”"),
                "insert": _("“{token}” inserted before time step {step}"),
                "delete": _("Token at time step {step} deleted"),
            }[how]
            return template.format(step=step + 1, token=display(token))
        case _:
            return _describe_intervention(edit)


def _describe_intervention(edit: kinds.Clamp | kinds.Ablate | kinds.Patch | kinds.InitialState) -> str:
    names, whose = quantity_names(), _whose(edit.layer, edit.unit)
    match edit:
        case kinds.Clamp(_layer, quantity, value, _unit, first, last):
            return _("{quantity} of {whose}: fixed at {value}, {steps}").format(
                quantity=names[quantity], whose=whose, value=_number(value), steps=_steps(first, last)
            )
        case kinds.Ablate(_layer, _unit, by, first, last):
            template = (
                _("{quantity} of {whose}: fixed at 0, {steps}")
                if by == "zero"
                else _("{quantity} of {whose}: fixed at its mean, {steps}")
            )
            return template.format(quantity=names["hidden"], whose=whose, steps=_steps(first, last))
        case kinds.Patch(_layer, quantity, step, text, source):
            return _(
                "{quantity} of {whose}: value at step {step} replaced by that at step {source} of “{text}”"
            ).format(quantity=names[quantity], whose=whose, step=step + 1, source=source + 1, text=_short(text))
        case kinds.InitialState(_layer, state, value):
            return _("Initial {quantity} of {whose}: {value}").format(
                quantity=names[state], whose=whose, value=_number(value)
            )


def describe_place(place: kinds.Place) -> str:
    """Return the place of an edit in words: a parameter, or part of one."""
    layer, _dot, kind = place.name.rpartition(".")
    if kind in ("reads", "writes"):
        template = (
            _("All incoming weights and biases of {whose}") if kind == "reads" else _("All outgoing weights of {whose}")
        )
        return template.format(whose=_whose(layer, place.row))
    if place.gate is None and place.row is None and place.column is None:
        return place.name
    rows = _rows(place)
    if place.column is None:
        return _("{name}, {rows}").format(name=place.name, rows=rows)
    return _("{name}, {rows}, column {column}").format(name=place.name, rows=rows, column=place.column)


def _rows(place: kinds.Place) -> str:
    if place.gate is not None:
        gate = quantity_names()[place.gate]
        if place.row is None:
            return _("{gate} of all units").format(gate=gate)
        return _("{gate} of unit {unit}").format(gate=gate, unit=place.row)
    return _("all rows") if place.row is None else _("row {row}").format(row=place.row)


def _whose(layer: str, unit: int | None) -> str:
    if unit is None:
        return _("all units of {layer}").format(layer=layer)
    return _("unit {unit} of {layer}").format(unit=unit, layer=layer)


def _steps(first: int, last: int | None) -> str:
    if last is None:
        return _("from time step {first} on").format(first=first + 1) if first else _("at every time step")
    if first == last:
        return _("step {step}").format(step=first + 1)
    return _("steps {first} to {last}").format(first=first + 1, last=last + 1)


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


def _short(text: str) -> str:
    line = display(text)
    return line if len(line) <= 30 else line[:29] + "…"


def fixed_spans(run: ForwardRun, layer: str) -> list[dict[str, object]]:
    """Return the spans of fixed values in ``layer``: "quantity", "unit" (None: all) and "steps", the first and the last."""
    steps = int(run.trace.layers[layer].lengths[run.row])
    found = ((edit, _span(edit, steps)) for edit in run.interventions if edit.layer == layer)
    return [{"quantity": what, "unit": edit.unit, "steps": span} for edit, (what, span) in found if span]


def _span(edit: InterventionEdit, steps: int) -> tuple[str, tuple[int, int] | None]:
    match edit:
        case kinds.Clamp(_, quantity, _, _, first, last):
            return quantity, (first, steps - 1 if last is None else last)
        case kinds.Ablate(_, _, _, first, last):
            return "hidden", (first, steps - 1 if last is None else last)
        case kinds.Patch(_, quantity, step):
            return quantity, (step, step)
    return edit.state, None  # before the first step: no cell of the sequence shows it
