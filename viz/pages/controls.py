"""The controls at the top of the pages: network, input, layer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import streamlit as st

from models.core.messages import Problem
from models.edits.edit import Edits
from models.networks.forward_run import ForwardRun
from models.networks.network import DefaultView
from models.zoo.catalogue import network_names
from viz.address import PAGE_FIELDS, View
from viz.i18n import _, language, translate
from viz.pages import cache, find_lens
from viz.pages import checkpoint_store as checkpoints
from viz.pages.edited_banner import attention_edits_note, edited_banner
from viz.pages.left_out import show_left_out
from viz.pages.long_input import offer_parts
from viz.pages.network_card import network_card_button
from viz.pages.nonfinite_notes import show_nonfinite
from viz.pages.rejected_network import replace_notice, sentence_on_file, with_shown_network
from viz.pages.synced_widget import synced_widget
from viz.pages.text_controls import example_menu, text_input
from viz.pages.trained_networks import snapshot_of_link
from viz.pages.uploaded_runs import find_uploaded_run, is_removed
from viz.payloads.excerpt import unit_count
from viz.session import Session
from viz.view_options import options_for_new_network


def show_controls(session: Session) -> ForwardRun:
    """Show the controls and return the run that they select; fills in whatever the view leaves open.

    What cannot be shown is reported in one sentence, and the last good view stays.
    """
    file = saved_run(session)
    run = resolve(session, file)
    edited_banner(session)
    attention_edits_note(session)
    _fill_open_fields(session, run, file)
    session.mark_good()
    _draw(session, run, file)
    if file is None or session.view.net != file.name:
        show_left_out(cache.network(session.view.net or ""))
    show_nonfinite(run)
    return run


def saved_run(session: Session) -> Path | None:
    """Return the saved run that was uploaded or that the app was started with, or None.

    A checkpoint that the app was started with is put first in this reader's list.
    """
    file = session.startup_file = find_uploaded_run(session.view.net or "") or session.startup_file
    if file is None:
        return None
    if is_removed(file):
        session.startup_file = None
        return None
    try:
        if cache.is_saved_run(file):
            cache.load_saved_run(file)
            return file
        opened = checkpoints.open_startup_file(file)
        if opened.name not in session.opened_networks:
            session.remember_network(opened.name)
    except Problem as problem:
        session.add_notice(translate(problem))
        session.startup_file = None
    return None


def requested_network(session: Session, file: Path | None) -> str:
    """Return the network of the view, or the first one if it names none. Raises Problem: the network does not exist."""
    trained = snapshot_of_link(session)
    names = cache.network_choices(file)
    net = trained or session.view.net or names[0]
    if net in names:
        return net
    if cache.is_network(net):  # opened in another session
        session.remember_network(net)
        return net
    if checkpoints.is_checkpoint_name(net):
        session.await_file()
        raise Problem(
            "“{name}” is not open in this session. Open the file on the Checkpoint page; the link then shows its view.",
            name=net,
        )
    raise Problem("Unknown network “{name}”. Choose one of these: {names}.", name=net, names=", ".join(names))


def resolve(session: Session, file: Path | None) -> ForwardRun:
    """Return the run of the view, or of the nearest view that can be shown; the session then has that view.

    The view is tried first, then the last good view, then the first bundled network; each as it is, then with other edits.
    What is wrong with a view is reported in one sentence.

    Args:
        session: the session.
        file: the saved run that the app was opened with, if any.

    Raises:
        ValueError: not even the first bundled network runs.
    """
    for fall_back in (_to_good_view, _to_first_network, None):
        requested = session.view
        problem: ValueError | None = None
        for edits in _edits_to_try(session):
            if edits is not None:
                session.correct_edits(edits)
            try:
                run = _run(session, file)
            except ValueError as error:
                problem = problem or error
                continue
            if problem is not None:  # only the edits were wrong
                session.add_notice(translate(problem))
                session.slider_generation += 1
            return run
        session.fill_defaults(edits=requested.edits)
        assert problem is not None
        if fall_back is None:
            raise problem
        fall_back(session, file, sentence_on_file(session.view.net, problem))
    raise AssertionError("The last view is tried without a fallback.")


def _edits_to_try(session: Session) -> Iterator[Edits | None]:
    """Yield None for the view's edits as they are, then what may replace them: good edits, then none."""
    requested, good = session.view, session.good_view
    yield None
    if not requested.edits:
        return
    others = []
    if good.net == requested.net:  # the same edits were good: the text does not fit those of a sequence
        others.append(session.good_edits.weights_only() if good.edits == requested.edits else session.good_edits)
    yield from dict.fromkeys((*others, cache.NO_EDITS))


