"""A recurrent network unrolled over its steps, as one of the four arrangements of inputs and outputs."""

from collections.abc import Sequence
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount

SEQUENCE_SHAPE = Component("sequence_shape")


def sequence_shape(
    view_id: str,
    inputs: Sequence[str | None],
    outputs: Sequence[str | None],
    *,
    label: str,
    key: str,
    fed: bool = False,
) -> None:
    """Draw a network unrolled over its steps.

    Args:
        view_id: a name of its own for each drawing of the page.
        inputs: the input symbol of each step, or None.
        outputs: the output symbol of each step, or None; as many.
        label: what is drawn, for screen readers.
        key: of the component in the page.
        fed: whether each output is the next step's input.
    """
    mount(SEQUENCE_SHAPE, sequence_shape_data(view_id, inputs, outputs, label=label, fed=fed), key=key)


def sequence_shape_data(
    view_id: str, inputs: Sequence[str | None], outputs: Sequence[str | None], *, label: str, fed: bool = False
) -> dict[str, Any]:
    """Return the data of the drawing; arguments as of `sequence_shape`."""
    return {"view_id": view_id, "inputs": list(inputs), "outputs": list(outputs), "label": label, "fed": fed}
