"""Interventions: move the attention, hide a symbol, take other scores, cool or heat the softmax, write something else."""

from collections.abc import Sequence
from math import log10

import streamlit as st

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.decoding import Attend, Change, Hide, Scores, Temperature, Write
from models.decoding.intervention_syntax import write_change, write_changes
from viz.components.sliders import Knob, knobs
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.attention import attention_cache as attention_sources
from viz.pages.attention.answer_panel import rows
from viz.pages.attention.attention_controls import AttentionSelection, symbol
from viz.pages.attention.decoder_panel import VIEW_ID
from viz.pages.panel import panel
from viz.pages.synced_widget import synced_widget
from viz.session import Session

HEAT = "attention_heat"
COOLEST, HOTTEST = -1.0, 1.5
"""Powers of ten of the temperature."""

OWN = ""
SAID = "attention_said"
OTHERS = "attention_scores"


def changes(session: Session, selection: AttentionSelection) -> None:
    """The controls, the list of what is changed, and the output before and after."""
    made = attention_sources.changes_of(selection.changes)
    with panel(
        _("Change what it reads"),
        _("Move the attention of one step elsewhere: does only that symbol change, or everything after it?"),
    ):
        at, everywhere = st.columns([2, 1], gap="large")
        with at:
            _here_and_now(session, selection, made)
            _say(session, selection, made)
        with everywhere:
            _everywhere(session, selection, made)
        _listed(session, selection, made)
        _compared(selection)


def _put(session: Session, selection: AttentionSelection, made: Sequence[Change], *, live: bool = False) -> None:
    """Make these changes; if one does not fit, say so in one sentence and change nothing."""
    text = write_changes(made)
    try:
        attention_sources.decoded(selection.net, selection.text, text, selection.edits)
    except Problem as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    session.set_attention_edits(text, live=live)


def _add(session: Session, selection: AttentionSelection, made: Sequence[Change], change: Change) -> None:
    """One more change, in the place of another of the same thing."""
    _put(session, selection, [*(each for each in made if not _same(each, change)), change])


def _same(one: Change, other: Change) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Write | Attend) and isinstance(other, Write | Attend):
        return one.step == other.step
    return isinstance(one, Scores | Temperature) or one == other


def _here_and_now(session: Session, selection: AttentionSelection, made: Sequence[Change]) -> None:
    """What is changed at this step, or of this symbol."""
    token, step = symbol(selection.decoding, selection.source), selection.step
    st.markdown(
        _("**Step {step}, source symbol {n} “{token}”**, as picked in the drawing").format(
            step=step + 1, n=selection.source + 1, token=token
        )
    )
    layer, head = None, None
    if not attention_sources.is_recurrent(selection.net):
        whole = _("every layer and head")
        only = _("layer {layer}, head {head} alone").format(
            layer=list(selection.decoding.attention).index(selection.name) + 1, head=selection.head + 1
        )
        if st.radio(_("In"), [whole, only], key="attention_in", horizontal=True) == only:
            layer, head = list(selection.decoding.attention).index(selection.name), selection.head
    with st.container(horizontal=True, gap="small"):
        st.button(
            _("Force all attention here"),
            key="attention_force",
            icon=":material/center_focus_strong:",
            help=_("At this step the symbol picked in the drawing gets weight 1, all others 0."),
            on_click=lambda: _add(session, selection, made, Attend(selection.source, step, layer, head)),
        )
        st.button(
            _("Mask this symbol"),
            key="attention_hide",
            icon=":material/visibility_off:",
            help=_("No step may read it."),
            on_click=lambda: _add(session, selection, made, Hide(selection.source, None, layer, head)),
        )


def _say(session: Session, selection: AttentionSelection, made: Sequence[Change]) -> None:
    """What the decoder is taken to have written."""
    symbols = list(selection.decoding.vocabulary[1:])
    written = selection.decoding.target[selection.step]

    def said(chosen: str | None) -> None:
        if chosen is not None:
            _add(session, selection, made, Write(selection.step, chosen))

    synced_widget(
        st.pills,
        _("Step {step} writes, and step {next} reads").format(step=selection.step + 1, next=selection.step + 2),
        symbols,
        key=f"{SAID}_{selection.step}",
        value=written,
        changed=said,
        begins="default",
        format_func=display,
    )


