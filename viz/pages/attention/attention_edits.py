"""Interventions: move the attention, hide a symbol, take other scores, cool or heat the softmax, write something else."""

from collections.abc import Sequence
from math import log10

import streamlit as st

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.decoding import AttentionTemperature, BorrowScores, ForceAttention, ForceToken, Intervention, MaskSource
from models.decoding.intervention_syntax import write_intervention, write_interventions
from viz.components.sliders import Slider, sliders
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.attention import attention_cache as attention_sources
from viz.pages.attention.answer_panel import rows
from viz.pages.attention.attention_controls import AttentionSelection, symbol
from viz.pages.attention.decoder_panel import VIEW_ID
from viz.pages.page_elements import panel
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
        _("Change the attention"),
        _(
            "Redirect the attention of one step and compare the outputs: does only that output token change, or "
            "later ones too?"
        ),
    ):
        at, everywhere = st.columns([2, 1], gap="large")
        with at:
            _here_and_now(session, selection, made)
            _say(session, selection, made)
        with everywhere:
            _everywhere(session, selection, made)
        _listed(session, selection, made)
        _compared(selection)


def _put(session: Session, selection: AttentionSelection, made: Sequence[Intervention], *, live: bool = False) -> None:
    """Make these changes; if one does not fit, say so in one sentence and change nothing."""
    text = write_interventions(made)
    try:
        attention_sources.decoded(selection.net, selection.text, text, selection.edits)
    except Problem as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    session.set_attention_edits(text, live=live)


def _add(session: Session, selection: AttentionSelection, made: Sequence[Intervention], change: Intervention) -> None:
    """One more change, in the place of another of the same thing."""
    _put(session, selection, [*(each for each in made if not _same(each, change)), change])


def _same(one: Intervention, other: Intervention) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, ForceToken | ForceAttention) and isinstance(other, ForceToken | ForceAttention):
        return one.step == other.step
    return isinstance(one, BorrowScores | AttentionTemperature) or one == other


def _here_and_now(session: Session, selection: AttentionSelection, made: Sequence[Intervention]) -> None:
    """What is changed at this step, or of this symbol."""
    token, step = symbol(selection.decoding, selection.source), selection.step
    st.markdown(
        _("Selected in the drawing: **step {step}, source token {n} “{token}”**").format(
            step=step + 1, n=selection.source + 1, token=token
        )
    )
    layer, head = None, None
    if not attention_sources.is_recurrent(selection.net):
        whole = _("all layers and heads")
        only = _("layer {layer}, head {head} only").format(
            layer=list(selection.decoding.attention).index(selection.name) + 1, head=selection.head + 1
        )
        if st.radio(_("Layers and heads"), [whole, only], key="attention_in", horizontal=True) == only:
            layer, head = list(selection.decoding.attention).index(selection.name), selection.head
    with st.container(horizontal=True, gap="small"):
        st.button(
            _("Attend to this token only"),
            key="attention_force",
            icon=":material/center_focus_strong:",
            help=_("At this step the selected token gets attention weight 1, all others 0."),
            on_click=lambda: _add(session, selection, made, ForceAttention(selection.source, step, layer, head)),
        )
        st.button(
            _("Mask this token"),
            key="attention_hide",
            icon=":material/visibility_off:",
            help=_("Mask: no output step can attend to this token."),
            on_click=lambda: _add(session, selection, made, MaskSource(selection.source, None, layer, head)),
        )


def _say(session: Session, selection: AttentionSelection, made: Sequence[Intervention]) -> None:
    """What the decoder is taken to have written."""
    symbols = list(selection.decoding.vocabulary[1:])
    written = selection.decoding.target[selection.step]

    def said(chosen: str | None) -> None:
        if chosen is not None:
            _add(session, selection, made, ForceToken(selection.step, chosen))

    synced_widget(
        st.pills,
        _("Output at step {step}, input at step {next}").format(step=selection.step + 1, next=selection.step + 2),
        symbols,
        key=f"{SAID}_{selection.step}",
        value=written,
        changed=said,
        begins="default",
        format_func=display,
    )


