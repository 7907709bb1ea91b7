"""Train: how do gates and gradient norms come to be what they are?"""

from viz.pages.keep_panels import keep_panels_button
from viz.pages.panels import after_panels
from viz.pages.train.experiments_panel import experiments_panel
from viz.pages.train.live_chart import live_style
from viz.pages.train.mask_panel import has_masks, mask_panel
from viz.pages.train.new_run_panel import new_run_panel
from viz.pages.train.recorded_panels import (
    learning_curves_panel,
    recurrent_weights_panel,
    samples_panel,
    training_norms_panel,
)
from viz.pages.train.run_comparison import run_comparison_panel
from viz.pages.train.run_header import choose_run
from viz.pages.train.shown_run import follow_live_parts, forget_live_parts
from viz.pages.train.snapshot_slider import snapshot_slider
from viz.pages.train.training_map_panel import training_map_panel
from viz.session import get_session


def page() -> None:
    """Draw the Train page."""
    session = get_session()
    forget_live_parts()
    run = choose_run(session)
    session.mark_good()
    recording = None if run is None else run.recording
    if run is None or recording is None:
        new_run_panel(session, opened=True)
        experiments_panel(session, opened=True)
        after_panels(follow_live_parts)
        return
    live_style(live=run.is_live)
    snapshot_slider(session, run, recording)
    training_map_panel(session, run, recording)
    learning_curves_panel(run, recording)
    training_norms_panel(run, recording)
    run_comparison_panel(session, run)
    new_run_panel(session, opened=False)
    experiments_panel(session, opened=False)
    recurrent_weights_panel(run, recording)
    samples_panel(run, recording)
    if run.options is not None and has_masks(run.options):
        mask_panel(run, recording, run.options)
    keep_panels_button(session, "train")
    after_panels(follow_live_parts)
