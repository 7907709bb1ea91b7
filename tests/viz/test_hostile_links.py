"""Mutated links: each is parsed to a view, with one sentence for what is wrong, and none raises anything else.

`python -m tests.viz.test_hostile_links 2000` parses that many and prints what became of them.
"""

import random
import sys
from collections import Counter
from urllib.parse import parse_qsl, urlencode

import pytest

from models import load_network, read_edits
from models.core.messages import Problem
from models.decoding.intervention_syntax import read_interventions
from tests.support.hostile_text import HOSTILE
from tests.support.lens_page import run, start
from viz.address import (
    MAX_EDITS,
    MAX_TEXT,
    NAMES,
    View,
    normalized_query,
    parse_view,
    query_string,
    too_long,
    view_params,
)
from viz.view_options import parse_options

SEEDS = (
    "net=python-lm&text=def+f(x):&layer=rnn.l0&unit=3&step=2&quantity=forget_gate&lang=en",
    "net=counter&text=aabb&edits=rnn.l0.weight_hh[forget_gate.0,1]=1;!rnn.l0.hidden[0]@1-2=0;token[1]=b",
    "net=dates-dot&text=4+Aug+2024&source=2&attend=attend[7]@3;hide[2];temperature=0.5;scores=dates-general",
    "net=wave&text=0.1+0.2&look=order:mean;steps:0-99;loss:every&panel=equations,-prediction&mode=projector",
)
VALUES = (
    *HOSTILE, "", "nan", "inf", "-1", "1e309", "9" * 5000, "../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\x", "\0",
    "a~000000000000", "%00", "{}", "[[" * 200, "rnn.l0.weight_hh.values=9999999x9999999:AAAA", "attend[" * 300,
    "order:" + "a" * 9000, "x;" * 4000, "\\" * 999, "é" * 3000, "token[999999999]=x", "temperature=nan",
    "temperature=1e-400", "rnn.l0.weight_hh.noise=inf/0", "rnn.l0.weight_hh.bits=99999999999", "*", "-" * 900,
)  # fmt: skip


def mutated(source):
    """Return the parameters of a link with one to four changes."""
    pieces = parse_qsl(source.choice(SEEDS), keep_blank_values=True)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(pieces))
        name, value = pieces[at]
        change = source.randrange(6)
        if change == 0:
            value = source.choice(VALUES)
        elif change == 1:
            cut = source.randint(0, len(value))
            value = value[:cut] + source.choice(VALUES)[:40] + value[cut:]
        elif change == 2:
            value = value[: source.randint(0, len(value))]
        elif change == 3:
            value = value * source.choice((2, 50, 3000))
        elif change == 4:
            name = source.choice((*NAMES, "__proto__", "net[]", "NET", ""))
        else:
            value = "".join(source.sample(value, len(value)))
        pieces[at] = (name, value[:20_000])
        pieces.append((source.choice(NAMES), source.choice(VALUES)))
    return dict(pieces)


def outcome(address):
    """Parse a link as the pages do; return "view" or "refused"."""
    view, problems = parse_view(address)
    assert all(problem.endswith(".") and len(problem) < 600 for problem in problems)
    kept = view_params(view)
    assert parse_view(kept)[1] == [] and len(urlencode(kept, errors="replace")) < 150_000
    assert len(view.text or "") <= MAX_TEXT and len(view.edits) <= MAX_EDITS and len(view.attend) <= MAX_EDITS
    assert not too_long(view)
    normalized_query(address)
    parse_options(view.look)
    for read in (read_edits, lambda text: read_interventions(text, known)):
        try:
            read(view.edits if read is read_edits else view.attend)
        except Problem as problem:
            problems.append(str(problem))
    return "refused" if problems else "view"


def known(name):
    """Return a network by its name, as the Attention page does."""
    if name != "dates-general":
        raise Problem("There is no network “{name}”. Choose one of the menu.", name=name[:40])
    return load_network(name)


def test_mutated_links_are_parsed_or_refused():
    source = random.Random(17)
    found = Counter(outcome(mutated(source)) for _ in range(400))
    assert found["view"] and found["refused"]


def test_a_link_of_100_000_keys_is_parsed_as_one_of_its_own_keys():
    many = {f"k{index}": "v" * 10 for index in range(100_000)}
    assert parse_view(many | {"net": "counter"}) == (View(net="counter"), [])
    assert normalized_query(many | {"net": "counter"}) == query_string(View(net="counter"))
    assert len(normalized_query(many | {"unit": "x" * 10**6})) < 100


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "attention"])
@pytest.mark.parametrize(
    "address",
    [
        {"net": "../../etc/passwd"},
        {"net": "a~000000000000", "text": HOSTILE[0]},
        {"net": "dates-dot", "attend": "attend[" * 300},
        {"net": "counter", "look": "order:" + "a" * 9000, "unit": "nan", "panel": "[[["},
    ],
    ids=lambda address: address["net"],
)
def test_a_page_at_a_hostile_link_says_so_and_shows_a_view(lens, address):
    page = start(lens, **address)
    assert page.warning or page.info
    assert page.session_state["unrolled"].good_view.net


def test_a_text_that_is_too_long_for_a_link_stays_in_its_box_and_the_page_says_what_it_shows():
    page = start("step", net="counter", text="ab" * 1001)
    assert page.text_area[0].value == "ab" * 1001 and "2,002 characters" in page.warning[0].value
    assert any("still shows: “" in each.value for each in page.info)


@pytest.mark.slow
def test_an_unknown_network_after_a_good_view_goes_back_to_it_with_one_set_of_controls():
    page = start("attention", net="dates-dot", text="4 Aug 2024", panel="-none")
    page.query_params["net"] = "no-such-network"
    run(page)
    assert page.session_state["unrolled"].view.net == "dates-dot" and page.warning


if __name__ == "__main__":
    numbers = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(Counter(outcome(mutated(numbers)) for _ in range(int(sys.argv[1]))))
