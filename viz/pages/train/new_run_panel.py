"""The panel that starts a training run: its settings, its data, and the same settings as lines of Keras and PyTorch."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from models.core.cells import GATE_COUNTS
from models.core.messages import Problem
from models.training.check_options import MAX_DATA, check_options
from models.training.framework_lines import KERAS_CELLS, settings_lines
from models.training.training_options import CHOICES, OWN_DATA, TrainingOptions
from models.training.training_tasks import TASK_MAKERS
from viz.i18n import _, ngettext
from viz.pages.page_elements import caption, show_problem
from viz.pages.panels import panel
from viz.pages.sent_elements import recorded_fragment
from viz.pages.synced_widget import synced_widget
from viz.pages.train.setting_controls import (
    FIRST,
    GROUPS,
    applies,
    fitting,
    is_too_long_for_link,
    next_options,
    set_options,
    setting_rows,
    setting_title,
)
from viz.pages.train.start_runs import start_runs
from viz.pages.upload_box import upload_box
from viz.pages.view_widgets import COUNT, OptionFormat, view_widget
from viz.session import Session
from viz.uploads import remove_uploads

MAX_SHOWN = 20_000
"""Characters of one's own data up to which they are in the text box."""

MAX_CHECKED = 200_000
"""Characters of one's own data up to which they are checked at once, in a quarter of a second."""

UPLOAD, MAX_UPLOAD = "train_upload", 8
"""The key of the upload, and MB of a file: ``MAX_DATA`` characters in UTF-8, of at most four bytes each."""

MAX_SEEDS = 10
NAMES: OptionFormat[list[str]] = OptionFormat(lambda text: text.split(","), ",".join)


def new_run_panel(session: Session, *, opened: bool) -> None:
    """Declare the panel; ``opened``: whether it begins open."""

    @panel(
        "new_run",
        _("New training run"),
        _("Choose a task and a cell, then start. Training runs in its own process, and the page shows it live."),
        opened=opened,
    )
    def draw() -> None:
        recorded_fragment(_draw)(session)


def _draw(session: Session) -> None:
    setting_rows(FIRST, next_options())
    if applies("data", next_options()):
        _own_data(next_options())
    for group in GROUPS:
        with st.expander(group.title()):
            setting_rows(group.rows, next_options())
    options = next_options()
    with st.expander(_("Several runs: cells and seeds")):
        runs = _sweep(options)
    _layer_formula(options)
    with st.expander(_("The same settings in Keras and PyTorch")):
        _library_lines(options)
    problem = next((found for each in runs if (found := _problem_of(each))), None)
    if problem is not None:
        show_problem(problem)
    count = len(runs)
    label = _("Start training") if count == 1 else ngettext("Start {n} run", "Start {n} runs", count).format(n=count)
    if st.button(label, icon=":material/play_arrow:", type="primary", key="train_start", disabled=bool(problem)):
        start_runs(session, [(each, _label(each) if count > 1 else None) for each in runs])


def _sweep(options: TrainingOptions) -> list[TrainingOptions]:
    """Show the choice of cells and seeds, and return the settings of each run: those chosen above, and no others at first."""
    cells, seeds = st.columns(2, vertical_alignment="bottom")
    with cells:
        chosen = view_widget(
            st.multiselect,
            _("Cells"),
            CHOICES["cell"],
            name="sweep",
            key="train_sweep",
            form=NAMES,
            default=[str(options.cell)],
            is_valid=lambda names: set(names) <= set(CHOICES["cell"]),
            initial_argument="default",
        )
    with seeds:
        count = view_widget(
            st.number_input,
            _("Number of seeds"),
            name="seeds",
            key="train_seeds",
            form=COUNT,
            default=1,
            is_valid=lambda number: 1 <= number <= MAX_SEEDS,
            min_value=1,
            max_value=MAX_SEEDS,
        )
    caption(
        _("The same settings with each cell and each seed. The comparison shows the mean over the seeds and the range.")
    )
    sweep = options.sweep(cell=chosen or [options.cell], seed=range(options.seed, options.seed + (count or 1)))
    return [fitting(each) for each in sweep]


