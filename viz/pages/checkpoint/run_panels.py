"""Settings for running a file's layers: embedding, recurrent layers, output layer and vocabulary."""

from dataclasses import replace
from typing import Any

import streamlit as st

from models.checkpoints.building.attention_readout import find_step_attention
from models.checkpoints.building.build import (
    FILE_GRAPH,
    STEPWISE,
    TIED,
    CompatibleParts,
    Setup,
    compatible_parts,
    default_setup,
)
from models.checkpoints.building.file_network import graph_setup
from models.checkpoints.layers.initial_states import find_initial_states
from models.checkpoints.layers.stacks import Stack, group_modules
from models.core.messages import Problem
from viz.escape import escape_markdown
from viz.i18n import _
from viz.pages.cache import network
from viz.pages.checkpoint.answer_settings import choose_target, with_target
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.checkpoint.file_upload import view_checkpoint
from viz.pages.checkpoint.forward_formula import forward_formula
from viz.pages.checkpoint.output_settings import graph_output_meaning, output_meaning
from viz.pages.checkpoint.vocabulary_input import graph_vocabulary_input, vocabulary_input
from viz.pages.checkpoint_store import OpenedCheckpoint
from viz.pages.left_out import between_layers_sentence, show_left_out
from viz.pages.page_elements import show_problem
from viz.session import Session

NONE = ""
"""Option for no embedding or no decoder: None would be an empty menu."""


def run_settings(session: Session, selection: CheckpointSelection) -> None:
    """Show the controls and apply them at once; settings that do not fit show an error and change nothing."""
    opened = selection.opened
    if opened is None:
        st.markdown(_("This network is bundled with the app and ready to run: there is nothing to set here."))
        _bundled_formula(selection)
        return
    parts, now = opened.parts, opened.setup
    digest = opened.file.digest[:12]
    if not opened.large:
        show_left_out(opened.network, above_settings=True)
    elif opened.checkpoint.graph is not None and now.stack != FILE_GRAPH:
        st.info(
            _(
                "This file is large, so by default only layers run here that are read from its tensors. Under “What runs” "
                "you can choose the whole network, as the file describes it."
            ),
            icon=":material/hourglass:",
        )
    elif between := between_layers_sentence(opened.name):
        st.caption(between)
    try:
        setup = _graph_controls(opened, digest) if opened.checkpoint.graph else _setup_controls(parts, now, digest)
        if setup is not None and setup != now:
            view_checkpoint(session, opened.run_as(setup), instead=opened.name)
            st.rerun()
    except Problem as problem:
        show_problem(problem)
    if now.stack != FILE_GRAPH:
        forward_formula(parts, now)


def _graph_controls(opened: OpenedCheckpoint, digest: str) -> Setup | None:
    """Show the menu of what runs, the network as the file describes it or chosen layers; then the controls of the choice."""
    parts, now = opened.parts, opened.setup
    words = {"graph": _("the whole network, as the file describes it"), "layers": _("only layers chosen here")}
    own = now.stack == FILE_GRAPH
    choice = _select(_("What runs"), list(words), 0 if own else 1, f"run_graph_{digest}", words.__getitem__)
    if choice == "layers":
        return _setup_controls(parts, default_setup(parts) if own else now, digest)
    if not own:
        return graph_setup(parts.checkpoint)
    symbols, setup = opened.network.vocabulary, now
    if symbols is not None:
        vocabulary_and_kind = graph_vocabulary_input(parts, now, len(symbols), digest)
        if vocabulary_and_kind is None:
            return None
        vocabulary, kind = vocabulary_and_kind
        setup = replace(now, vocabulary=vocabulary, kind=kind)
    predicts, classes = graph_output_meaning(parts.checkpoint, opened.network, now, f"graph_{digest}")
    return replace(setup, predicts=predicts, classes=classes)


def _bundled_formula(selection: CheckpointSelection) -> None:
    """Show the formula of a bundled network if its tensors determine it."""
    card = network(selection.net).card
    if card.predicts in ("next", "class") and selection.checkpoint.found:
        parts = compatible_parts(selection.checkpoint)
        kind = card.kind if card.vocabulary is not None else "numbers"
        forward_formula(parts, replace(default_setup(parts), kind=kind))