def _everywhere(session: Session, selection: AttentionSelection, made: Sequence[Change]) -> None:
    """What is changed at every step."""
    st.markdown("**" + _("Every step") + "**")
    now = next((each.value for each in made if isinstance(each, Temperature)), 1.0)
    place = st.container()
    key = f"{HEAT}_{session.slider_generation}"

    def turned() -> None:
        value = (st.session_state.get(key) or {}).get("turned") or {}
        if "temperature" in value:
            heat = round(10 ** float(value["temperature"]), 3)
            others = [each for each in made if not isinstance(each, Temperature)]
            _put(session, selection, others if heat == 1.0 else [*others, Temperature(heat)], live=True)

    with place:
        hint = _("Scores are divided by it: below 1 the attention gets sharper, above 1 flatter.")
        knob = Knob("temperature", _("Temperature τ"), COOLEST, HOTTEST, 0.05, _logarithm(now), power=True, hint=hint)
        knobs(VIEW_ID, (knob,), key=key, on_turned=turned)
    if attention_sources.is_recurrent(selection.net):
        _scores(session, selection, made)


def _scores(session: Session, selection: AttentionSelection, made: Sequence[Change]) -> None:
    """Whose scores are used."""
    others = [
        name
        for name in attention_sources.translators()
        if name != selection.net and attention_sources.is_recurrent(name) and attention_sources.attends(name)
    ]
    now = next((each.network.name for each in made if isinstance(each, Scores)), OWN)

    def chosen(name: str) -> None:
        rest = [each for each in made if not isinstance(each, Scores)]
        _put(session, selection, [*rest, Scores(cache.network(name))] if name else rest)

    synced_widget(
        st.selectbox,
        _("Scores"),
        [OWN, *others],
        key=OTHERS,
        value=now,
        changed=chosen,
        begins="index",
        format_func=lambda name: name or _("its own"),
        help=_("Another network's score function, with that network's own states, decides what is read."),
    )


def _listed(session: Session, selection: AttentionSelection, made: Sequence[Change]) -> None:
    """What is changed, each with a way out, and undo."""
    history = session.attention_history_of(selection.changes)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="attention_list"):
        if not made:
            st.markdown(_("Nothing is changed yet."), width="content")
        for index, change in enumerate(made):
            st.button(
                in_words(change, selection),
                key=f"attention_out_{session.slider_generation}_{write_change(change)}",
                icon=":material/close:",
                help=_("Take this change back"),
                on_click=lambda index=index: _put(session, selection, [*made[:index], *made[index + 1 :]]),
            )
        st.button(
            _("Undo"), icon=":material/undo:", key="attention_undo", disabled=not history.past,
            on_click=lambda: session.step_attention_history(undo=True),
        )  # fmt: skip
        st.button(
            _("Redo"), icon=":material/redo:", key="attention_redo", disabled=not history.future,
            on_click=lambda: session.step_attention_history(undo=False),
        )  # fmt: skip


def in_words(change: Change, selection: AttentionSelection) -> str:
    """One change, short."""
    match change:
        case Attend(source, step):
            at = _("step {step} reads only “{token}” ({n})")
            always = _("every step reads only “{token}” ({n})")
            said = always if step is None else at
            return said.format(step=(step or 0) + 1, token=symbol(selection.decoding, source), n=source + 1)
        case Hide(source):
            return _("“{token}” ({n}) is masked").format(token=symbol(selection.decoding, source), n=source + 1)
        case Temperature(value):
            return _("temperature {value}").format(value=f"{value:g}")
        case Write(step, token):
            return _("step {step} writes “{token}”").format(step=step + 1, token=display(token))
        case Scores(network):
            return _("scores of {name}").format(name=network.name)


def _compared(selection: AttentionSelection) -> None:
    """The output before and after, symbol under symbol."""
    before = attention_sources.decoded(selection.net, selection.text, "", selection.edits)
    if not selection.changes:
        return
    after = selection.decoding
    rows([(_("before"), before), (_("after"), after)], "changed_output")
    others = [
        step + 1
        for step in range(max(len(before.target), len(after.target)))
        if before.target[step : step + 1] != after.target[step : step + 1]
    ]
    if not others:
        st.markdown(_("The output is the same: the change did not decide any symbol."))
    elif len(others) == 1:
        st.markdown(_("Only step {step} writes something else.").format(step=others[0]))
    else:
        st.markdown(_("From step {step} on, {n} symbols differ.").format(step=others[0], n=len(others)))


def _logarithm(value: float) -> float:
    return min(max(log10(value), COOLEST), HOTTEST)
