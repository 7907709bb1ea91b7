"""Korean inflection: the forms of a stem before its endings, the endings, and the particles that nouns take.

A word is written as a form of its stem and an ending: 아까웠 + 어요, 재미없 + 고, 지루하 + 지만. The networks receive these
two pieces as tokens. Only training uses this module: a text is split by ``models.core.tokenize_text.split_words``.

Source: the regular and irregular conjugations of the standard grammar (National Institute of Korean Language).
"""

from functools import cache
from typing import Literal

Kind = Literal["verb", "adjective", "exists", "copula"]
"""Part of speech; ``exists`` is for stems in 있 and 없, ``copula`` for a noun and 이다."""

N, L, M, B, SS = 4, 8, 16, 17, 20
"""Final consonants ㄴ, ㄹ, ㅁ, ㅂ, ㅆ by their number in Unicode's order."""

D_IRREGULAR = ("듣", "걷", "깨닫", "싣")
S_IRREGULAR = ("낫", "짓", "붓", "잇")
B_REGULAR = ("좁", "입", "잡", "뽑", "씹", "집", "접", "업", "꼽", "넓")
EU_REGULAR = ("따르", "치르", "들르")

PARTICLES = (
    "은", "는", "이", "가", "을", "를", "와", "과", "에", "에서", "에게", "한테", "도", "만", "의", "로", "으로",
    "랑", "이랑",
    "까지", "부터", "보다", "처럼", "이나", "나", "들", "들이", "들은", "들도", "들을", "마다", "밖에", "라도",
    "이라도", "께",
    "께서", "하고", "에는", "에도", "에서는", "에서도", "으로는", "로는", "만큼", "조차", "뿐", "치고", "대로",
    "한테서", "님",
    "까지도", "부터가", "이라서", "라서", "이라", "라", "이라고", "라고", "이라는", "라는", "같이", "쯤", "씩", "째", "적",
)  # fmt: skip
COPULA = (
    ("이에요", "예요"), ("이었어요", "였어요"), ("이야", "야"), ("이다", "다"), ("입니다", "입니다"),
    ("이었습니다", "였습니다"), ("이네요", "네요"), ("이었다", "였다"), ("이네", "네"), ("임", "임"), ("이었네요", "였네요"),
    ("인 것 같아요", "인 것 같아요"), ("이었어", "였어"), ("이죠", "죠"), ("인데요", "인데요"), ("이더라고요", "더라고요"),
    ("이에요", "에요"), ("이었던 것 같아요", "였던 것 같아요"), ("이었음", "였음"), ("", ""),
)  # fmt: skip
COPULA_BUT = (
    ("이지만", "지만"),
    ("이었지만", "였지만"),
    ("인데", "인데"),
    ("이었는데", "였는데"),
    ("이긴 하지만", "긴 하지만"),
)
COPULA_AND = (("이고", "고"), ("이었고", "였고"), ("이라서", "라서"), ("이라", "라"))
NOT_A = {
    "": (
        "아니에요", "아니었어요", "아니다", "아니네요", "아닙니다", "아니야", "아니었다", "아님", "아니었습니다",
        "아닌 것 같아요",
    ),
    "but": ("아니지만", "아니었지만", "아닌데", "아니었는데"),
    "and": ("아니고", "아니라", "아니어서"),
}  # fmt: skip
"""Forms of 아니다 by what follows: nothing, a contrast, another clause."""


PAST = (
    "어요", "어", "다", "습니다", "네요", "네", "음", "지요", "죠", "거든요", "는데요", "답니다", "던 것 같아요",
    "더라고요", "던데요",
    "어용", "는데", "고요", "더라",
)  # fmt: skip
PRESENT: dict[str, tuple[tuple[str, str], ...]] = {
    "adjective": (
        ("aeo", "요"), ("aeo", "요"), ("aeo", ""), ("base", "다"), ("open", "네요"), ("open", "네"), ("polite", "니다"),
        ("base", "죠"), ("base", "지"), ("m", ""), ("n", " 것 같아요"), ("n", "데요"), ("base", "더라고요"), ("base", "더라"),
        ("base", "구나"), ("base", "군요"), ("n", " 것 같다"), ("n", " 듯"), ("aeo", "용"), ("base", "거든요"),
        ("n", " 편이에요"),
        ("n", " 것 같습니다"), ("base", "던데요"), ("n", "가 봐요"),
    ),
    "exists": (
        ("aeo", "요"), ("aeo", "요"), ("aeo", ""), ("base", "다"), ("base", "네요"), ("base", "네"), ("base", "습니다"),
        ("base", "죠"), ("base", "지"), ("m", ""), ("base", "는 것 같아요"), ("base", "는데요"), ("base", "더라고요"),
        ("base", "더라"), ("base", "구나"), ("base", "군요"), ("base", "는 듯"), ("base", "거든요"), ("base", "는 편이에요"),
    ),
    "verb": (
        ("aeo", "요"), ("aeo", "요"), ("aeo", ""), ("plain", "다"), ("open", "네요"), ("open", "네"), ("polite", "니다"),
        ("base", "죠"), ("m", ""), ("open", "는 것 같아요"), ("base", "더라고요"), ("open", "는데요"),
        ("open", "는 중이에요"),
        ("open", "는 편이에요"), ("base", "거든요"), ("open", "는구나"), ("base", "더라"),
    ),
}  # fmt: skip
"""Endings of the present by part of speech: the form of the stem, and what follows it."""

