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
from tests.support.hostile_text import HOSTILE
from viz.i18n import LANGUAGES, translate, use_language
from viz.show import LENS_NAMES, show

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


def test_the_link_needs_the_address_of_a_web_page():
    with pytest.raises(Problem, match="not the address"):
        show("counter", app="javascript:alert(1)").html()


def test_the_lenses_are_those_of_the_app():
    from viz.pages import LENSES

    assert set(LENS_NAMES) <= {lens.name for lens in LENSES}
