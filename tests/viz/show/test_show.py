"""`show`: what it accepts, and the HTML file that it saves: its size, its policy, and that no text in it is markup."""

import re
import tomllib
from base64 import b64decode, b64encode
from gzip import decompress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models import Problem, capture, gradient_map, load_network, run_network
from models.decoding import decode
from tests.support.hostile_text import HOSTILE
from viz.i18n import LANGUAGES, translate, use_language
from viz.payloads.attention_payload import attention_payload
from viz.show import LENS_NAMES, show
from viz.show.attention_view import decoding_view
from viz.show.run_source import edits_sentence, run_source

ROOT = Path(__file__).parents[3]
MAX_BYTES = 3_000_000
DEFAULTS = [
    ("python-lm", "step"),
    ("python-lm", "states"),
    ("counter", "step"),
    ("recall-lstm", "gradients"),
    ("dates-additive", "attention"),
    ("dates-transformer", "attention"),
]


def recorded(steps: int, units: int, inputs: int = 8, name: str = "rnn"):
    """Return the trace of an LSTM with random weights on a random sequence."""
    torch.manual_seed(0)
    module = nn.ModuleDict({name: nn.LSTM(inputs, units, batch_first=True)})
    with torch.no_grad(), capture(module) as trace:
        module[name](torch.randn(1, steps, inputs))
    return trace


def numbers_of(html: str) -> bytes:
    return decompress(b64decode(re.search(r'id="unrolled-numbers">([^<]*)<', html)[1]))


@pytest.mark.parametrize(("name", "lens"), DEFAULTS)
def test_a_default_view_takes_at_most_three_megabytes(name, lens, tmp_path):
    assert show(name, lens=lens).save(tmp_path / "x.html").stat().st_size <= MAX_BYTES


@pytest.mark.parametrize("lens", ["step", "states"])
@pytest.mark.parametrize(("steps", "units"), [(400, 150), (3000, 256), (40, 3000)])
def test_a_large_layer_of_random_numbers_takes_no_more(lens, steps, units, tmp_path):
    shown = show(recorded(steps, units), lens=lens)
    assert shown.save(tmp_path / "x.html").stat().st_size <= MAX_BYTES


def test_a_file_whose_script_is_blocked_has_a_sentence():
    (said,) = re.findall("<noscript>(.*?)</noscript>", show("counter", "aabb").html(), flags=re.S)
    assert "The numbers are those of the network" in said and "This page needs JavaScript" in said


def test_the_policy_names_the_one_script_and_forbids_every_request():
    html = show("counter").html()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    (script,) = re.findall(r'<script type="module">(.*?)</script>', html, flags=re.S)
    assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';") and "http" not in policy and "connect-src" not in policy


@pytest.mark.parametrize("lens", ["step", "states"])
def test_no_text_of_a_run_is_markup(lens):
    hostile = "</script><script>alert(1)</script>"
    trace = recorded(len(HOSTILE) + 1, 3, name=hostile).with_tokens((*HOSTILE, hostile))
    html = show(trace, lens=lens).html()
    plain = show(recorded(len(HOSTILE) + 1, 3), lens=lens).html()
    assert html.lower().count("<script") == plain.lower().count("<script")
    assert "alert(1)" not in html.replace("&lt;script&gt;alert(1)", "")
    assert hostile in numbers_of(html).decode("utf-8", "replace").replace('\\"', '"')


def test_the_file_has_every_language_and_the_link_to_the_app():
    content = numbers_of(show("counter", lang="ko", app="http://localhost:8501/").html()).decode("utf-8", "replace")
    for lang in LANGUAGES:
        with use_language(lang):
            assert load_network("counter").card.title[lang] in content
    assert '"page":"http://localhost:8501/"' in content and '"net":"counter"' in content
    assert '"link":null' in numbers_of(show("counter").html()).decode("utf-8", "replace")


def test_the_theme_is_the_apps():
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
    style = (ROOT / "viz/show/document_view.css").read_text(encoding="utf-8")
    assert theme["font"] in style and theme["codeFont"] in style
    for name in ("light", "dark"):
        rule = re.search(rf"\[data-unrolled-theme='{name}'\] {{(.*?)}}", style)[1]
        for part, key in (("text", "textColor"), ("background", "backgroundColor"), ("accent", "primaryColor")):
            assert f"--unrolled-{part}: {theme[name][key]}" in rule


