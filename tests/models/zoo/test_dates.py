"""Dates as people write them: the grammar says what it means, nothing held out is trained on, and the cards are true."""

import datetime
import math
import re

import numpy as np
import pytest
import torch

from models import load_network, network_names
from models.architectures.translator import END, PADDING, START
from models.core.tokenize_text import UNKNOWN
from models.zoo import dates
from models.zoo.dates_alignment import attention_on_parts, measure_alignment
from models.zoo.dates_measures import (
    exact_match,
    generate_answers,
    regex_answer,
    sample_texts_like_training,
    sample_texts_of_length,
)
from models.zoo.train import build_untrained
from models.zoo.written_dates import (
    TARGETS,
    YEARS,
    is_held_out,
    korean_number,
    ordinal,
    sample_date_text,
    vocabulary,
    year_words,
)

NAMES = [name for name in network_names() if name.startswith("dates-")]
ATTENDING = [name for name in NAMES if name != "dates-fixed"]
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
WORDS = {word: value for value, word in enumerate(SMALL.split())} | {"oh": 0}
WORDS |= {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
ORDINALS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "twentieth": 20}
ORDINALS |= {"thirtieth": 30}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def said_in_korean(text: str) -> int:
    """A Sino-Korean numeral, read from the left."""
    total, digit = 0, 0
    for character in text:
        if character in "십백천":
            total += (digit or 1) * {"십": 10, "백": 100, "천": 1000}[character]
            digit = 0
        else:
            digit = "영일이삼사오육칠팔구".index(character)
    return total + digit


def said_in_english(text: str) -> int:
    """A year in words: "nineteen oh five", "two thousand and five", "twenty twenty-four"."""
    words = [word for word in re.split(r"[ -]", text) if word != "and"]
    if "thousand" in words:
        return 1000 * WORDS[words[0]] + sum(WORDS[word] for word in words[2:])
    if "hundred" in words:
        return 100 * WORDS[words[0]]
    return 100 * WORDS[words[0]] + sum(WORDS[word] for word in words[1:])


def said(part: str, text: str) -> int:
    """Return the value of a part of a date, parsed again from its characters."""
    text = text.lower()
    if found := re.fullmatch(r"(\d+)(st|nd|rd|th)?", text):
        return int(found[1])
    if part == "month" and text[:3] in MONTHS:
        return MONTHS.index(text[:3]) + 1
    if re.search("[가-힣]", text):
        text = {"유월": "육월", "시월": "십월"}.get(text, text)
        return said_in_korean(text.removesuffix("월"))
    if part == "day":
        *tens, last = text.split("-")
        ones = ORDINALS[last] if last in ORDINALS else WORDS[last.removesuffix("th")]
        return ones + sum(WORDS[each] for each in tens)
    return said_in_english(text)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("interval", [False, True])
def test_a_text_says_what_its_answer_says(held, interval):
    random = np.random.default_rng((held, interval))
    for _ in range(1500):
        each = sample_date_text(random, int(random.integers(8, 90)), held, interval)
        days = [datetime.date.fromisoformat(day) for day in each.answer.split("/")]
        assert len(days) == 1 + interval and days == sorted(days)
        assert all(is_held_out(day) == held and YEARS[0] <= day.year <= YEARS[1] for day in days)
        assert set(each.text) <= set(vocabulary())
        for (part, which), (first, last) in each.parts.items():
            assert said(part, each.text[first:last]) == getattr(days[which], part), each
        assert len(each.parts) == 3 * len(days)


def test_the_weekday_is_the_true_one():
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    random, seen = np.random.default_rng(1), 0
    for _ in range(2000):
        each = sample_date_text(random, 10)
        day = datetime.date.fromisoformat(each.answer).weekday()
        for index, name in enumerate(names):
            if re.search(rf"\b({name}|{name[:3]})\b", each.text.lower()):
                assert index == day
                seen += 1
        if found := re.search(r"([월화수목금토일])(요일|\))", each.text):
            assert "월화수목금토일".index(found[1]) == day
            seen += 1
    assert seen > 300


def test_numbers_in_words():
    random = np.random.default_rng(0)
    assert (
        korean_number(2024) == "이천이십사"
        and korean_number(1999) == "천구백구십구"
        and korean_number(2000) == "이천"
        and korean_number(10) == "십"
    )
    assert [ordinal(day) for day in (1, 4, 12, 20, 21, 30, 31)] == [
        "first", "fourth", "twelfth", "twentieth", "twenty-first", "thirtieth", "thirty-first",
    ]  # fmt: skip
    for year in range(YEARS[0], YEARS[1] + 1):
        assert {said_in_english(year_words(year, random)) for _ in range(6)} == {year}
        assert said_in_korean(korean_number(year)) == year


def test_a_tenth_of_all_days_is_held_out_among_them_the_examples():
    first, last = datetime.date(YEARS[0], 1, 1), datetime.date(YEARS[1], 12, 31)
    days = [datetime.date.fromordinal(each) for each in range(first.toordinal(), last.toordinal() + 1)]
    assert 0.095 < np.mean([is_held_out(day) for day in days]) < 0.105
    assert is_held_out(datetime.date(2024, 8, 4))
    for length in (10, 40, 80):
        assert not any(is_held_out(datetime.date.fromisoformat(part)) for each in _trained(length) for part in each)


