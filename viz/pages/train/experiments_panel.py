"""The panel of the six experiments: their runs are started with one click and compared on one axis."""

from __future__ import annotations

import streamlit as st

from models.training.presets import PRESETS, Preset
from viz.escape import escape_markdown
from viz.i18n import _, ngettext, translate
from viz.pages.page_elements import caption
from viz.pages.panels import panel
from viz.pages.run_folders import listed_runs
from viz.pages.train.setting_controls import keep_options
from viz.pages.train.start_runs import show_runs, start_runs
from viz.session import Session


def experiments_panel(session: Session, *, opened: bool) -> None:
    """Declare the panel; ``opened``: whether it begins open."""

    @panel(
        "experiments",
        _("Experiments"),
        _("Each starts runs that differ in one setting. Read what to look for first, then what really happened here."),
        opened=opened,
    )
    def draw() -> None:
        listed = [entry.name for entry in listed_runs(session)]
        caption(
            _(
                "What happened was measured once, with seed 0. Another processor rounds differently, so losses of your runs "
                "may differ in the second digit, and those of the clipped run, which vary from step to step, by half."
            )
        )
        for preset in PRESETS:
            with st.expander(escape_markdown(translate(preset.title))):
                _draw(session, preset, listed)


def _draw(session: Session, preset: Preset, listed: list[str]) -> None:
    st.markdown(f"**{_('What to look for')}** · " + escape_markdown(translate(preset.look_for)))
    st.markdown(f"**{_('What happened here')}** · " + escape_markdown(translate(preset.happened)))
    names = ", ".join(translate(variant.title) for variant in preset.variants)
    st.markdown(f"**{_('Runs')}** · " + escape_markdown(names))
    own = _newest_runs(preset, listed)
    row = st.container(horizontal=True, gap="small")
    with row:
        count = len(preset.variants)
        label = ngettext("Start {n} run", "Start {n} runs", count).format(n=count)
        if st.button(label, icon=":material/play_arrow:", type="primary", key=f"train_experiment_{preset.name}"):
            start_runs(session, [(variant.options, f"{preset.name}-{variant.name}") for variant in preset.variants])
        if len(own) > 1 and st.button(
            _("Compare the last runs"), icon=":material/stacked_line_chart:", key=f"train_compare_{preset.name}"
        ):
            show_runs(session, own)
        if st.button(_("Use these settings"), icon=":material/tune:", key=f"train_use_{preset.name}"):
            keep_options(preset.variants[0].options)
            session.open_panel("new_run", default=False, scroll=True)
            st.rerun()


def _newest_runs(preset: Preset, listed: list[str]) -> list[str]:
    """Return the newest run of each variant of an experiment among the listed runs, in the order of the variants."""
    newest = [
        next((name for name in listed if name.rpartition("-")[0] == f"{preset.name}-{variant.name}"), None)
        for variant in preset.variants
    ]
    return [name for name in newest if name is not None]
