"""The forward pass of one step through a network as a formula with its sizes."""

import streamlit as st

from models.checkpoints.building.build import CompatibleParts, Setup
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.stacks import RecurrentModule


def forward_formula(parts: CompatibleParts, setup: Setup) -> None:
    """Show the formula from the input through every layer to the scores."""
    stack, checkpoint = parts.stack(setup.stack), parts.checkpoint
    if setup.embedding is not None:
        steps = [_ids(checkpoint.stored[setup.embedding].shape[0]), _arrow("E"), _space(stack.input_size)]
    elif setup.kind == "numbers":
        steps = [_space(stack.input_size)]
    else:
        steps = [_ids(stack.input_size), _arrow(r"\text{one-hot}"), _space(stack.input_size)]
    for part in stack.modules:
        steps += _levels(part, checkpoint)
    if setup.target is not None:
        decoder = parts.stack(setup.target.stack)
        lines = [steps, [_ids(len(setup.target.vocabulary)), _arrow("E'"), _space(decoder.input_size)]]
        for part in decoder.modules:
            lines[1] += _levels(part, checkpoint)
        lines[1] += [_arrow("W"), _space(len(setup.target.vocabulary))]
        formula = r" \\ ".join("& " + " ".join(line) for line in lines)
        st.latex(rf"\begin{{aligned}}{formula}\end{{aligned}}")
        return
    if setup.decoder is not None:
        rows = parts.decoder(setup.stack, setup.decoder, setup.embedding).rows
        steps += [_arrow("E^\\top" if setup.decoder == "tied" else "W"), _space(rows)]
    st.latex(" ".join(steps))


def _levels(part: RecurrentModule, checkpoint: CheckpointData) -> list[str]:
    steps = []
    for level in part.levels:
        kind = rf"\text{{{part.kind}}}"
        width = sum(checkpoint.found[name].parts["weight_hh"].shape[1] for name in level)
        steps += [_arrow(rf"\overleftrightarrow{{{kind}}}" if len(level) > 1 else kind), _space(width)]
    return steps


def _ids(count: int) -> str:
    return rf"\{{0,\dots,{count - 1}\}}"


def _space(size: int) -> str:
    return rf"\mathbb{{R}}^{{{size}}}"


def _arrow(what: str) -> str:
    return rf"\xrightarrow{{\;{what}\;}}"