def _to_good_view(session: Session, file: Path | None, problem: str) -> None:
    requested = session.view.net
    if session.good_view.net is None and file is None and session.startup_file is not None:
        _to_startup_file(session, session.startup_file, problem)
    session.reject(with_shown_network(problem, requested, session.good_view.net))
    # The first view of a session: the network of a link can be shown without its text.
    if session.good_view.net is None and requested in cache.network_choices(file):
        session.fill_defaults(net=requested)


def _to_startup_file(session: Session, path: Path, problem: str) -> None:
    """Show the file named on the command line on the Checkpoint page, if it is what was requested: it cannot run."""
    opened = checkpoints.open_startup_file(path)
    if session.view.net in (None, opened.name):
        session.add_notice(problem)
        session.fill_defaults(net=opened.name, text=None, edits="")
        st.switch_page(find_lens("checkpoint").page())


def _to_first_network(session: Session, file: Path | None, problem: str) -> None:
    replace_notice(session, problem, with_shown_network(problem, session.view.net, network_names()[0]))
    session.fill_defaults(net=network_names()[0], text=None, edits="")


def _run(session: Session, file: Path | None) -> ForwardRun:
    """Return the run of the view as it is. Raises ValueError: it cannot be shown."""
    view = session.view
    net = requested_network(session, file)
    saved = file is not None and net == file.name
    if not (cache.load_saved_run(file).layers if saved and file else cache.has_recurrent_layers(net)):
        raise Problem("{name} has no recurrent layer. View it on the Attention page.", name=net)
    if saved and file:
        session.fill_defaults(net=net, text=None, edits="")
        return cache.saved_forward_run(file, st.session_state.get("row", 1) - 1)
    text = view.text if view.text is not None else cache.network(net).card.default.text
    run = cache.forward_run(net, text, session.edits)
    session.fill_defaults(net=net, text=text)
    return run


def _fill_open_fields(session: Session, run: ForwardRun, file: Path | None) -> None:
    """Set the fields of the view that are open or invalid; report the invalid ones."""
    view, layers = session.view, run.trace.layers
    start = _default_start(view, file)
    name = _valid_choice(session, "layer", view.layer, list(layers)) or (start.layer if start else list(layers)[-1])
    layer = layers[name]
    at_start = start is not None and name == start.layer
    quantity = _valid_choice(session, "quantity", view.quantity, list(layer.quantities))
    if quantity is None:
        cell = layer.cell_equations
        quantity = start.quantity if start and at_start else cell.carry.gate if cell.carry else cell.states[0]
    units, steps = unit_count(layer), int(layer.lengths[run.row])
    unit = _valid_index(session, "unit", view.unit, units)
    step = _valid_index(session, "step", view.step, steps)
    if unit is None:
        unit = start.unit if start and at_start else 0
    if step is None:
        step = start.step if start and view.text == start.text else steps - 1
    session.fill_defaults(layer=name, unit=unit, step=step, quantity=quantity)


def _default_start(view: View, file: Path | None) -> DefaultView | None:
    if file is not None and view.net == file.name:
        return None
    return cache.network(view.net or "").card.default


def _valid_choice(session: Session, what: str, value: str | None, known: list[str]) -> str | None:
    if value is None or value in known:
        return value
    session.add_notice(
        _("In the link, “{name}” cannot be “{value}”. Use one of these: {choices}.").format(
            name=what, value=value, choices=", ".join(known)
        )
    )
    return None


def _valid_index(session: Session, what: str, value: int | None, count: int) -> int | None:
    if value is None or value < count:
        return value
    session.add_notice(
        _("The link's value {value} for “{name}” is out of range. Use 0 to {last}.").format(
            name=what, value=value, last=count - 1
        )
    )
    return None


