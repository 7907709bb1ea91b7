"""Korean particles after values: what a Korean reader would write, for any value that a page may show."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz import i18n
from viz.josa import PARTICLES, format_message, with_particle

SYLLABLES = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)


def final_consonant(syllable):
    """0 for none, else the index of the final consonant of a Korean syllable, by the Unicode standard (section 3.12)."""
    return (ord(syllable) - 0xAC00) % 28


RIEUL = 8


@given(st.text(max_size=8), SYLLABLES, st.sampled_from(["", "”", "'", ")", "**", "`", "…", "» "]))
def test_after_korean_the_final_consonant_decides(start, last, closing):
    value = start + last + closing
    closed = final_consonant(last)
    assert with_particle(value, "은") == value + ("은" if closed else "는")
    assert with_particle(value, "이") == value + ("이" if closed else "가")
    assert with_particle(value, "을") == value + ("을" if closed else "를")
    assert with_particle(value, "과") == value + ("과" if closed else "와")
    assert with_particle(value, "이에요") == value + ("이에요" if closed else "예요")
    assert with_particle(value, "이라는") == value + ("이라는" if closed else "라는")
    assert with_particle(value, "으로") == value + ("으로" if closed not in (0, RIEUL) else "로")


@given(
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False).map("{:.3f}".format)
    | st.integers().map("{:,}".format)
)
def test_after_a_number_the_reading_of_its_last_digit_decides(number):
    value = str(number)
    closed = value[-1] in "013678"  # 영(십, 백, 천), 일, 삼, 육, 칠, 팔
    assert with_particle(value, "은") == value + ("은" if closed else "는")
    assert with_particle(value, "으로") == value + ("으로" if value[-1] in "036" else "로")


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("encoder.rnn.l0", "은"), ("gru", "는"), ("lstm", "은"), ("rnn", "은"), ("RNN", "은"), ("R", "은"), ("layer", "는"),
        ("hidden", "은"), ("cell", "은"), ("forget_gate", "는"), ("(4, 5)", "는"), ("50%", "는"), ("∞", "는"), ("NaN", "은"),
        ("string", "은"), ("“the”", "는"), ("", "는"), ("?!", "는"), ("σ", "는"), ("30²", "은"),
    ],
)  # fmt: skip
def test_after_letters_and_symbols_their_reading_decides(value, right):
    assert with_particle(value, "은") == value + right


@given(st.text())
def test_any_value_gets_one_form_of_each_particle(value):
    for particle in PARTICLES:
        said = with_particle(value, particle)
        after_vowel = (
            PARTICLES[particle].replace(particle, "").strip("/")
            if particle in PARTICLES[particle].split("/")
            else "라는"
        )
        assert said in (value + particle, value + after_vowel)


def test_a_particle_ends_a_format():
    assert format_message("{name:은} {share:.1%을} {n:,이라}", {"name": "rnn.l0", "share": 0.256, "n": 1024}) == (
        "rnn.l0은 25.6%를 1,024라"
    )
    assert format_message("{name} {share:.0%}", {"name": "a", "share": 1}) == "a 100%"
    with pytest.raises(ValueError, match="Unknown particle"):
        format_message("{name:께}", {"name": "a"})


def test_no_message_shows_both_forms_or_a_fixed_form_after_a_value():
    """은(는), 이(가), … are nowhere, and no particle that depends on its word follows a placeholder's brace."""
    both = re.compile(r"은\(는\)|는\(은\)|이\(가\)|가\(이\)|을\(를\)|를\(을\)|와\(과\)|과\(와\)|\(으\)로|\(이\)")
    bare = re.compile(r"\}(은|는|이|가|을|를|과|와|으로|로|이에요|예요|이라|라고|이나|나)(?![가-힣])")
    texts = [
        (message.id, text)
        for message in i18n.read_catalogue("ko")
        for text in (message.string if isinstance(message.string, (tuple, list)) else [message.string])
    ]
    assert [found for found in texts if both.search(found[1]) or bare.search(found[1])] == []
    named = [name for _id, text in texts for name in re.findall(r"(?<!\{)\{\w+:[^{}]*?([가-힣]+)\}", text)]
    assert named and set(named) <= PARTICLES.keys()
