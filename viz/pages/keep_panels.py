"""The button that downloads the open panels of a page as one HTML file: their texts, tables, figures and drawings.

It serves every page whose panels follow no step in the browser: the file has what the page has sent, at its place.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.Block_pb2 import Block
from streamlit.proto.Element_pb2 import Element

from models.edits.edit_syntax import write_edit
from viz.address import View
from viz.colours import Theme
from viz.components import all_components
from viz.components.array_loader import ARRAY_LOADER
from viz.components.kept_panel import KEPT_PANEL
from viz.components.trace_loader import TRACE_LOADER
from viz.components.updated_figure import UPDATED_FIGURE
from viz.escape import escape_html
from viz.i18n import _, language
from viz.pages import cache, find_lens
from viz.pages.keep_page import keep_page_button, kept_address, kept_place
from viz.pages.page_elements import page_theme
from viz.pages.panels import PAGE_PANELS, PagePanels, Panel
from viz.pages.sent_elements import SENT, SentElements, key_of
from viz.pages.sent_html import sent_html, setting_of
from viz.panel_texts import PanelText
from viz.rooms.question_markup import question_plain
from viz.session import Session
from viz.show.offline_file import offline_html
from viz.show.run_source import edits_sentence
from viz.show.shown_view import KeptState, ShownPanel, ShownView, ViewContent

CONTROLS = ("array_loader", "copy_link", "panel_list", "player", "redraw_timer", "save_lesson", "sketch", "sliders",
            "span_picker", "sync_views", "trace_loader")  # fmt: skip
"""Components that a file does not show: controls that need the app, and those that draw nothing."""

NETWORK_LENSES = ("step", "states", "gradients", "edit", "attention", "search")
"""The pages whose panels are of the network in the address."""

LARGEST = 3_000_000
"""Bytes of a file."""

SEPARATOR = " · "
"""Between what is chosen in one widget and in the next."""


def keep_panels_button(session: Session, lens: str, *, further: bool = False) -> None:
    """Show the button.

    Args:
        session: of the reader.
        lens: the name of the page.
        further: whether the page has a button of `keep_page_button` of its own, for a file that moves as the app.
    """
    page: PagePanels = st.session_state[PAGE_PANELS]
    sent: SentElements = st.session_state[SENT]
    sent.is_kept = True
    net = session.view.net if lens in NETWORK_LENSES else None
    kept = KeptPage(
        sent,
        page,
        lens,
        session.view,
        () if net is None else (cache.display_name(net),),
        () if net is None else _place_sentences(session, lens),
        page_theme(),
        language(),
    )
    keep_page_button(
        session,
        lambda: bounded_panels_view(kept),  # in another thread than the page
        key="keep_panels" if further else "keep_page",
        label=_("Keep the open panels (HTML)") if further else "",
        hint=_(
            "One file that needs no server and no network: it contains the open panels as they are now, with their values, "
            "texts and charts, in the language and theme of the page."
        ),
    )


@dataclass(frozen=True, eq=False)
class KeptPage:
    """A page whose open panels are kept.

    Attributes:
        sent: what the page has sent, which goes on changing.
        page: its panels, likewise.
        lens: its name.
        view: its view.
        network: the title of the network that the panels are of; () where they are of none.
        notes: sentences on the place in it, and on its edits.
        theme, lang: of the page.
    """

    sent: SentElements
    page: PagePanels
    lens: str
    view: View
    network: tuple[str, ...]
    notes: tuple[str, ...]
    theme: Theme
    lang: str


def bounded_panels_view(kept: KeptPage) -> ShownView:
    """Return the open panels of a page, without the largest ones where the file would have more than ``LARGEST`` bytes."""
    left_out: tuple[str, ...] = ()
    while True:
        view = panels_view(kept, left_out)
        sizes = {each.name: len(gzip.compress(json.dumps(each.data).encode())) for each in view.content().panels}
        excess = len(offline_html(view).encode()) - LARGEST
        if excess <= 0 or not sizes:
            return view
        while excess > 0 and sizes:
            largest = max(sizes, key=lambda name: sizes[name])
            excess -= sizes.pop(largest) * 4 // 3  # in base64
            left_out += (largest,)


def panels_view(kept: KeptPage, left_out: tuple[str, ...] = ()) -> ShownView:
    """Return the open panels of a page as they were sent; of those that contain nothing but controls, none.

    Args:
        kept: the page.
        left_out: names of panels for which the file has no room.
    """
    components = {each.name: each for each in all_components()}
    computed = [each for each in kept.page.panels if each.is_open and each.is_complete]
    kept = replace(kept, sent=kept.sent.copy())  # after that, so that it has all elements of these panels
    panels: list[ShownPanel] = []
    for each in computed:
        if each.name in left_out:
            continue
        elements = _kept_elements(kept.sent, f"panel_{each.name}")
        content = elements[1:] if each.look_for else elements
        if any("setting" not in element for element in content):
            if not panels:
                elements.insert(0, {"html": kept.sent.styles()})
            text = PanelText(question_plain(each.title), "")
            panels.append(ShownPanel(each.name, text, KEPT_PANEL, {"elements": elements}))
    used = {
        element["component"]: None for each in panels for element in each.data["elements"] if "component" in element
    }
    too_large = [each for each in computed if each.name in left_out]
    shown = _content(kept, computed, tuple(panels), ", ".join(question_plain(each.title) for each in too_large))
    loaded = _loaded(kept.sent) if panels or not left_out else _loaded(SentElements())
    return ShownView(
        f"kept_{kept.lens}",
        kept.lens,
        kept_place(kept.view),
        loaded[TRACE_LOADER.name],
        lambda: shown,
        {},
        address=replace(kept_address(kept.view), panel=kept.view.panel),
        link_fields=(),
        kept=KeptState(
            kept.lang,
            kept.theme,
            (ARRAY_LOADER, *(components[name] for name in used)),
            loaded[ARRAY_LOADER.name],
            _places(kept.sent),
        ),
    )


def _content(kept: KeptPage, computed: list[Panel], panels: tuple[ShownPanel, ...], too_large: str) -> ViewContent:
    title = _(find_lens(kept.lens).title)
    places = kept.page.places  # a lesson has places for some panels of the page
    names = {each.name for each in computed}
    others = [each for each in kept.page.panels if each.name not in names and (places is None or each.name in places)]
    folded = ", ".join(question_plain(each.title) for each in others if not each.is_open)
    awaited = ", ".join(question_plain(each.title) for each in others if each.is_open)
    settings = [setting_of(each, kept.sent.chosen) for each in kept.sent.outside(("panel_", "bar", "glossary"))]
    return ViewContent(
        SEPARATOR.join((*kept.network, title)),
        _(
            "This is the page “{page}” as it was when it was saved: its open panels with their values, texts and charts. "
            "To change a setting or move to another time step, open the view in the app."
        ).format(page=title),
        panels,
        notes=tuple(
            filter(
                None,
                (
                    *kept.notes,
                    SEPARATOR.join(filter(None, settings)),
                    too_large
                    and _("Not contained, because a file has at most {size} MB: {panels}.").format(
                        size=f"{LARGEST / 1e6:g}", panels=too_large
                    ),
                    folded and _("Not contained, because they were folded: {panels}.").format(panels=folded),
                    awaited
                    and _("Not contained, because they were not computed yet: {panels}.").format(panels=awaited),
                ),
            )
        ),
    )


def _place_sentences(session: Session, lens: str) -> tuple[str, ...]:
    """Return where in its run the page is, if it is at a time step, and which edits the network has."""
    view = session.view
    place = ""
    if view.step is not None and view.unit is not None:
        place = _("Time step {step}, unit {unit} of layer {layer}.").format(
            step=view.step + 1, unit=view.unit, layer=view.layer
        )
    elif view.step is not None:
        place = _("Time step {step} of layer {layer}.").format(step=view.step + 1, layer=view.layer)
    edits = edits_sentence(*map(write_edit, session.edits.on))
    unread = _("The corpus is read by the network without your edits.") if edits and lens == "search" else ""
    return place, edits, unread


def _kept_elements(sent: SentElements, key: str) -> list[dict[str, Any]]:
    """Return what the file has of a panel after its title: HTML, or components and their data; settings in one line."""
    found: list[dict[str, Any]] = []
    for each in sent.inside(key)[1:]:
        setting = setting_of(each, sent.chosen)
        if setting is not None and found and "setting" in found[-1]:
            setting = found.pop()["setting"] + SEPARATOR + setting
        if setting is not None:
            found.append({"setting": setting, "html": f'<p class="unrolled-muted">{escape_html(setting)}</p>'})
        elif (kept := _kept(each)) is not None:
            found.append(kept)
    return found


def _kept(element: Element | Block) -> dict[str, Any] | None:
    """Return an element for the file; None for one that it lacks."""
    kind = element.WhichOneof("type")
    if isinstance(element, Element) and kind == "plotly_chart":
        chart = element.plotly_chart
        return _figure(key_of(chart.id), chart.spec, json.loads(chart.config or "{}"))
    if isinstance(element, Element) and kind == "bidi_component":
        name, data = _component(element.bidi_component)
        if name in CONTROLS or not isinstance(data, dict):
            return None
        if name == UPDATED_FIGURE.name:
            return _figure(data["name"], data["figure"], data["config"])
        return {"component": name, "data": data}
    html = sent_html(element)
    return {"html": html} if html else None


def _figure(name: str, figure: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "component": UPDATED_FIGURE.name,
        "className": f"st-key-{name}",  # as on the page, for the rules of its style
        "data": {"name": name, "figure": figure, "config": {**config, "responsive": False}, "script": ""},
    }


def _component(sent: BidiComponent) -> tuple[str, Any]:
    """Return a component's name and its data: plain values, or bytes."""
    kind = sent.WhichOneof("data")
    data = json.loads(sent.json) if kind == "json" else sent.bytes if kind == "bytes" else None
    return sent.component_name.rpartition("unrolled_")[2], data


def _sent_components(sent: SentElements) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each component on the page."""
    for each in sent.elements():
        if isinstance(each, Element) and each.WhichOneof("type") == "bidi_component":
            yield _component(each.bidi_component)


def _loaded(sent: SentElements) -> dict[str, tuple[bytes, ...]]:
    """Return what the loaders have sent, by their name."""
    found: dict[str, list[bytes]] = {TRACE_LOADER.name: [], ARRAY_LOADER.name: []}
    for name, data in _sent_components(sent):
        if name in found and data:
            found[name].append(data)
    return {name: tuple(payloads) for name, payloads in found.items()}


def _places(sent: SentElements) -> dict[str, dict[str, Any]]:
    """Return the step, unit and quantity that the page's components have, by the name of their store."""
    found = {}
    for _name, data in _sent_components(sent):
        if isinstance(data, dict) and isinstance(data.get("view"), dict):
            found[data["view_id"]] = {name: data["view"].get(name) for name in ("step", "unit", "quantity")}
    return found
