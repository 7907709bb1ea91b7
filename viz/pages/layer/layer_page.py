"""Layer: what does one call of a layer return, in which shape, and how do Keras's and PyTorch's lines say it?"""

from viz.pages.keep_panels import keep_panels_button
from viz.pages.layer.call_controls import call_controls
from viz.pages.layer.input_panels import dense_panel, embedding_panel, folded_panel, stages_panel
from viz.pages.layer.returned_panels import call_lines_panel, returned_states_panel
from viz.pages.layer.size_panels import layer_parameters_panel
from viz.session import get_session


def page() -> None:
    """Draw the Layer page."""
    session = get_session()
    run = call_controls(session)
    session.mark_good()
    if run.call.source == "text":
        embedding_panel(run)
    returned_states_panel(run)
    call_lines_panel(run)
    layer_parameters_panel(run)
    folded_panel(run)
    dense_panel(run)
    stages_panel(run)
    keep_panels_button(session, "layer")
