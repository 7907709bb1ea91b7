"""Which panels of a page are open, as one parameter of an address: ``sensitivity,-memory``.

The text lists the names of panels that were opened, the most recent last, and with a minus sign those that were folded.
``*`` opens every panel. A panel that is not listed is as its page begins: open or folded. Names of other pages' panels are
ignored, so that the text stays valid when the page changes.
"""

import re
from collections.abc import Iterable

ALL = "*"
"""Opens every panel."""

PANELS = (
    "accuracy", "activation_curve", "add_edit", "alignment", "anomalies", "arrangements", "attention_formulas",
    "beam_search", "bounds", "call_lines", "cell", "cells", "chain_rule", "change_attention", "changed_units",
    "clipping", "colored_text", "compare_files", "comparison", "contents", "contributions", "decoder", "dense_output",
    "dependencies", "distributions", "dropout_masks", "edit_list", "edited_gradients", "effect", "eigenvalues",
    "embedding_rows", "equations", "experiments", "folded_network", "gate_stages", "gradient_map", "half_life",
    "heads", "health", "influence", "jacobians", "layer_parameters", "learning_curves", "lyapunov", "matrix",
    "neural_models", "new_run", "ngram_counts", "number_formats", "output_step", "padding", "path", "positions",
    "prediction", "recorded_attention", "recurrent_weights", "retention", "returned_states", "run", "run_comparison",
    "same_text", "samples", "saturation", "slopes", "smoothing", "span", "sum", "timing", "token_contributions",
    "tracking", "training_map", "training_norms", "two_dates", "unit_curves", "unit_gradients", "unit_health",
    "unit_stack", "unit_weights", "units_at_all_steps", "units_now", "units_over_time", "unseen_ngrams",
    "word_vectors", "word_windows",
)  # fmt: skip
"""The panels of all pages."""

MAX_LENGTH = 1000
_CHOICE = re.compile(r"(?:\*|-?[a-z][a-z0-9_]*)(?:,(?:\*|-?[a-z][a-z0-9_]*))*")


def parse_panels(text: str) -> tuple[str, ...]:
    """Return the entries of a text: names, names with a minus sign, ``*``.

    >>> parse_panels("path,-memory")
    ('path', '-memory')

    Raises:
        ValueError: invalid syntax.
    """
    if not text:
        return ()
    if len(text) > MAX_LENGTH or not _CHOICE.fullmatch(text):
        raise ValueError(f"{text!r} is not a list of panels.")
    return tuple(dict.fromkeys(text.split(",")))


def split_unknown_panels(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text without the panels that it opens although no page has them, and their names.

    >>> split_unknown_panels("path,nothing")
    ('path', ('nothing',))
    """
    entries = parse_panels(text)
    unknown = tuple(entry for entry in entries if entry not in (*PANELS, ALL) and not entry.startswith("-"))
    return ",".join(entry for entry in entries if entry not in unknown), unknown


def is_panel_open(text: str, name: str, default: bool) -> bool:
    """Return whether a panel is open; ``default``: whether it is on a page whose address names no panel."""
    entries = parse_panels(text)
    if f"-{name}" in entries:
        return False
    return default or name in entries or ALL in entries


def choose_panel(text: str, name: str, *, opened: bool, default: bool) -> str:
    """Return the text after a panel was opened or folded.

    >>> choose_panel("path", "memory", opened=False, default=True)
    'path,-memory'
    """
    entries = [entry for entry in parse_panels(text) if entry not in (name, f"-{name}")]
    if opened:
        entries.append(name)
    elif default or ALL in entries:
        entries.append(f"-{name}")
    return ",".join(entries)


def last_opened(text: str, names: Iterable[str]) -> str | None:
    """Return the panel among ``names`` that was opened last, None if the text names none of them."""
    known = set(names)
    return next((entry for entry in reversed(parse_panels(text)) if entry in known), None)