FUTURE = (
    ("l", " 거예요"), ("l", "게요"), ("l", " 것 같아요"), ("base", "겠어요"), ("base", "겠습니다"), ("base", "고 싶어요"),
    ("eu", "려고요"), ("l", "래요"), ("base", "겠다"), ("l", " 거야"), ("l", " 거다"), ("l", "게"), ("l", " 예정이에요"),
    ("l", " 생각이에요"), ("l", "래"), ("base", "고 싶다"), ("l", "듯"), ("l", "듯해요"), ("base", "고 싶네요"),
    ("l", " 것 같네요"),
)  # fmt: skip
BUT = (
    ("past", "지만"), ("base", "지만"), ("past", "는데"), ("past", "으나"), ("past", "어도"), ("base", "긴 하지만"),
    ("base", "긴 했지만"), ("base", "긴 한데"), ("aeo", "도"), ("adnominal", "데"), ("base", "기는 한데"),
    ("base", "기는 했지만"),
)  # fmt: skip
AND = (("base", "고"), ("past", "고"), ("aeo", "서"), ("base", "고요"), ("eu", "며"), ("eu", "니"), ("eu", "니까"))
OTHER_ENDINGS = (
    "지", "기", "게", "면", "으면", "면서", "으면서", "던", "도록", "으니까", "어서", "었으면", "다가", "자",
    "자마자", "려고",
    "는", "은", "을", "지는", "지도", "진", "긴", "기는", "기가", "기만", "기도", "고는", "고도", "거나", "나", "든지", "든",
    "자고", "라고", "다고", "는다고", "냐고", "세요", "으세요", "십시오", "으십시오", "시네요", "셨어요", "니", "냐",
    "나요", "은데",
    "ㄴ데", "는지", "은지", "을지", "지만", "으나", "습니까", "니까", "까요", "을까요", "을게요", "어야", "야",
    "어라", "아라",
    "겠네요", "겠죠", "겠지만", "겠는데", "으려고", "러", "으러", "길", "음", "음이", "고서", "은데요", "데요", "데",
    "서", "요",
    "어서요", "은가요", "가요", "잖아요", "잖아", "네용", "당", "는데도", "더니", "었더니", "길래", "기에", "으니",
    "니다", "쥬",
)  # fmt: skip

COUNTERS = (
    "번",
    "개",
    "명",
    "시간",
    "시",
    "분",
    "일",
    "년",
    "월",
    "주",
    "원",
    "점",
    "도",
    "층",
    "대",
    "권",
    "잔",
    "살",
    "천원",
    "만원",
)


def final(word: str) -> int:
    """Return the number of the final consonant of the last syllable, 0 for none."""
    return (ord(word[-1]) - 0xAC00) % 28 if "가" <= word[-1:] <= "힣" else 0


def with_final(word: str, number: int) -> str:
    """Return ``word`` with another final consonant of its last syllable."""
    return word[:-1] + chr(ord(word[-1]) - final(word) + number)


def _vowel(syllable: str) -> int:
    return (ord(syllable) - 0xAC00) // 28 % 21


def _with_vowel(word: str, vowel: int) -> str:
    first = (ord(word[-1]) - 0xAC00) // (28 * 21)
    return word[:-1] + chr(0xAC00 + (first * 21 + vowel) * 28)


def particle(word: str, name: str) -> str:
    """Return the particle that follows ``word``: ``name`` is the form after a consonant of 은, 이, 을, 와, or another."""
    pairs = {"은": "는", "이": "가", "을": "를"}
    closed = final(word) > 0
    if name == "와":
        return "과" if closed else "와"
    return name if closed or name not in pairs else pairs[name]