@pytest.mark.parametrize("thing", ["network", "run", "trace", "map"])
def test_every_thing_is_shown(thing):
    net = load_network("recall-lstm")
    run = run_network(net, net.card.default.text)
    lstm = nn.LSTM(3, 4, batch_first=True)
    norms = gradient_map(lstm, torch.randn(1, 6, 3), torch.ones(1, 6, 4))
    shown = show({"network": net, "run": run, "trace": run.trace, "map": norms}[thing])
    assert "unrolled-numbers" in shown.html() and shown.step >= 0 and shown.unit >= 0


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("nobody",), {}),
        ((3,), {}),
        (("counter",), {"lens": "edit"}),
        (("counter",), {"layer": "rnn.l9"}),
        (("counter",), {"step": 99}),
        (("counter",), {"unit": -1}),
        (("counter",), {"quantity": "update_gate"}),
        (("counter",), {"lang": "de"}),
        (("counter",), {"lens": "attention"}),
        (("dates-fixed",), {"lens": "attention"}),
        (("dates-dot",), {"lens": "attention", "unit": 5}),
        ((recorded(4, 3), "text"), {}),
        ((recorded(4, 3),), {"row": 1}),
        ((recorded(4, 3),), {"lens": "attention"}),
        (({"l0": np.zeros((1, 2, 5))},), {}),
        (({"l0": np.zeros((1, 5, 5))},), {"lens": "step"}),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_sentence(arguments, options):
    with pytest.raises(Problem) as raised:
        show(*arguments, **options)
    english = translate(raised.value)
    with use_language("ko"):
        assert re.search("[가-힣]", translate(raised.value))
    assert english.endswith(".") and "{" not in english


PROJECTED = nn.LSTM(2, 8, proj_size=3, batch_first=True)
NORMS = {"l0": np.zeros((2, 5, 5), np.float32)}


def projected():
    """Return the trace of an LSTM of 8 units with 3 outputs."""
    with torch.no_grad(), capture(PROJECTED) as trace:
        PROJECTED(torch.zeros(1, 4, 2))
    return trace


@pytest.mark.parametrize(
    ("thing", "options"),
    [
        *((thing, {name: value}) for thing in ("counter", recorded(4, 3), NORMS) for name, value in (
            *((name, value) for name in ("step", "row") for value in (1.5, 1.0, "1", [0], True, -1, 99, np.array([0, 1]))),
            *((name, 0) for name in ("layer", "quantity", "lens", "lang", "app", "text")),
            *((name, [0]) for name in ("layer", "quantity", "lens", "lang", "app", "text")),
            ("layer", ""), ("quantity", ""), ("lens", ""), ("lang", ""), ("text", b".aabb."),
        )),
        *((thing, {"unit": value}) for thing in ("counter", recorded(4, 3)) for value in (1.5, 1.0, "a", [0], True, -1)),
        ("counter", {"row": 1}),
        ("dates-dot", {"row": 1, "lens": "attention"}),
        ("recall-lstm", {"row": 1, "lens": "gradients"}),
        (run_network(load_network("counter"), ".aabb."), {"row": 1}),
        *(("dates-dot", {"lens": "attention", name: value}) for name in ("step", "unit") for value in (0.0, "0", True, -1)),
        ("dates-dot", {"lens": "attention", "layer": 0}),
        ("dates-dot", {"lens": "attention", "quantity": "hidden"}),
        *((thing, {"lens": "gradients", "quantity": name}) for thing in ("recall-lstm", recorded(4, 3), NORMS)
          for name in ("zzz", "hidden")),
        (NORMS, {"unit": 0}),
        (NORMS, {"text": "a"}),
        ({"l0": np.zeros((0, 5, 5))}, {}),
        ("python-lm", {"lens": "gradients", "unit": 0}),
        (projected(), {"lens": "gradients", "unit": 3}),
        (projected(), {"unit": 8}),
        ("counter", {"app": "http://["}),
    ],
)  # fmt: skip
def test_no_argument_is_rounded_ignored_or_an_error_of_python(thing, options):
    with pytest.raises(Problem) as raised:
        show(thing, **options).html()
    english = translate(raised.value)
    with use_language("ko"):
        assert re.search("[가-힣]", translate(raised.value))
    assert english.endswith(".") and "{" not in english and english.count(". ") <= 2


