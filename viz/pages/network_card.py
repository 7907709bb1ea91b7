"""A network's card, as a reader meets it: what it is, what it was trained on, how well it does."""

from typing import Any

import streamlit as st

from models.networks.network import Card
from viz.i18n import LANGUAGES, N_, _, language
from viz.layout import plain

METRICS = {
    "bits_per_character": N_("bits per character"),
    "ngram_bits_per_character": N_("bits per character of n-gram models counted on the same text, by n"),
    "right_closing_bracket": N_("share of closing brackets where the right kind ranks first of the three"),
    "held_out_characters": N_("characters held out"),
    "guessing": N_("accuracy of guessing"),
    "accuracy": N_("accuracy on reviews"),
    "accuracy_of_bag_of_words": N_("the same for weighing each word by itself, whatever the order"),
    "accuracy_negated_by_language": N_("accuracy on reviews with a negation, by language"),
    "accuracy_by_padding": N_("accuracy by the number of padding symbols after the review"),
    "reviews": N_("reviews held out"),
    "accuracy_by_distance": N_("accuracy by the number of tokens between the city and the answer"),
    "accuracy_beyond_training": N_("accuracy at distances longer than in training"),
    "exact_date": N_("share of dates without a mistake"),
    "exact_interval": N_("share of intervals without a mistake"),
    "exact_date_by_length": N_("share of dates without a mistake, by the number of characters read"),
    "exact_interval_by_length": N_("share of intervals without a mistake, by the number of characters read"),
    "regular_expression_date": N_("share of dates that a regular expression finds"),
    "regular_expression_interval": N_("share of intervals that a regular expression finds"),
    "attention_on_year": N_("share of the attention on the characters of the year while the year is written"),
    "attention_on_month": N_("the same for the month"),
    "attention_on_day": N_("the same for the day"),
    "sharp_years": N_("share of texts whose year has more than 0.8 of the attention while it is written"),
    "trained_up_to_n": N_("longest n in training"),
    "right_up_to_n": N_("every predictable symbol right up to n ="),
    "rms_error": N_("root mean square error of the next value"),
    "rms_error_last_value": N_("the same for repeating the last value"),
    "rms_error_linear_2_taps": N_("the same for the best linear prediction from 2 values"),
    "rms_error_linear_4_taps": N_("the same for the best linear prediction from 4 values"),
    "rms_of_the_waves": N_("root mean square of the waves themselves"),
}
"""The figures of a card that are shown, in this order, in words."""

CASES = {
    "plain": N_("without a negation"),
    "negated": N_("with a negation"),
    "negated_pairs_never_seen": N_("with a pair of negation and word that training never had"),
    "masked": N_("with the mask"),
    "read": N_("without it: the padding is read"),
}
"""The cases that a figure is told for, in words; others, such as a number, stand for themselves."""

CELLS = {"Translator": "GRU", "TransformerTranslator": N_("none: attention instead of recurrence")}
"""The cell of a class that has no choice of one."""


def network_card_button(card: Card) -> None:
    """A button that opens the card."""
    with st.popover(_("About this network"), icon=":material/info:", width="stretch"):
        st.markdown(f"#### {plain(card.title[language()])}")
        st.markdown(card.task[language()])
        settings, kind = card.training, card.architecture["class"]
        facts = {
            _("cell"): str(card.architecture.get("cell", _(CELLS.get(kind, kind)))),
            _("units in a layer"): str(card.architecture["hidden"]),
            _("layers"): str(card.architecture.get("layers", 1)),
            _("trained numbers"): f"{card.parameters:,}",
        }
        if settings:
            facts |= {_("training steps"): f"{settings['steps']:,}", _("seed"): str(settings["seed"])}
        if unused := card.data.get("unused"):
            facts[_("in the file, but not run")] = ", ".join(unused[:12]) + (" …" if len(unused) > 12 else "")
        st.dataframe([{_("fact"): fact, _("value"): value} for fact, value in facts.items()], hide_index=True)
        if not card.metrics:
            return
        st.markdown("**" + _("Measured on data held out") + "**")
        for name, title in METRICS.items():
            if name in card.metrics:
                _metric(_(title), card.metrics[name])


def _metric(title: str, value: Any) -> None:
    if isinstance(value, dict):
        st.markdown(title)
        nested = all(isinstance(each, dict) for each in value.values())
        rows = [{" ": _case(key)} | _cases(each) for key, each in value.items()] if nested else [_cases(value)]
        st.dataframe(rows, hide_index=True)
    else:
        st.markdown(f"{title}: **{value:,}**")


def _cases(values: dict[str, Any]) -> dict[str, Any]:
    return {_case(key): value for key, value in values.items()}


def _case(key: str) -> str:
    return _(CASES[key]) if key in CASES else LANGUAGES.get(key, str(key))