@cache
def forms(stem: str, kind: Kind) -> dict[str, str]:
    """Return the forms of ``stem`` by name.

    ``base`` as in 좋고; ``open`` as in 네요 (without a final ㄹ); ``aeo`` as in 좋아; ``past`` as in 좋았; ``n`` as in 좋은;
    ``l`` as in 좋을; ``m`` as in 좋음; ``eu`` as in 좋으면; ``polite`` before 니다; ``plain`` before 다 (of a verb);
    ``adnominal`` before 데.
    """
    last = stem[-1]
    lean = stem
    if stem.endswith(D_IRREGULAR):
        aeo_stem, eu = with_final(stem, L), with_final(stem, L) + "으"
    elif stem.endswith(S_IRREGULAR):
        aeo_stem, eu = with_final(stem, 0), with_final(stem, 0) + "으"
    elif final(stem) == B and not stem.endswith(B_REGULAR):
        aeo_stem, eu = with_final(stem, 0) + "우", with_final(stem, 0) + "우"
    elif final(stem) == 27 and stem[-1] != "좋" and kind != "verb":
        aeo_stem, eu = with_final(stem, 0), with_final(stem, 0)
    else:
        aeo_stem, eu = stem, stem if final(stem) in (0, L) else stem + "으"
    if final(stem) == L:
        lean = with_final(stem, 0)
    aeo = _join_aeo(stem, aeo_stem)
    if final(stem) == L:
        n, ell, m = with_final(lean, N), stem, stem[:-1] + chr(ord(last) + 2)  # ㄹ to ㄻ
    else:
        n, ell, m = (_attach(eu, each) for each in (N, L, M))
    polite = with_final(lean, B) if final(lean) == 0 else stem + "습"
    result = {"base": stem, "open": lean, "aeo": aeo, "past": _attach(aeo, SS), "n": n, "l": ell, "m": m, "eu": eu}
    result["polite"] = polite
    result["plain"] = with_final(lean, N) if final(lean) == 0 else stem + "는"
    result["adnominal"] = lean + "는" if kind in ("verb", "exists") else n
    return result


def _attach(word: str, number: int) -> str:
    return with_final(word, number) if final(word) == 0 else word


def _join_aeo(stem: str, joined: str) -> str:
    """Return the form in 아 or 어."""
    if stem.endswith("하"):
        return stem[:-1] + "해"
    if final(stem) == 27 and joined != stem:  # 그렇다, 그래
        return _with_vowel(joined, 1)
    if final(stem) == B and joined != stem:
        return joined[:-1] + ("와" if stem in ("돕", "곱") else "워")
    if stem.endswith("르") and not stem.endswith(EU_REGULAR) and len(stem) > 1:
        back = _vowel(stem[-2]) in (0, 8)
        return with_final(stem[:-1], L) + ("라" if back else "러")
    last = joined[-1]
    vowel = _vowel(last)
    if final(joined) or joined != stem:
        return joined + ("아" if vowel in (0, 2, 8) else "어")
    if vowel == 18:  # ㅡ
        back = len(joined) > 1 and _vowel(joined[-2]) in (0, 8)
        return _with_vowel(joined, 0 if back else 4)
    contracted = {0: 0, 4: 4, 1: 1, 5: 5, 6: 6, 8: 9, 11: 10, 13: 14, 20: 6}  # ㅗ: ㅘ, ㅚ: ㅙ, ㅜ: ㅝ, ㅣ: ㅕ
    return _with_vowel(joined, contracted[vowel]) if vowel in contracted else joined + "어"


def copula(noun: str, pair: tuple[str, str]) -> str:
    """Return ``noun`` with a form of 이다; ``pair`` is the form after a consonant and the one after a vowel."""
    return noun + pair[0 if final(noun) else 1]


def endings() -> tuple[str, ...]:
    """Return every particle and ending that can follow a piece of a word, each once."""
    found = [*PARTICLES, *PAST, *OTHER_ENDINGS, *COUNTERS]
    found += [ending for group in PRESENT.values() for _, ending in group]
    found += [ending for group in (FUTURE, BUT, AND) for _, ending in group]
    found += [form for group in (COPULA, COPULA_BUT, COPULA_AND) for pair in group for form in pair]
    return tuple(dict.fromkeys(first for each in found if (first := each.split(" ")[0])))
