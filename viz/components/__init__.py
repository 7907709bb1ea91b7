"""The drawings that move in the browser: a folder each, with its Python, JavaScript and CSS.

Components are independent of their host. A component is drawn into an element of any page: its Python makes its data
(``player_data`` and the like, plain values that become JSON), its JavaScript draws the data. The hosts are Streamlit
(`streamlit_host.py`, `streamlit_host.js`), and outside the app the document of `viz.show`. All components of a view share
one client-side store (`shared/store.js`), so that the trace of a sequence is sent once and a step costs no server round trip.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent

CORE = ("josa", "canvas", "store", "scroll_stops", "mount")
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

    @property
    def shared_scripts(self) -> tuple[Path, ...]:
        """The files of the shared scripts, in order."""
        return tuple(FOLDER / "shared" / f"{name}.js" for name in (*CORE, *self.shared))

    @property
    def own_scripts(self) -> tuple[Path, ...]:
        """The files of the component's folder, the one of its own name last."""
        found = (FOLDER / self.name).glob("*.js")
        return tuple(sorted(found, key=lambda path: (path.stem == self.name, path.stem)))

    @cached_property
    def script(self) -> str:
        """Return the shared scripts, then the component's own.

        Raises:
            FileNotFoundError: a script is missing.
        """
        return _joined((*self.shared_scripts, *self.own_scripts))

    @cached_property
    def style(self) -> str:
        """Return the style sheets of the same files, where they have one; "" for a component that draws nothing."""
        return _joined(self.style_sheets)

    @property
    def style_sheets(self) -> tuple[Path, ...]:
        """The style sheets of the same files, where they have one; none for a component that draws nothing."""
        if not self.draws:
            return ()
        shared = [FOLDER / "shared" / f"{name}.css" for name in ("shared", *self.shared)]
        return tuple(path for path in (*shared, FOLDER / self.name / f"{self.name}.css") if path.exists())


def _joined(paths: Iterable[Path]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@cache
def all_components() -> tuple[Component, ...]:
    """Return every component, by name."""
    modules = [import_module(f"{__name__}.{path.parent.name}") for path in FOLDER.glob("*/__init__.py")]
    found = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Component)}
    return tuple(found[name] for name in sorted(found))


@cache
def bundle(components: tuple[Component, ...] | None = None) -> str:
    """Return the scripts of these components (None: of all) as one ES module, in which each shared script is once."""
    pieces: dict[str, None] = {}
    for component in all_components() if components is None else components:
        pieces |= dict.fromkeys(_joined([path]) for path in component.shared_scripts)
        pieces[f"{{\n{_joined(component.own_scripts)}\n}}"] = None  # a block, whose names the others do not have
    return "\n".join(pieces)


@cache
def style_bundle(components: tuple[Component, ...]) -> str:
    """Return the style sheets of these components, in which each shared one is once."""
    sheets = dict.fromkeys(path for component in components for path in component.style_sheets)
    return _joined(sheets)


def float32_text(values: np.ndarray) -> str:
    """Return numbers as base64 of float32, as `unrolled.float32` in `shared/canvas.js` decodes them."""
    return b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