def _setup_controls(parts: CompatibleParts, now: Setup, digest: str) -> Setup | None:
    """Show the controls; return the setup that they describe, None while an input is missing."""
    name = now.stack
    if len(parts.stacks) > 1:
        names = list(dict.fromkeys([*parts.stacks, now.stack]))
        name = _select(_("Recurrent layers"), names, names.index(now.stack), f"run_stack_{digest}", str)
    base = now if name == now.stack else default_setup(parts, name)
    stack, key = parts.stack(name), f"{digest}_{name}"
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        embedding = _embedding(parts, stack, base, key)
    key += f"_{embedding}"
    decoder = second.empty()  # beside the embedding, but its options depend on the decoder menu below
    vocabulary_and_kind = vocabulary_input(parts, stack, base, embedding, key)
    if vocabulary_and_kind is None:
        return None
    vocabulary, kind = vocabulary_and_kind
    setup = replace(base, embedding=embedding, vocabulary=vocabulary, kind=kind)
    target = choose_target(parts, setup, key) if kind != "numbers" else None
    if target is not None:
        return with_target(parts, setup, target)
    with decoder:
        chosen = _decoder(parts, stack, base, embedding, key)
    (predicts, classes), meaning = output_meaning(
        parts, replace(base, stack=stack.name), embedding, chosen, stack.input_size, f"{key}_{chosen}"
    )
    setup = replace(setup, decoder=chosen, predicts=predicts, classes=classes, target=None)
    if len(stack.modules) > 1:
        setup = _confirm(
            setup,
            "stack",
            _("Nothing comes between these layers: each receives the output of the layer before it"),
            f"run_between_{key}",
        )
    states = _initial_states(parts, stack)
    if states:
        setup = _confirm(
            setup,
            "initial_states",
            _("The initial states are these tensors: {names}").format(names=", ".join(map(escape_markdown, states))),
            f"run_initial_states_{key}",
        )
    if (meaning in STEPWISE and kind == "numbers") or (meaning == "tag" and predicts is None):
        return _confirm(
            setup, "readout", _("The output layer is applied to the output of every time step"), f"run_every_step_{key}"
        )
    return _readout(parts, setup, key) if meaning == "class" else setup


def _initial_states(parts: CompatibleParts, stack: Stack) -> list[str]:
    """Return the initial states that the file has for the modules of ``stack``, as ``"h0 → rnn"``."""
    found = find_initial_states(group_modules(parts.checkpoint.found), parts.checkpoint.stored)
    return [name for each in stack.modules if each.path in found for name in found[each.path].connections(each.path)]


def _confirm(setup: Setup, assumption: str, label: str, key: str) -> Setup:
    """Show a checkbox that confirms an assumption of ``setup``; return the setup with the answer."""
    sure = st.checkbox(label, assumption not in setup.assumed, key=key)
    if sure == (assumption not in setup.assumed):
        return setup
    others = tuple(each for each in setup.assumed if each != assumption)
    return replace(setup, assumed=others if sure else (assumption, *others))


def _readout(parts: CompatibleParts, setup: Setup, key: str) -> Setup:
    """Show the menu of what the class scores are computed from; return the setup with the choice."""
    words = {
        NONE: _("not known: the last hidden state is assumed"),
        "last": _("the last hidden state (of both directions if bidirectional)"),
        "last_output": _("the output at the last time step"),
        "mean": _("the mean of the outputs over the time steps"),
        "max": _("the maximum of the outputs over the time steps"),
    }
    attention = find_step_attention(parts.checkpoint.stored, parts.stack(setup.stack).output_size)
    if attention is not None:
        words["attention"] = _(
            "the sum of the outputs h, weighted by attention: softmax over the time steps of {formula}"
        ).format(formula=attention.formula)
    now = NONE if "readout" in setup.assumed else setup.readout
    choice = _select(
        _("The class scores are computed from"),
        list(words),
        list(words).index(now) if now in words else 0,
        f"run_readout_{key}",
        words.__getitem__,
    )
    others = tuple(each for each in setup.assumed if each != "readout")
    if choice == NONE:
        return replace(setup, readout="last", assumed=(*others, "readout"))
    return replace(setup, readout=choice, assumed=others)


def _select(label: str, options: list[Any], index: int, key: str, names: Any) -> Any:
    return st.selectbox(label, options, index, key=key, format_func=names)


def _sized(parts: CompatibleParts, name: str) -> str:
    shape = parts.checkpoint.stored[name].shape
    return f"{name} · {' × '.join(map(str, shape))}"


def _embedding(parts: CompatibleParts, stack: Stack, base: Setup, key: str) -> str | None:
    options = [*parts.embeddings(stack.name), NONE]
    chosen = _select(
        _("Embedding: one vector per symbol"),
        options,
        options.index(base.embedding or NONE),
        f"run_embedding_{key}",
        lambda name: _("none") if name == NONE else _sized(parts, name),
    )
    return chosen or None


def _decoder(parts: CompatibleParts, stack: Stack, base: Setup, embedding: str | None, key: str) -> str | None:
    options = [*parts.decoders(stack.name, embedding), NONE]
    names = {NONE: _("none"), TIED: _("the embedding matrix (weight tying)")}
    chosen = _select(
        _("Output layer: scores from the top layer's hidden state"),
        options,
        options.index(base.decoder) if base.decoder in options else len(options) - 1,
        f"run_decoder_{key}",
        lambda name: names[name] if name in names else _sized(parts, name),
    )
    return chosen or None
