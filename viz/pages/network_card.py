"""A network's card on the page: task, architecture, training and results."""

import re
from typing import Any

import streamlit as st

from models.networks.network import ModelCard
from viz.escape import escape_markdown
from viz.i18n import LANGUAGES, N_, _, language
from viz.pages.page_elements import scrolling_table
from viz.pages.page_fragment import page_fragment
from viz.quantity_names import quantity_names

METRICS = {
    "bits_per_character": N_("bits per character (1 bit: probability 1/2 for the correct character)"),
    "ngram_bits_per_character": N_(
        "baseline: bits per character of n-gram models counted on the same training text, by n"
    ),
    "right_closing_bracket": N_("share of closing brackets whose correct type ranks first of the three"),
    "held_out_characters": N_("characters in the test set"),
    "guessing": N_("baseline: accuracy of random guessing"),
    "accuracy": N_("classification accuracy on reviews"),
    "accuracy_of_bag_of_words": N_("baseline: accuracy of a bag-of-words classifier (ignores word order)"),
    "accuracy_negated_by_language": N_("classification accuracy on reviews with negation, by language"),
    "accuracy_by_padding": N_("accuracy by number of padding tokens after the review"),
    "reviews": N_("reviews in the test set"),
    "accuracy_by_distance": N_("accuracy by number of tokens between the city and the answer"),
    "accuracy_beyond_training": N_("accuracy at distances longer than in training"),
    "exact_date": N_("share of dates output without error (exact match)"),
    "exact_interval": N_("share of intervals output without error (exact match)"),
    "exact_date_by_length": N_("share of dates output without error, by number of input characters"),
    "exact_interval_by_length": N_("share of intervals output without error, by number of input characters"),
    "regular_expression_date": N_("baseline: share of dates found by a regular expression"),
    "regular_expression_interval": N_("baseline: share of intervals found by a regular expression"),
    "attention_on_year": N_("share of attention on the year's characters while the year is generated"),
    "attention_on_month": N_("share of attention on the month's characters while the month is generated"),
    "attention_on_day": N_("share of attention on the day's characters while the day is generated"),
    "sharp_years": N_("share of texts with more than 0.8 of the attention on the year while the year is generated"),
    "trained_up_to_n": N_("largest n in training"),
    "right_up_to_n": N_("largest n with every predictable symbol correct"),
    "rms_error": N_("root mean square error (RMSE) of the next value"),
    "rms_error_last_value": N_("baseline: repeat the last value (RMSE)"),
    "rms_error_linear_2_taps": N_("baseline: best linear prediction from 2 values (RMSE)"),
    "rms_error_linear_4_taps": N_("baseline: best linear prediction from 4 values (RMSE)"),
    "rms_of_the_waves": N_("baseline: always predict 0 (RMSE, equal to the RMS of the waves)"),
}
"""The metrics of a card that are shown, in this order, with their titles."""

PROPERTIES = {
    "inside_string": N_("inside a string"),
    "inside_docstring": N_("inside a docstring"),
    "inside_quotes": N_("inside quotes"),
    "inside_comment": N_("inside a comment"),
    "bracket_depth": N_("bracket depth"),
    "line_position": N_("position in the line"),
    "indentation": N_("indentation"),
}
"""Titles of the properties of source code that units are compared with."""

CASES = {
    "plain": N_("without negation"),
    "negated": N_("with negation"),
    "negated_pairs_never_seen": N_("with a negation–word pair not seen in training"),
    "masked": N_("with mask"),
    "read": N_("without mask (padding is processed)"),
    "attention": N_("attention"),
}
"""Titles of the cases of a metric; other cases, such as numbers, are shown as they are."""

HEAD = re.compile(r"layer (?P<layer>\d+), head (?P<head>\d+)")
"""A case of a metric that is measured for each attention head."""

CELLS = {"Translator": "GRU", "TransformerTranslator": N_("none (attention instead of recurrence)")}
"""The cell of architectures without a choice of cell."""


@page_fragment
def network_card_button(card: ModelCard) -> None:
    """Show a button that opens the card, which is drawn only while it is open: its tables would delay every page."""
    opener = st.popover(
        _("About this network"), icon=":material/info:", width="stretch", key="network_card", on_change="rerun"
    )
    if opener.open:
        with opener:
            _show_card(card)


def _show_card(card: ModelCard) -> None:
    st.markdown(f"#### {escape_markdown(card.title[language()])}")
    st.markdown(card.task[language()])
    settings, kind = card.training, card.architecture["class"]
    facts = {
        _("cell type"): str(card.architecture.get("cell", _(CELLS.get(kind, kind)))),
        _("units per layer"): str(card.architecture["hidden"]),
        _("layers"): str(card.architecture.get("layers", 1)),
        _("trainable parameters"): f"{card.parameters:,}",
    }
    if settings:
        facts |= {_("training steps"): f"{settings['steps']:,}", _("random seed"): str(settings["seed"])}
        facts |= _training_facts(settings)
    if unused := card.data.get("unused"):
        facts[_("in the file but unused")] = ", ".join(unused[:12]) + (" …" if len(unused) > 12 else "")
    scrolling_table([{_("property"): fact, _("value"): value} for fact, value in facts.items()])
    if not card.metrics:
        return
    st.markdown("**" + _("Results on held-out data") + "**")
    for name, title in METRICS.items():
        if name in card.metrics:
            _metric(_(title), card.metrics[name])
    if "units" in card.metrics:
        _units(card.metrics["units"])


def _training_facts(settings: dict[str, Any]) -> dict[str, str]:
    """Return how long and where a network was trained, and its weight decay, as far as its card says it."""
    facts = {}
    if "seconds" in settings:
        facts[_("training time")] = _("{seconds} s").format(seconds=f"{settings['seconds']:,.0f}")
        facts[_("trained on")] = settings.get("device", "CPU")
    if "decay" in settings:
        facts[_("weight decay")] = f"{settings['decay']:g}"
    return facts


def _units(units: dict[str, dict[str, Any]]) -> None:
    """Show which unit follows each property of the text best, the strongest first."""
    st.markdown(_("unit with the largest correlation with each property, chosen on other files"))
    names = quantity_names()
    rows = [
        {
            _("property"): _(PROPERTIES[name]),
            _("layer"): found["layer"],
            _("unit"): str(found["unit"]),
            _("value"): names[found["quantity"]],
            "r": f"{found['correlation']:.2f}".replace("-", "−"),
        }
        for name, found in sorted(units.items(), key=lambda item: -abs(item[1]["correlation"]))
    ]
    scrolling_table(rows)


def _metric(title: str, value: Any) -> None:
    if isinstance(value, dict):
        st.markdown(title)
        nested = all(isinstance(each, dict) for each in value.values())
        rows = [{" ": _case(key)} | _cases(each) for key, each in value.items()] if nested else [_cases(value)]
        scrolling_table(rows)
    else:
        st.markdown(f"{title}: **{value:,}**")


def _cases(values: dict[str, Any]) -> dict[str, Any]:
    return {_case(key): value for key, value in values.items()}


def _case(key: str) -> str:
    if key in CASES:
        return _(CASES[key])
    head = HEAD.fullmatch(str(key))
    if head is not None:
        return _("layer {layer}, head {head}").format(layer=head["layer"], head=head["head"])
    return LANGUAGES.get(key, str(key))