def _trained(length):
    random = np.random.default_rng(length)
    return [sample_date_text(random, length, interval=bool(each % 2)).answer.split("/") for each in range(300)]


def test_a_batch_is_filled_up_and_only_what_is_around_a_date_is_disturbed():
    random = np.random.default_rng(5)
    of = [sample_date_text(random, int(random.integers(8, 70)), interval=bool(each % 3 == 0)) for each in range(200)]
    ids, targets = dates.encode_dates(of)
    changed, unknown = dates.corrupt_context(ids, of, random), vocabulary().index(UNKNOWN)
    assert (changed != ids).any() and (changed == unknown).any()
    for row, each in enumerate(of):
        assert "".join(vocabulary()[at] for at in ids[row] if at != PADDING) == each.text
        assert "".join(TARGETS[at] for at in targets[row] if at not in (START, END)) == each.answer
        first, last = min(first for first, _ in each.parts.values()), max(last for _, last in each.parts.values())
        around = slice(max(0, first - dates.PROTECTED_MARGIN), last + dates.PROTECTED_MARGIN)
        assert torch.equal(changed[row, around], ids[row, around])
        assert torch.equal(changed[row] == PADDING, ids[row] == PADDING)


def test_texts_of_a_length_have_it():
    for low, high in ((20, 29), (60, 69)):
        for interval in (False, True):
            found = sample_texts_of_length(low, high, interval, 30, seed=0)
            assert len(found) == 30 and all(low <= len(each.text) <= high for each in found)


def test_the_regular_expression_finds_numbers_and_no_words():
    assert regex_answer("우리는 2024년 8월 4일에 만나요") == "2024-08-04"
    assert regex_answer("2024.08.04 ~ 2031. 1. 2.") == "2024-08-04/2031-01-02"
    assert regex_answer("the fourth of August, 2024") == ""


# The cards are true


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("interval", [False, True])
def test_a_network_is_as_good_as_its_card_says(name, interval):
    network = load_network(name)
    wanted = network.card.metrics["exact_interval" if interval else "exact_date"]
    slack = 4 * math.sqrt(max(wanted * (1 - wanted), 0.005) / 200) + 0.01
    assert exact_match(network.module, sample_texts_like_training(200, 77, interval)) == pytest.approx(
        wanted, abs=slack
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_long_text_is_read_as_well_as_its_card_says(name):
    network = load_network(name)
    wanted = network.card.metrics["exact_date_by_length"]["100-139"]
    found = exact_match(network.module, sample_texts_of_length(100, 139, False, 100, seed=78))
    assert found == pytest.approx(wanted, abs=4 * math.sqrt(max(wanted * (1 - wanted), 0.01) / 100) + 0.02)


def test_attention_carries_what_the_fixed_context_does_not():
    fixed = load_network("dates-fixed").card.metrics
    for name in ATTENDING:
        card = load_network(name).card
        assert card.metrics["exact_date"] >= 0.99
        assert card.metrics["exact_interval"] > fixed["exact_interval"] + 0.5
    by_length = fixed["exact_date_by_length"]
    assert by_length["140-200"] < by_length["100-139"] < by_length["30-39"]


def test_the_recurrent_ones_differ_in_nothing_but_how_they_attend():
    cards = [load_network(name).card for name in NAMES if name != "dates-transformer"]
    ways = [{**card.architecture, "score": None} for card in cards]
    trained = [{key: value for key, value in card.training.items() if key != "seconds"} for card in cards]
    assert all(way == ways[0] for way in ways) and all(each == trained[0] for each in trained)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ATTENDING if name != "dates-transformer"])
def test_the_year_is_attended_to_while_it_is_written(name):
    network = load_network(name)
    metrics, of = network.card.metrics, sample_texts_like_training(100, 79, interval=False)
    assert metrics["attention_on_year"]["attention"] > 0.8
    found = measure_alignment(network.module, of)
    assert found["attention_on_year"]["attention"] == pytest.approx(metrics["attention_on_year"]["attention"], abs=0.04)
    assert found["sharp_years"]["attention"] > 0.8
    for each in of[:20]:
        mass = attention_on_parts(network.module, each)["attention"]
        assert {part: len(values) for part, values in mass.items()} == {"year": 4, "month": 2, "day": 2}
        assert all((values >= 0).all() and (values <= 1.0001).all() for values in mass.values())


def test_some_heads_of_the_transformer_attend_to_the_year():
    metrics = load_network("dates-transformer").card.metrics
    assert len(metrics["attention_on_year"]) == 8 and max(metrics["attention_on_year"].values()) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_training_repeats_and_learns(name):
    recipe = dates.RECIPES[name]
    found = []
    for _ in range(2):
        module = build_untrained(recipe, 3)
        before = {key: values.clone() for key, values in module.state_dict().items()}
        recipe.train(module, 2, 3)
        assert any(not torch.equal(values, before[key]) for key, values in module.state_dict().items())
        found.append(module.state_dict())
    assert all(torch.equal(values, found[1][key]) for key, values in found[0].items())
    assert set(generate_answers(build_untrained(recipe, 3).eval(), sample_texts_like_training(3, 0, False))) != {""}
