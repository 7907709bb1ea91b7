"""The input sequence of an opened network: typed, from a file, random or an impulse; and a button to the Step page."""

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.networks.input_limit import MAX_INPUT_STEPS
from models.networks.network import Network
from models.networks.sequence_files import MAX_NUMBERS, format_numbers, parse_sequence
from viz.i18n import _
from viz.pages import LENSES, cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.long_input import offer_parts
from viz.pages.output_table import output_table
from viz.pages.page_elements import show_problem
from viz.pages.text_controls import example_menu, text_input
from viz.pages.upload_box import upload_box
from viz.session import Session

DEFAULT_STEPS, MAX_FILE_STEPS = 24, 10_000_000


def input_settings(session: Session, selection: CheckpointSelection) -> None:
    """Show the input settings and the button to the Step page. Raises Problem if the network cannot be run."""
    if selection.is_deferred:
        st.markdown(_("This file is large, so its layers are loaded and run only on request."))
        st.button(
            _("Load and run all layers"), key="run_all", on_click=selection.request_all, icon=":material/hourglass:"
        )
        return
    with st.spinner(_("Loading all layers …")):
        network = cache.network(selection.net)
    columns = network.card.columns if network.vocabulary is None else 0
    words = {"typed": _("typed in"), "random": _("random")}
    if columns:
        words |= {"file": _("from a file"), "impulse": _("impulse (a single 1)")}
    way = st.segmented_control(
        _("Input sequence"), list(words), format_func=words.__getitem__, default="typed", required=True, key="give_way"
    )
    if way == "random":
        _random(session, network, columns)
    elif way == "impulse":
        _impulse(session, columns)
    elif way == "file":
        _file(session, columns)
    else:
        example_menu(session)
    unknown: tuple[str, ...] = ()
    problem = run = None
    try:
        run = cache.forward_run(selection.net, session.view.text or "", session.edits)
        unknown = run.unknown
    except Problem as caught:
        problem = caught
    text_input(session, unknown)
    offer_parts(session)
    if problem is not None:
        show_problem(problem)
        return
    if run is not None:
        output_table(run, "outputs")
    if st.button(_("Step through the sequence"), type="primary", icon=":material/arrow_forward:", key="step_through"):
        st.switch_page(LENSES[0].page())


def _random(session: Session, network: Network, columns: int) -> None:
    steps, seed, button = st.columns(3, gap="medium", vertical_alignment="bottom")
    with steps:
        count = int(
            st.number_input(
                _("Number of time steps"), 1, _most(columns), min(DEFAULT_STEPS, _most(columns)), key="random_steps"
            )
        )
    with seed:
        number = int(st.number_input(_("Random seed"), 0, 10**9 - 1, 0, key="random_seed"))

    def draw() -> None:
        generator = np.random.default_rng(number)
        if columns:
            session.navigate(text=format_numbers(generator.normal(size=(count, columns))), step=None)
            return
        symbols = [
            symbol for symbol in network.vocabulary or () if symbol.strip() and network.tokens(symbol) == [symbol]
        ]
        if symbols:
            separator = "" if network.kind == "characters" else " "
            session.navigate(
                text=separator.join(symbols[at] for at in generator.integers(len(symbols), size=count)), step=None
            )

    with button:
        st.button(_("Generate"), on_click=draw, icon=":material/casino:", key="random_draw", width="stretch")


def _impulse(session: Session, columns: int) -> None:
    steps, at, which, button = st.columns(4, gap="medium", vertical_alignment="bottom")
    with steps:
        count = int(
            st.number_input(
                _("Number of time steps"), 1, _most(columns), min(DEFAULT_STEPS, _most(columns)), key="impulse_steps"
            )
        )
    with at:
        step = int(st.number_input(_("Time step"), 1, count, min(2, count), key="impulse_step"))
    with which:
        column = int(st.number_input(_("Input feature"), 0, columns - 1, 0, key="impulse_column"))

    def put() -> None:
        values = np.zeros((count, columns))
        values[step - 1, column] = 1
        session.navigate(text=format_numbers(values), step=None)

    with button:
        st.button(_("Use this input"), on_click=put, icon=":material/bolt:", key="impulse_put", width="stretch")


def _file(session: Session, columns: int) -> None:
    file = upload_box(
        _("CSV or NumPy .npy file: one row per time step, {n} values per row").format(n=columns),
        key="give_file",
        max_upload_size=16,
    )
    if file is None or st.session_state.get("given_file") == file.file_id:
        return
    try:
        values = parse_sequence(file.getvalue(), columns, limit=MAX_FILE_STEPS)
    except Problem as problem:
        show_problem(problem)
        return
    most = max(1, MAX_NUMBERS // columns)
    if len(values) > most:
        _part_of_file(session, values, most)
        return
    st.session_state["given_file"] = file.file_id
    session.navigate(text=format_numbers(values), step=None)
    st.rerun()


def _part_of_file(session: Session, values: np.ndarray, most: int) -> None:
    """Show the choice of a part of a file that is too long for the text box."""
    st.caption(
        _(
            "This file has {count} time steps; at most {most} fit into the text box. Choose where the part begins."
        ).format(count=f"{len(values):,}", most=f"{most:,}")
    )
    which, button = st.columns(2, gap="medium", vertical_alignment="bottom")
    with which:
        first = int(st.number_input(_("First time step"), 1, len(values) - most + 1, 1, key="file_first"))
    with button:
        st.button(
            _("Use this input"),
            on_click=lambda: session.navigate(text=format_numbers(values[first - 1 : first - 1 + most]), step=None),
            key="file_part",
            width="stretch",
        )


def _most(columns: int) -> int:
    return max(1, min(MAX_INPUT_STEPS, MAX_NUMBERS // max(1, columns)))