def _draw(session: Session, run: ForwardRun, file: Path | None) -> None:
    saved = file is not None and session.view.net == file.name
    menus = st.container(key="controls")
    which, sequence, layer, card = menus.columns([3, 4, 2, 3], gap="medium", vertical_alignment="bottom")
    with which:
        names = [name for name in cache.network_choices(file) if cache.has_recurrent_layers(name)]
        view_menu(session, "net", _("Network"), names, keep_text=_reads_alike, format_func=cache.named(names))
    with layer:
        layers = list(run.trace.layers)
        view_menu(session, "layer", _("Layer"), layers, keep=("net", "text", "step", "edits", "look"))
    if saved:
        with sequence:
            sequence_menu(session, next(iter(run.trace.layers.values())).shape[0])
        return
    with sequence:
        example_menu(session)
    with card:
        network_card_button(cache.network(session.view.net or "").card)
    text_input(session, run.unknown)
    offer_parts(session)
    _show_hint(session)


def _show_hint(session: Session) -> None:
    """Show what is worth seeing in the default view of the network, or how its predictions are to be read."""
    card = cache.network(session.view.net or "").card
    start, view = card.default, session.view
    if session.edits.on:
        return  # the card describes the network as it was trained
    if (view.text, view.layer, view.unit) == (start.text, start.layer, start.unit):
        why = start.why[language()].replace(" -", " −")  # the minus sign of all numbers on the page
        st.info(why, icon=":material/visibility:")
    elif card.scored == "last" and card.predicts != "class":  # a class is predicted only once
        st.caption(
            _(
                "This network is evaluated only on its answer after the last token. In training, earlier predictions "
                "counted little or not at all."
            )
        )


def view_menu(
    session: Session,
    name: str,
    label: str,
    options: Sequence[str],
    *,
    keep: tuple[str, ...] = (),
    keep_text: Callable[[Session, str], bool] = lambda session, value: False,
    **settings: Any,
) -> None:
    """Show a menu of one field of the view; a choice resets every other field that is not in ``keep``, and most options.

    Args:
        session: the session.
        name: the field.
        label, options, settings: of the menu.
        keep: the fields that stay.
        keep_text: whether the text stays too at the choice of an option.
    """
    fixed = {*PAGE_FIELDS, *keep}

    def choose(value: Any) -> None:
        stays = fixed | ({"text"} if keep_text(session, value) else set())
        stays |= {"run", "training_step"} if name != "net" else set()
        defaults = {field.name: field.default for field in fields(View) if field.name not in stays}
        if "look" in defaults:
            defaults["look"] = options_for_new_network(session.view.look)
        session.navigate(**{**defaults, name: value})

    now = getattr(session.view, name)
    synced_widget(
        st.selectbox,
        label,
        options,
        key=f"choose_{name}",
        value=now,
        changed=choose,
        initial_argument="index",
        **settings,
    )


def _reads_alike(session: Session, chosen: str) -> bool:
    """Return whether the text stays: the reader's own text, or an example of both, that the network ``chosen`` can read."""
    now = session.view.net or ""
    before, after = cache.card_if_any(now), cache.card_if_any(chosen)
    if before is None or after is None:
        return False
    own = session.view.text not in [each.text for each in before.examples]
    if not own and session.view.text not in [each.text for each in after.examples]:
        return False
    if (before.kind, before.columns) != (after.kind, after.columns):
        return False
    bundled = checkpoints.find(now) is None and checkpoints.find(chosen) is None
    if before.vocabulary != after.vocabulary and not (bundled and after.kind == "words"):
        return False
    try:
        cache.network(chosen).tokenize(session.view.text or "")
    except ValueError:  # mostly a Problem: the text has no word of its vocabulary
        return False
    return True


def sequence_menu(session: Session, batch: int) -> None:
    """Show the choice of a sequence of a saved run's batch."""
    label = (
        _("Sequence in the saved run (only one)")
        if batch == 1
        else _("Sequence number in the saved run (1 to {n})").format(n=batch)
    )
    st.number_input(label, 1, batch, key="row", on_change=lambda: session.navigate(step=None), disabled=batch == 1)
