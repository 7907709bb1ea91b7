"""`%unrolled` in a shell of IPython."""

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import nn

from models import Problem, capture, load_network, watch
from viz.i18n import translate
from viz.show import Shown
from viz.show.line_magic import show_line


@pytest.fixture
def shell():
    found = InteractiveShell()
    found.run_line_magic("load_ext", "models")
    return found


def test_it_shows_variables_networks_and_run_folders(shell, tmp_path):
    lstm = nn.LSTM(2, 3, batch_first=True)
    with torch.no_grad(), capture(lstm) as trace:
        lstm(torch.zeros(1, 5, 2))
    with watch(lstm, tmp_path / "a run", every=1) as run:
        lstm(torch.zeros(1, 5, 2))[0].sum().backward()
        run.step(loss=1.0)
    shell.user_ns |= {"trace": trace, "net": load_network("counter")}
    for line, step, quantity in (
        ("trace", 4, "forget_gate"),
        ("trace lens=states step=2 quantity=cell", 2, "cell"),
        ('net "aabb" step=3', 3, None),
        ('counter "abab" lens=states step=1', 1, None),
        (f'"{tmp_path / "a run"}"', 0, "forget_gate"),
    ):
        result = shell.run_cell(f"%unrolled {line}").result
        assert isinstance(result, Shown) and result.step == step
        assert quantity in (None, result.quantity)
        assert result._repr_html_().startswith("<iframe srcdoc=")
    shown = shell.run_cell("shown = %unrolled net\nshown").result
    assert shown is shell.user_ns["shown"]


@pytest.mark.parametrize("line", [r"C:\runs\a", r'"C:\runs\a"', r"'C:\runs\a' step=0"])
def test_a_path_keeps_its_backslashes(monkeypatch, tmp_path, line):
    monkeypatch.chdir(tmp_path)
    lstm = nn.LSTM(2, 3, batch_first=True)
    with watch(lstm, r"C:\runs\a", every=1) as run:  # one name where / separates folders
        lstm(torch.zeros(1, 5, 2))[0].sum().backward()
        run.step(loss=1.0)
    assert show_line(line, {}).step == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [("net step", "step"), ('net "unit" step=1', "unit"), ("net 'a # b'", "a # b"), (r'net "a\b"', r"a\b")],
)
def test_a_text_may_be_the_name_of_an_option_and_have_any_sign(monkeypatch, line, text):
    shown = []
    monkeypatch.setattr(
        "viz.show.line_magic.show", lambda thing, *texts, **options: shown.append((thing, texts, options))
    )
    show_line(line, {"net": 1})
    assert shown == [(1, (text,), {"step": 1} if "step=1" in line else {})]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "Write %unrolled, then one thing"),
        ('net "a', "quotation mark is missing"),
        ("net one two", "Write %unrolled, then one thing"),
        ("nothing", "neither a variable"),
        ("number", "A int cannot be shown"),
        ("counter step=99", "cannot be 99"),
        ("counter step=one", "cannot be 'one'"),
        ("counter lens=edit", "Unknown lens"),
    ],
)
def test_bad_input_is_one_sentence_without_a_traceback(shell, capsys, line, sentence):
    shell.user_ns["number"] = 3
    result = shell.run_cell(f"%unrolled {line}")
    assert not result.success
    said = capsys.readouterr()
    assert sentence in said.err + said.out and "Traceback" not in said.err + said.out
    with pytest.raises(Problem) as raised:
        show_line(line, shell.user_ns)
    assert translate(raised.value).endswith(".")