def _label(options: TrainingOptions) -> str:
    """Return the beginning of the name of one run of several."""
    return f"{options.task}-{options.cell}-seed{options.seed}"


def _problem_of(options: TrainingOptions) -> Problem | None:
    """Return what is wrong with the settings, or None."""
    try:
        check_options(options)
    except Problem as problem:
        return problem
    if options.task not in OWN_DATA:
        return None
    names = ("task", "data", "level", "sequence_length", "validation_share", "examples")
    return _problem_of_data(TrainingOptions(**{name: getattr(options, name) for name in names}))


@lru_cache(maxsize=8)
def _problem_of_data(options: TrainingOptions) -> Problem | None:
    """Return what is wrong with the reader's own data, or None; data whose check takes long are checked by the training."""
    if len(options.data) > MAX_CHECKED:
        return None
    try:
        TASK_MAKERS[options.task](options)
    except Problem as problem:
        return problem
    return None


def _own_data(options: TrainingOptions) -> None:
    """Show the box for the reader's own text or series."""
    box, upload = st.columns([3, 2], vertical_alignment="top")
    with box:
        if len(options.data) <= MAX_SHOWN:
            synced_widget(
                st.text_area,
                setting_title("data"),
                key="train_data",
                value=options.data,
                changed=lambda text: set_options(data=text or ""),
                height=120,
            )
        else:
            caption(_("The uploaded data have {n:,} characters.").format(n=len(options.data)))
        if is_too_long_for_link(options):
            caption(_("The text is too long for a link: neither the link nor a reload of the page brings it back."))
    with upload:
        turn = st.session_state.setdefault(UPLOAD, 0)
        file = upload_box(
            _("Upload a text or CSV file"),
            key=f"{UPLOAD}_{turn}",
            max_upload_size=MAX_UPLOAD,
            help=_("At most {n:,} characters are trained on.").format(n=MAX_DATA),
        )
        if file is not None:
            st.session_state[UPLOAD] = turn + 1
            text = file.getvalue().decode("utf-8", errors="replace")
            remove_uploads([file])
            set_options(data=text.replace("\r\n", "\n"))
            st.rerun(scope="fragment")


def _layer_formula(options: TrainingOptions) -> None:
    """Show the number of parameters of the first recurrent layer, as a formula with the sizes."""
    if options.task == "series" or options.embedding <= 0 or options.units <= 0:
        return
    gates, d, h = GATE_COUNTS[options.cell], options.embedding, options.units
    count = f"{gates * h * (d + h + 2):,}".replace(",", "{,}")
    st.latex(
        rf"\text{{{options.cell}}}: \; G\,(HD + H^2 + 2H) = "
        rf"{gates}\,({h} \cdot {d} + {h}^2 + 2 \cdot {h}) = {count} \; \text{{{_('parameters in the first layer')}}}"
    )
    if options.cell != "GRU":  # whose Keras layer has two biases as well, with reset_after=True
        caption(
            _("Keras counts {n:,}: its {name} has one bias vector, PyTorch's {cell} has two.").format(
                n=gates * h * (d + h + 1), name=KERAS_CELLS[options.cell], cell=options.cell
            )
        )


def _library_lines(options: TrainingOptions) -> None:
    lines = settings_lines(options)
    for place, (library, code) in zip(st.columns(2), (("Keras", lines.keras), ("PyTorch", lines.pytorch)), strict=True):
        with place:
            st.markdown(f"**{library}**")
            st.code("\n".join(code), language="python", wrap_lines=True)
    if lines.differences:
        caption(
            _("Without an argument in one of the two libraries, so that its lines lack it: {names}.").format(
                names=", ".join(map(setting_title, lines.differences))
            )
        )
