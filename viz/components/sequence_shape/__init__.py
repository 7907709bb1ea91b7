"""One of the four shapes of a recurrent network, with the symbols of a real run."""

from collections.abc import Sequence

from viz.components import define


def shape(
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
        view_id: tells this drawing from others on the page.
        inputs: what each step reads; None where it reads nothing from outside.
        outputs: what each step puts out, as many; None for nothing.
        label: what is drawn, for those who do not see it.
        key: of the component in the page.
        fed: whether each output is the next step's input.
    """
    define("sequence_shape")(
        key=key,
        data={
            "component": "shape",
            "view_id": view_id,
            "inputs": list(inputs),
            "outputs": list(outputs),
            "label": label,
            "fed": fed,
        },
        height="content",
    )
