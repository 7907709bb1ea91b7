"""The commands, snippets and links of the README and of the contributing guide work."""

import copy
import re
from pathlib import Path

import torch

from models import load_network

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)


def blocks(language):
    return [text for tag, text in BLOCKS if tag == language]


def test_the_notebook_snippet_runs(tmp_path, monkeypatch):
    installation, snippet, own_cell, _ = blocks("python")
    exec(
        compile(installation.replace("unrolled", "models"), "README.md", "exec"), {}
    )  # tests/test_wheel.py installs it
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(snippet, "README.md", "exec"), names)
    layer = names["layer"]
    assert layer.forget_gate.shape == layer.hidden.shape and layer.hidden.ndim == 3
    assert (tmp_path / "run.npz").exists()
    exec(compile(own_cell, "README.md", "exec"), names)
    layer = names["trace"].layers["l0"]
    assert layer.update_gate.shape == layer.update_gate_grad.shape == (1, 10, 4)


def test_the_training_snippet_runs(tmp_path, monkeypatch):
    training = blocks("python")[3]
    monkeypatch.chdir(tmp_path)
    net = copy.deepcopy(load_network("counter").module)
    ids = load_network("counter").encode("aab")
    names = {
        "net": net, "optimizer": torch.optim.SGD(net.parameters(), lr=0.1), "loader": [(ids, None)] * 12,
        "criterion": lambda output, target: output.pow(2).mean(),
    }  # fmt: skip
    exec(compile(training, "README.md", "exec"), names)
    assert names["run"].gradient_map("rnn.l0").values.shape == (2, 3)


def test_two_commands_set_everything_up_by_themselves():
    run, test = blocks("bash")
    for command in (run, test):
        assert command.count("\n") == 1 and command.startswith("python3 -m venv .venv && .venv/bin/pip install -r ")
        for file in re.findall(r"-r (\S+)", command):
            assert (ROOT / file).is_file()
    assert run.rstrip().endswith("streamlit run app.py") and test.rstrip().endswith("-m pytest")


def test_its_pictures_are_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text) if not (ROOT / path).is_file()] == []


def test_requirements_are_pinned():
    for file in ("requirements.txt", "tests/requirements.txt"):
        lines = (ROOT / file).read_text(encoding="utf-8").split("\n")
        assert all(
            re.fullmatch(r"[\w-]+==[\w.]+(; sys_platform != 'win32')?|-r \.\./requirements\.txt|", line)
            for line in lines
        ), file


def test_its_links_lead_somewhere():
    for file in (ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md"):
        links = re.findall(r"(?<!!)\[[^]]*\]\(([^)#:]+)\)", file.read_text(encoding="utf-8"))
        assert [link for link in links if not (file.parent / link).exists()] == []


def test_the_guide_names_files_that_exist():
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:models|viz|tests)/[\w./]+|app\.py)`", text)
    assert len(paths) > 15
    named = [path for path in paths if not re.search("NAME|LANG", path)]
    assert [path for path in named if not (ROOT / path).exists()] == []
