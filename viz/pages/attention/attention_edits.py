"""Interventions: force the attention, mask a token, use other scores, set the temperature, force an output."""

from collections.abc import Sequence
from math import log10

import streamlit as st

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.decoding import AttentionTemperature, BorrowScores, ForceAttention, ForceToken, Intervention, MaskSource
from models.decoding.intervention_syntax import write_intervention, write_interventions
from viz.components.reports import finite
from viz.components.sliders import Slider, sliders
from viz.components.streamlit_host import reported
from viz.escape import widget_key
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.attention import attention_cache
from viz.pages.attention.answer_panel import output_rows
from viz.pages.attention.attention_controls import AttentionSelection, source_symbol
from viz.pages.attention.decoder_panel import VIEW_ID
from viz.pages.panels import panel
from viz.pages.synced_widget import synced_widget
from viz.session import Session

TEMPERATURE_KEY = "attention_heat"
MIN_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE = -1.0, 1.5
"""Powers of ten of the temperature."""

OWN_SCORES = ""
FORCED_OUTPUT_KEY = "attention_said"
SCORE_NETWORK_KEY = "attention_scores"


def attention_edit_panel(session: Session, selection: AttentionSelection) -> None:
    """Show the controls, the list of interventions, and the output before and after."""
    interventions = attention_cache.parse_interventions(selection.changes)

    @panel(
        "change_attention",
        _("Change the attention"),
        _(
            "Redirect the attention of one step and compare the outputs: does only that output token change, or "
            "later ones too?"
        ),
    )
    def draw_change_attention() -> None:
        one_step, all_steps = st.columns([2, 1], gap="large")
        with one_step:
            _at_step(session, selection, interventions)
            _forced_output(session, selection, interventions)
        with all_steps:
            _at_all_steps(session, selection, interventions)
        _listed(session, selection, interventions)
        _compared(selection)


def _put(
    session: Session, selection: AttentionSelection, interventions: Sequence[Intervention], *, live: bool = False
) -> None:
    """Apply these interventions, or show why one does not fit and change nothing."""
    text = write_interventions(interventions)
    try:
        attention_cache.cached_decoding(selection.net, selection.text, text, selection.edits)
    except Problem as problem:
        session.notices.clear()
        session.add_notice(translate(problem))
        return
    session.set_attention_edits(text, live=live)


def _add(
    session: Session, selection: AttentionSelection, interventions: Sequence[Intervention], change: Intervention
) -> None:
    """Add an intervention; it replaces one of the same kind at the same step."""
    _put(session, selection, [*(each for each in interventions if not _same(each, change)), change])


def _same(one: Intervention, other: Intervention) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, ForceToken | ForceAttention) and isinstance(other, ForceToken | ForceAttention):
        return one.step == other.step
    return isinstance(one, BorrowScores | AttentionTemperature) or one == other


def _at_step(session: Session, selection: AttentionSelection, interventions: Sequence[Intervention]) -> None:
    """Show the interventions at the selected step and source token."""
    token, step = source_symbol(selection.decoding, selection.source), selection.step
    st.markdown(
        _("Selected in the drawing: **step {step}, source token {n} “{token}”**").format(
            step=step + 1, n=selection.source + 1, token=token
        )
    )
    layer, head = None, None
    if not attention_cache.is_recurrent_translator(selection.net):
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
            on_click=lambda: _add(
                session, selection, interventions, ForceAttention(selection.source, step, layer, head)
            ),
        )
        st.button(
            _("Mask this token"),
            key="attention_hide",
            icon=":material/visibility_off:",
            help=_("Mask: no output step can attend to this token."),
            on_click=lambda: _add(session, selection, interventions, MaskSource(selection.source, None, layer, head)),
        )


def _forced_output(session: Session, selection: AttentionSelection, interventions: Sequence[Intervention]) -> None:
    """Show the menu that forces the output at the selected step."""
    symbols = list(selection.decoding.vocabulary[1:])
    current = selection.decoding.target[selection.step]

    def force(chosen: str | None) -> None:
        if chosen is not None:
            _add(session, selection, interventions, ForceToken(selection.step, chosen))

    synced_widget(
        st.pills,
        _("Output at step {step}, input at step {next}").format(step=selection.step + 1, next=selection.step + 2),
        symbols,
        key=f"{FORCED_OUTPUT_KEY}_{selection.step}",
        value=current,
        changed=force,
        initial_argument="default",
        format_func=display,
    )