def test_valid_numbers_of_other_types_are_taken():
    for number in (2, np.int64(2), torch.tensor(2)):
        assert show("counter", step=number).step == show(NORMS, step=number).step == 2
        assert show(recorded(4, 3), unit=number).unit == 2
    assert show(projected(), lens="gradients", unit=2)
    assert show(NORMS, row=1).html() and show("counter", row=0).html()


@pytest.mark.parametrize("value", [1.5, "1", True, -1, 99, None, [0]])
def test_what_is_shown_is_moved_to_whole_numbers_only(value):
    for shown in (show("counter"), show(NORMS)):
        for name in ("step", "unit"):
            before = getattr(shown, name)
            with pytest.raises(Problem, match="whole number"):
                setattr(shown, name, value)
            assert getattr(shown, name) == before
    with pytest.raises(Problem, match="no gate or state to choose"):
        show(NORMS).quantity = "hidden"


def test_a_wrong_layer_is_not_replaced_by_another():
    trace = recorded(4, 3)
    with pytest.raises(Problem, match="“layer” must be a text, not of the type int"):
        show(trace, layer=0)
    with pytest.raises(Problem, match="There is no layer “”"):
        show(trace, layer="")


def test_half_a_surrogate_pair_is_shown_as_the_replacement_character(tmp_path):
    trace = recorded(3, 2).with_tokens(["a", "\ud800", "b\udfff"])
    for shown in (
        show(trace),
        show(trace, lens="states"),
        show(trace, lens="gradients"),
        show("python-lm", "a\ud800b"),
    ):
        written = shown.save(tmp_path / "x.html").read_text(encoding="utf-8")
        assert "\ufffd" in numbers_of(written).decode("utf-8", "replace")
    labels = ["\udfff" * 60] * 4000
    assert show(recorded(4000, 256).with_tokens(labels)).save(tmp_path / "x.html")


def test_labels_of_another_sequence_are_not_dropped():
    lstm = nn.LSTM(2, 3, batch_first=True)
    packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 5, 2), torch.tensor([5, 3]), batch_first=True)
    with torch.no_grad(), capture(lstm) as trace:
        lstm(packed)
    assert show(trace.with_tokens("abcde")).html() and show(trace.with_tokens("abc"), row=1).html()
    for labels, row in (("abcde", 1), ("abc", 0)):
        with pytest.raises(Problem, match="labels, but sequence"):
            show(trace.with_tokens(labels), row=row)


def test_the_link_needs_the_address_of_a_web_page():
    with pytest.raises(Problem, match="not the address"):
        show("counter", app="javascript:alert(1)").html()


def test_the_lenses_are_those_of_the_app():
    from viz.pages import LENSES

    assert set(LENS_NAMES) <= {lens.name for lens in LENSES}


def test_the_sentence_on_edits_says_how_many_there_are():
    names = [f"rnn.l0.bias_ih[{unit}]=1" for unit in range(14)]
    assert edits_sentence() == ""
    assert edits_sentence(names[0]) == f"The network was edited (1 edit): {names[0]}."
    for count in (2, 10):
        assert edits_sentence(*names[:count]) == f"The network was edited ({count} edits): {'; '.join(names[:count])}."
    assert edits_sentence(*names) == f"The network was edited (14 edits): {'; '.join(names[:10])}; and 4 others."


def test_a_view_of_the_attention_says_what_was_changed_and_what_is_unknown():
    network = load_network("dates-dot")
    text = "4 Aug 2024 ☃"
    decoding = decode(network, text)
    payload = attention_payload("a", network, decoding, None, next(iter(decoding.attention)))
    view = decoding_view(
        network, text, decoding, "a", payload, step=0, address=None, note=edits_sentence("temperature=2", "hide[2]")
    )
    notes = " ".join(view.content().notes)
    assert "The network was edited (2 edits): temperature=2; hide[2]." in notes
    assert "Not in this network's vocabulary, shown in brackets: [☃]" in notes
    with use_language("ko"):
        answer = decoding.answer
        assert re.search(rf"출력은 “{answer}”(예요|이에요)\.", view.content().sentence)
    assert "Not in this network" in run_source("python-lm", "a☃").origin()
