"""The view of a lens without a server: its title, its sentence, its playback controls and its panels, for any host."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from viz.address import View
from viz.colours import Theme
from viz.components import Component
from viz.panel_texts import PanelText

Column = Literal["left", "right", "whole"]


@dataclass(frozen=True)
class ShownPanel:
    """A panel in one language.

    Attributes:
        name: as in the address of the app.
        text: its title and what to look for.
        component, data: what is drawn.
        column: beside which other panels it is on a wide page.
        notes: sentences above the drawing, plain text.
    """

    name: str
    text: PanelText
    component: Component
    data: Mapping[str, Any]
    column: Column = "whole"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ViewContent:
    """The texts and panels of a view in one language.

    Attributes:
        title: the network or run, and the lens.
        sentence: what the numbers are of.
        panels: in their order.
        controls: the player above the panels; None where a panel has the controls.
        notes: sentences under the first one, as on what a file lacks.
    """

    title: str
    sentence: str
    panels: tuple[ShownPanel, ...]
    controls: tuple[Component, Mapping[str, Any]] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptState:
    """State of a page that was kept: its texts and figures are of one language and theme, and of one step and unit.

    Attributes:
        lang, theme: of the page.
        components: what its panels are drawn with.
        arrays: payloads of the array loader, which are loaded before those of the view.
        places: the step, unit and quantity in each store that has its own, by the store's name; elsewhere the view's.
    """

    lang: str
    theme: Theme
    components: tuple[Component, ...]
    arrays: tuple[bytes, ...] = ()
    places: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownView:
    """The view of a lens.

    Attributes:
        view_id: the browser's store.
        lens: its name in the address of the app.
        place: the step and unit that are shown first, and the quantity or None.
        payloads: what is loaded into the store, in order.
        content: returns what is shown, in the language of ``viz.i18n.language``.
        counts: how many values "step" and "unit" can have.
        steps, units: the steps and units whose values are there, each as the first and the one after the last; None for all.
        address: the view in the app; None where the app cannot open it by a link.
        quantities: the gates and states to choose from; () where there is no choice.
        link_fields: the fields of the address that follow the reader's moves.
        step_numbers: the number of each step for a program, where it is not its place: the training steps of a run.
        kept: of a page that stays as it was kept; None where all moves as in the app.
    """

    view_id: str
    lens: str
    place: Mapping[str, Any]
    payloads: tuple[bytes, ...]
    content: Callable[[], ViewContent]
    counts: Mapping[str, int]
    steps: tuple[int, int] | None = None
    units: tuple[int, int] | None = None
    address: View | None = None
    quantities: tuple[str, ...] = ()
    link_fields: tuple[str, ...] = ("step", "unit", "quantity")
    step_numbers: tuple[int, ...] = ()
    kept: KeptState | None = None
