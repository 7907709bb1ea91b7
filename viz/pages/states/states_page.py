"""States: what did each unit do over the whole sequence? Which unit tracks what?"""

from models.core.saved_cell import SavedCell
from models.networks.forward_run import ForwardRun
from models.states.unit_order import UnitOrder
from viz.components.player import player
from viz.components.reports import VIEW
from viz.components.streamlit_host import reported
from viz.components.trace_loader import trace_loader
from viz.pages.controls import show_controls
from viz.pages.downloads import download_panel
from viz.pages.keep_page import keep_page_button, kept_place, kept_source
from viz.pages.keep_panels import keep_panels_button
from viz.pages.player_view import player_view
from viz.pages.send_trace import send_excerpt
from viz.pages.states import states_cache
from viz.pages.states.compare_runs import compare_runs
from viz.pages.states.memory_panel import memory_panel
from viz.pages.states.padding_panel import padding_panel
from viz.pages.states.sensitivity_panel import sensitivity_panel
from viz.pages.states.span_panel import span_panel
from viz.pages.states.state_heatmaps import chosen_order, chosen_window, state_heatmaps
from viz.pages.states.tracking_panel import tracking_panel
from viz.pages.states.trajectory_panel import trajectory_panel
from viz.payloads.excerpt import Excerpt
from viz.payloads.heatmap_image import Window
from viz.payloads.states_payload import states_excerpt, states_fit
from viz.session import Session, get_session
from viz.show.states_view import states_view

VIEW_ID = "states"
PLAYER = "states_player"


def page() -> None:
    """Draw the States page."""
    session = get_session()
    run = show_controls(session)
    view = session.view
    layer, quantity = run.trace.layers[view.layer or ""], view.quantity or ""
    assert view.unit is not None and view.step is not None
    by, window = chosen_order(), chosen_window(run, layer)
    _send_layer(session, run, by, window)
    player(
        VIEW_ID,
        view=player_view(session),
        key=PLAYER,
        on_view_change=_player_moved,
    )
    if isinstance(layer, SavedCell):
        state_heatmaps(run, layer, VIEW_ID, quantity)
        if "hidden" in layer.quantities:
            trajectory_panel(run, layer, view.step, VIEW_ID)
        download_panel(session, run)
        _keep_button(session, run)
        return
    tracking_panel(session, run, VIEW_ID, window)
    state_heatmaps(run, layer, VIEW_ID, quantity)
    memory_panel(run, layer, view.unit, view.step)
    sensitivity_panel(session, run, layer, view.step)
    trajectory_panel(run, layer, view.step, VIEW_ID)
    span_panel(session, run, layer, VIEW_ID)
    compare_runs(session, run, layer)
    padding_panel(session, layer)
    _keep_button(session, run)


def _keep_button(session: Session, run: ForwardRun) -> None:
    keep_page_button(session, lambda: states_view(kept_source(session, run), VIEW_ID, kept_place(session.view)))
    keep_panels_button(session, "states", further=True)


def _send_layer(session: Session, run: ForwardRun, by: UnitOrder, window: Window | None) -> None:
    """Send the layer to the browser, as a whole or in excerpts."""
    view = session.view
    name, place, quantity = view.layer or "", (view.step or 0, view.unit or 0), view.quantity or ""
    if states_fit(run, name):
        trace_loader(states_cache.whole_payload(VIEW_ID, run, name), key=f"{VIEW_ID}_sequence")
        return

    def payloads(part: Excerpt, _step: int) -> tuple[bytes]:
        picture = states_cache.layer_heatmap_image(run, name, by, quantity, window)
        return (states_excerpt(VIEW_ID, run, name, part, picture),)

    send_excerpt(VIEW_ID, run, name, place, payloads)


def _player_moved() -> None:
    view = reported(PLAYER, "view", VIEW)
    if view is not None:
        get_session().apply_report(**view)