def _at_all_steps(session: Session, selection: AttentionSelection, interventions: Sequence[Intervention]) -> None:
    """Show the interventions at all steps."""
    st.markdown("**" + _("All time steps") + "**")
    now = next((each.value for each in interventions if isinstance(each, AttentionTemperature)), 1.0)
    place = st.container()
    key = f"{TEMPERATURE_KEY}_{session.slider_generation}"

    def on_drag() -> None:
        change = reported(key, "values", {"temperature": finite})
        if change is not None:
            logarithm = min(max(change["temperature"], MIN_LOG_TEMPERATURE), MAX_LOG_TEMPERATURE)
            temperature = round(10**logarithm, 3)
            others = [each for each in interventions if not isinstance(each, AttentionTemperature)]
            _put(
                session,
                selection,
                others if temperature == 1.0 else [*others, AttentionTemperature(temperature)],
                live=True,
            )

    with place:
        hint = _(
            "Attention scores are divided by τ before the softmax: below 1 the attention gets sharper, above 1 flatter."
        )
        slider = Slider(
            "temperature",
            _("Temperature τ"),
            MIN_LOG_TEMPERATURE,
            MAX_LOG_TEMPERATURE,
            0.05,
            _logarithm(now),
            power=True,
            hint=hint,
        )
        sliders(VIEW_ID, (slider,), key=key, on_change=on_drag)
    if attention_cache.is_recurrent_translator(selection.net):
        _scores(session, selection, interventions)


def _scores(session: Session, selection: AttentionSelection, interventions: Sequence[Intervention]) -> None:
    """Show the menu of the network that computes the attention scores."""
    others = [
        name
        for name in attention_cache.translator_names()
        if name != selection.net
        and attention_cache.is_recurrent_translator(name)
        and attention_cache.has_attention(name)
    ]
    now = next((each.network.name for each in interventions if isinstance(each, BorrowScores)), OWN_SCORES)

    def chosen(name: str) -> None:
        rest = [each for each in interventions if not isinstance(each, BorrowScores)]
        _put(session, selection, [*rest, BorrowScores(cache.network(name))] if name else rest)

    synced_widget(
        st.selectbox,
        _("Network for the attention scores"),
        [OWN_SCORES, *others],
        key=SCORE_NETWORK_KEY,
        value=now,
        changed=chosen,
        initial_argument="index",
        format_func=lambda name: name or _("this network"),
        help=_(
            "Attention weights are computed with another network's score function and states. The dot and general "
            "scores are Luong's. The additive score is Bahdanau's, but used in Luong's arrangement: the query is "
            "the current decoder state."
        ),
    )


def _listed(session: Session, selection: AttentionSelection, interventions: Sequence[Intervention]) -> None:
    """Show the interventions, each with a button that removes it, and undo and redo."""
    history = session.attention_history
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="attention_list"):
        if not interventions:
            st.markdown(_("No changes yet."), width="content")
        for index, change in enumerate(interventions):
            st.button(
                describe_intervention(change, selection),
                key=f"attention_out_{session.slider_generation}_{widget_key(write_intervention(change))}",
                icon=":material/close:",
                help=_("Remove this change"),
                on_click=lambda index=index: _put(
                    session, selection, [*interventions[:index], *interventions[index + 1 :]]
                ),
            )
        st.button(
            _("Undo"), icon=":material/undo:", key="attention_undo", disabled=not history.past,
            on_click=session.undo_attention,
        )  # fmt: skip
        st.button(
            _("Redo"), icon=":material/redo:", key="attention_redo", disabled=not history.future,
            on_click=session.redo_attention,
        )  # fmt: skip


def describe_intervention(change: Intervention, selection: AttentionSelection) -> str:
    """Return a short description of an intervention."""
    match change:
        case ForceAttention(source, step):
            at = _("step {step} attends only to “{token}” (token {n})")
            always = _("every step attends only to “{token}” (token {n})")
            template = always if step is None else at
            return template.format(step=(step or 0) + 1, token=source_symbol(selection.decoding, source), n=source + 1)
        case MaskSource(source):
            return _("“{token}” (token {n}) masked").format(
                token=source_symbol(selection.decoding, source), n=source + 1
            )
        case AttentionTemperature(value):
            return _("temperature {value}").format(value=f"{value:g}")
        case ForceToken(step, token):
            return _("output at step {step} fixed to “{token}”").format(step=step + 1, token=display(token))
        case BorrowScores(network):
            return _("attention scores of “{name}”").format(name=cache.display_name(network.name))


def _compared(selection: AttentionSelection) -> None:
    """Show the output before and after, token below token."""
    before = attention_cache.cached_decoding(selection.net, selection.text, "", selection.edits)
    if not selection.changes:
        return
    after = selection.decoding
    output_rows([(_("before"), before), (_("after"), after)], "changed_output")
    others = [
        step + 1
        for step in range(max(len(before.target), len(after.target)))
        if before.target[step : step + 1] != after.target[step : step + 1]
    ]
    if not others:
        st.markdown(_("The output tokens do not change; their probabilities may."))
    elif len(others) == 1:
        st.markdown(
            _("Only the output token at step {step} changes; other probabilities may change too.").format(
                step=others[0]
            )
        )
    else:
        st.markdown(_("From step {step} on, {n} output tokens change.").format(step=others[0], n=len(others)))


def _logarithm(value: float) -> float:
    return min(max(log10(value), MIN_LOG_TEMPERATURE), MAX_LOG_TEMPERATURE)
