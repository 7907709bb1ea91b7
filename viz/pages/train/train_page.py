"""Train: how do gates and gradient norms come to be what they are?"""

from viz.pages.train.live_chart import live_style
from viz.pages.train.new_run_panel import new_run_panel
from viz.pages.train.recorded_panels import (
    learning_curves_panel,
    recurrent_weights_panel,
    samples_panel,
    training_norms_panel,
)
from viz.pages.train.run_header import choose_run
from viz.pages.train.snapshot_slider import snapshot_slider
from viz.pages.train.training_map_panel import training_map_panel
from viz.session import get_session


def page() -> None:
    """Draw the Train page."""
    session = get_session()
    run = choose_run(session)
    session.mark_good()
    if run is None:
        new_run_panel(session, opened=True)
        return
    recording = run.recording
    if recording is not None:
        live_style()
        snapshot_slider(session, run, recording)
        training_map_panel(session, run, recording)
        learning_curves_panel(run, recording)
        training_norms_panel(run, recording)
    new_run_panel(session, opened=recording is None)
    if recording is not None:
        recurrent_weights_panel(run, recording)
        samples_panel(run, recording)
