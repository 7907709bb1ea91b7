"""The drawings that move in the browser: a folder each, with its Python, JavaScript and CSS.

Components are independent of their host. A component is drawn into an element of any page: its Python makes its data
(``player_data`` and the like, plain values that become JSON), its JavaScript draws the data. The one host today is Streamlit
(`streamlit_host.py`, `streamlit_host.js`). All components of a view share one client-side store (`shared/store.js`), so
that the trace of a sequence is sent once and a step costs no server round trip.
"""

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent

CORE = ("josa", "canvas", "store", "mount")
"""The scripts of `shared/` that every component uses."""


@dataclass(frozen=True)
class Component:
    """A component's script and style.

    A host runs ``script`` as an ES module and adds ``style`` to the page. Then ``unrolled.components[name]`` has one
    function, ``mount(element, data, report)``, which draws into the element and returns ``{update(data), destroy()}``.
    ``report(event, value)`` is called for each action of the reader that a host may handle.

    The page's colours and fonts are CSS custom properties that the element inherits, listed in `shared/shared.css`.

    Attributes:
        name: of the component and its folder.
        shared: the scripts of `shared/` that it uses beside ``CORE``, in order.
        draws: whether it draws anything. If not, it has no style, and in JavaScript it is marked ``invisible``.
    """

    name: str
    shared: tuple[str, ...] = ()
    draws: bool = True

    @cached_property
    def script(self) -> str:
        """Return the shared scripts, then those of the component's folder, the one of its own name last.

        Raises:
            FileNotFoundError: a script is missing.
        """
        own = sorted((FOLDER / self.name).glob("*.js"), key=lambda path: (path.stem == self.name, path.stem))
        shared = [FOLDER / "shared" / f"{name}.js" for name in (*CORE, *self.shared)]
        return "\n".join(path.read_text(encoding="utf-8") for path in (*shared, *own))

    @cached_property
    def style(self) -> str:
        """Return the style sheets of the same files, where they have one; "" for a component that draws nothing."""
        if not self.draws:
            return ""
        shared = [FOLDER / "shared" / f"{name}.css" for name in ("shared", *self.shared)]
        sheets = [*shared, FOLDER / self.name / f"{self.name}.css"]
        return "\n".join(path.read_text(encoding="utf-8") for path in sheets if path.exists())


def float32_text(values: np.ndarray) -> str:
    """Return numbers as base64 of float32, as `unrolled.float32` in `shared/canvas.js` decodes them."""
    return b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
