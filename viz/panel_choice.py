"""Which panels of a page are open, as one parameter of an address: ``sensitivity,-memory``.

The text lists the names of panels that were opened, the most recent last, and with a minus sign those that were folded.
``*`` opens every panel. A panel that is not listed is as its page begins: open or folded. Names of other pages' panels are
ignored, so that the text stays valid when the page changes.
"""

import re
from collections.abc import Iterable

ALL = "*"
"""Opens every panel."""

LENS_PANELS = {
    "step": (
        "activation_curve", "cell", "equations", "output_step", "prediction", "sum", "unit_curves", "units_at_all_steps",
        "units_now",
    ),
    "states": (
        "colored_text", "comparison", "half_life", "influence", "padding", "path", "saturation", "span", "tracking",
        "unit_curves", "unit_stack", "units_over_time",
    ),
    "gradients": (
        "bounds", "cells", "clipping", "contributions", "gradient_map", "gradient_norms", "jacobians", "lyapunov",
        "slopes", "unit_gradients",
    ),
    "edit": ("add_edit", "changed_units", "edit_list", "edited_gradients", "effect", "matrix", "unit_weights"),
    "attention": (
        "accuracy", "alignment", "arrangements", "attention_formulas", "beam_search", "change_attention", "decoder",
        "dependencies", "heads", "positions", "recorded_attention", "same_text", "timing", "token_contributions",
        "two_dates",
    ),
    "train": (
        "dropout_masks", "experiments", "learning_curves", "new_run", "recurrent_weights", "run_comparison", "samples",
        "training_map", "training_norms",
    ),
    "layer": (
        "call_lines", "dense_output", "embedding_rows", "folded_network", "gate_stages", "layer_parameters",
        "returned_states",
    ),
    "language": (
        "chain_rule", "neural_models", "ngram_counts", "smoothing", "token_ids", "unseen_ngrams", "word_vectors",
        "word_windows",
    ),
    "search": (
        "fixed_points", "found_spans", "nearest_states", "probes", "readable_when", "text_search", "unit_contexts",
    ),
    "checkpoint": (
        "anomalies", "compare_files", "contents", "distributions", "eigenvalues", "health", "number_formats",
        "retention", "run", "unit_health",
    ),
}  # fmt: skip
"""The panels of each lens."""

PANELS = tuple(sorted({name for names in LENS_PANELS.values() for name in names}))
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