def _everywhere(session: Session, selection: AttentionSelection, made: Sequence[Intervention]) -> None:
    """What is changed at every step."""
    st.markdown("**" + _("All time steps") + "**")
    now = next((each.value for each in made if isinstance(each, AttentionTemperature)), 1.0)
    place = st.container()
    key = f"{HEAT}_{session.slider_generation}"

    def turned() -> None:
        value = (st.session_state.get(key) or {}).get("values") or {}
        if "temperature" in value:
            heat = round(10 ** float(value["temperature"]), 3)
            others = [each for each in made if not isinstance(each, AttentionTemperature)]
            _put(session, selection, others if heat == 1.0 else [*others, AttentionTemperature(heat)], live=True)

    with place:
        hint = _(
            "Attention scores are divided by τ before the softmax: below 1 the attention gets sharper, above 1 flatter."
        )
        knob = Slider("temperature", _("Temperature τ"), COOLEST, HOTTEST, 0.05, _logarithm(now), power=True, hint=hint)
        sliders(VIEW_ID, (knob,), key=key, on_change=turned)
    if attention_sources.is_recurrent(selection.net):
        _scores(session, selection, made)


def _scores(session: Session, selection: AttentionSelection, made: Sequence[Intervention]) -> None:
    """Whose scores are used."""
    others = [
        name
        for name in attention_sources.translators()
        if name != selection.net and attention_sources.is_recurrent(name) and attention_sources.attends(name)
    ]
    now = next((each.network.name for each in made if isinstance(each, BorrowScores)), OWN)

    def chosen(name: str) -> None:
        rest = [each for each in made if not isinstance(each, BorrowScores)]
        _put(session, selection, [*rest, BorrowScores(cache.network(name))] if name else rest)

    synced_widget(
        st.selectbox,
        _("Network for the attention scores"),
        [OWN, *others],
        key=OTHERS,
        value=now,
        changed=chosen,
        begins="index",
        format_func=lambda name: name or _("this network"),
        help=_(
            "Attention weights are computed with another network's score function and states. The dot and general "
            "scores are Luong's. The additive score is Bahdanau's, but used in Luong's arrangement: the query is "
            "the current decoder state."
        ),
    )


def _listed(session: Session, selection: AttentionSelection, made: Sequence[Intervention]) -> None:
    """What is changed, each with a way out, and undo."""
    history = session.attention_history
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="attention_list"):
        if not made:
            st.markdown(_("No changes yet."), width="content")
        for index, change in enumerate(made):
            st.button(
                in_words(change, selection),
                key=f"attention_out_{session.slider_generation}_{write_intervention(change)}",
                icon=":material/close:",
                help=_("Remove this change"),
                on_click=lambda index=index: _put(session, selection, [*made[:index], *made[index + 1 :]]),
            )
        st.button(
            _("Undo"), icon=":material/undo:", key="attention_undo", disabled=not history.past,
            on_click=session.undo_attention,
        )  # fmt: skip
        st.button(
            _("Redo"), icon=":material/redo:", key="attention_redo", disabled=not history.future,
            on_click=session.redo_attention,
        )  # fmt: skip


def in_words(change: Intervention, selection: AttentionSelection) -> str:
    """One change, short."""
    match change:
        case ForceAttention(source, step):
            at = _("step {step} attends only to “{token}” (token {n})")
            always = _("every step attends only to “{token}” (token {n})")
            said = always if step is None else at
            return said.format(step=(step or 0) + 1, token=symbol(selection.decoding, source), n=source + 1)
        case MaskSource(source):
            return _("“{token}” (token {n}) masked").format(token=symbol(selection.decoding, source), n=source + 1)
        case AttentionTemperature(value):
            return _("temperature {value}").format(value=f"{value:g}")
        case ForceToken(step, token):
            return _("output at step {step} fixed to “{token}”").format(step=step + 1, token=display(token))
        case BorrowScores(network):
            return _("attention scores of {name}").format(name=network.name)


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
        st.markdown(_("The output tokens do not change; their probabilities may."))
    elif len(others) == 1:
        st.markdown(_("Only the output at step {step} changes.").format(step=others[0]))
    else:
        st.markdown(_("From step {step} on, {n} output tokens change.").format(step=others[0], n=len(others)))


def _logarithm(value: float) -> float:
    return min(max(log10(value), COOLEST), HOTTEST)
