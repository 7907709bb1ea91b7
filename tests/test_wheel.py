"""The wheel and the editable installation, beside a project with `models`, `viz`, `tests` and `app.py` of its own."""

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import models
from tests.support.browser import opened_page, serve, until
from tests.support.installed import (
    PACKAGES,
    ROOT,
    Environment,
    build_wheel,
    run,
    shared_environment,
    shared_folder,
    write_project,
)

pytestmark = pytest.mark.slow

RECORDED = """
import sys
sys.path.insert(0, "")
import unrolled
from unrolled import capture, gradient_map, load_checkpoint, load_network, open_run, watch
import json
import torch
from torch import nn

torch.manual_seed(0)
net, x = nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3)
with capture(net) as trace:
    y, _ = net(x)
    y.sum().backward()
trace.save("run.npz")
cell, state, steps = nn.LSTMCell(3, 4), None, []
cell.load_state_dict({name.removesuffix("_l0"): value for name, value in net.state_dict().items()})
for t in range(5):
    state = cell(x[:, t], state)
    steps.append(state)
layer = trace.layers["l0"]
near = lambda ours, theirs: torch.allclose(torch.as_tensor(ours.copy()), theirs.detach(), rtol=0, atol=1e-5)
assert near(layer.hidden, torch.stack([h for h, c in steps], 1))
assert near(layer.cell, torch.stack([c for h, c in steps], 1))
rows = x[:, 0] @ net.weight_ih_l0.T + net.bias_ih_l0 + net.bias_hh_l0  # at the first step h is 0
assert near(layer.forget_gate[:, 0], rows[:, 4:8].sigmoid())

losses, optimizer = [], torch.optim.SGD(net.parameters(), lr=0.1)
with watch(net, "runs/a", every=1) as run:
    for _ in range(4):
        optimizer.zero_grad()
        loss = net(x)[0].pow(2).mean()
        loss.backward()
        run.step(loss=loss.item())
        losses.append(loss.item())
        optimizer.step()
_, recorded = open_run("runs/a").scalar("loss/train")
assert torch.allclose(torch.as_tensor(recorded).double(), torch.tensor(losses).double())

torch.save(net.state_dict(), "net.pt")
opened = next(iter(load_checkpoint("net.pt").layers.values()))
assert torch.equal(torch.as_tensor(opened.weight_hh.copy()), net.weight_hh_l0.detach())

bundled = load_network("counter")
with capture(bundled) as trace:
    bundled(bundled.encode("aab"))
assert next(iter(trace.layers.values())).hidden.shape[1] == 3

print(json.dumps({
    "file": unrolled.__file__,
    "hidden": layer.hidden[0, 4, 0].item(),
    "modules": [name for name in sys.modules if name.split(".")[0] in ("models", "viz", "tests", "app")],
    "public": sorted(name for name in unrolled.__all__ if getattr(unrolled, name)),
}))
"""
"""A program of the project: it compares what is recorded with torch's own cell, losses and tensors."""

NOTEBOOK = """
import sys
sys.path.insert(0, "")
import json
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "unrolled")
states = shell.run_line_magic("unrolled", 'counter "aabb" lens=states step=2')
from unrolled import open_run
from unrolled.viz.show import show
training = show(open_run("runs/a"))
print(json.dumps({
    "place": [states.step, training.step],
    "frames": [each._repr_html_().startswith("<iframe srcdoc=") for each in (states, training)],
    "size": training.save("a.html").stat().st_size,
    "modules": [name for name in sys.modules if name.split(".")[0] in ("models", "viz", "tests", "app")],
}))
"""
"""What a notebook does in the project: the line magic, and the view of a run that was recorded."""

EDITABLE = """
import sys
sys.path.insert(0, "")
import json, unrolled
from unrolled import load_network
from unrolled.viz import josa
load_network("counter")
print(json.dumps({
    "file": unrolled.__file__, "modules": [name for name in sys.modules if name.split(".")[0] in ("models", "viz")]
}))
"""
"""A program of the project with the editable installation."""

TYPED = """
from unrolled import Trace, capture, load_checkpoint, nonsense
import torch

with capture(torch.nn.LSTM(1, 1)) as trace:
    pass
reveal_type(trace)
reveal_type(load_checkpoint("a.pt").layers)
"""

TWICE = """
import sys
import {first}
import {second}
from models import Trace
from models.core.trace import Trace as from_models
from unrolled.core.trace import Trace as from_unrolled
from viz import josa
from unrolled.viz.josa import format_message
assert Trace is {second}.Trace is from_models is from_unrolled and josa.format_message is format_message
places = {{}}
for module in list(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").startswith(({models!r}, {viz!r})):
        places.setdefault(module.__file__, set()).add(id(module))
        assert module.__spec__.name == module.__name__
assert len(places) > 5 and all(len(each) == 1 for each in places.values()), places
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """Return the path of the wheel."""
    return next(shared_folder(tmp_path_factory.getbasetemp(), "wheel", build_wheel).glob("*.whl"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory, wheel) -> Environment:
    """Return an environment in which the wheel is installed."""
    return shared_environment(tmp_path_factory.getbasetemp(), "installed", wheel)


@pytest.fixture(scope="session")
def recorded(installed, tmp_path_factory) -> tuple[Path, dict]:
    """Return a project in which `RECORDED` has run, and what it has printed."""
    folder = write_project(tmp_path_factory.mktemp("recorded") / "project")
    return folder, json.loads(run(installed.python, "-c", RECORDED, folder=folder))


@pytest.fixture
def project(tmp_path) -> Path:
    """Return the folder of a project with modules of the same names."""
    return write_project(tmp_path / "project")


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "models", "viz"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("The list of the repository's files needs a git clone.")
    return [Path(name) for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def place_in_wheel(path: Path) -> str:
    return (
        path.as_posix().replace("models/", "unrolled/", 1)
        if path.parts[0] == "models"
        else f"unrolled/{path.as_posix()}"
    )


def imported(source: str) -> set[str]:
    """Return the first names of the modules that a source imports."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {name.split(".")[0] for name in plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}}


CASES = [
    ("from models.core.trace import Trace", "from unrolled.core.trace import Trace"),
    (
        "from viz import (  # from models import capture\n    josa,\n)",
        "from unrolled.viz import (  # from unrolled import capture\n    josa,\n)",
    ),
    ("def f():\n    é = 1; from models import x  # é", "def f():\n    é = 1; from unrolled import x  # é"),
    ("x = 'from models import capture'", "x = 'from models import capture'"),
    ("f('models.core')  # models.core", "f('models.core')  # unrolled.core"),
    ("from modelsx import models", "from modelsx import models"),
    ("x = models.core", "x = models.core"),
    (
        'f()\n"""See `viz.josa`, not models. Or viz/x.py."""',
        'f()\n"""See `unrolled.viz.josa`, not models. Or viz/x.py."""',
    ),
]
"""Python source, and what is installed of it."""


@pytest.mark.parametrize(("source", "installed_source"), CASES)
def test_imports_are_renamed_and_strings_are_not(source, installed_source, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / ".packaging"))
    from unrolled_names import rename_imports

    assert rename_imports(source) == installed_source
    with pytest.raises(ValueError, match="line 1: write “from models import …”"):
        rename_imports("import numpy, models.core")


def test_the_wheel_has_every_file_of_the_repository(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        assert {name.split("/")[0] for name in names} == {"unrolled", f"{wheel.name.split('-py3')[0]}.dist-info"}
        files = {place_in_wheel(path): ROOT / path for path in tracked_files()}
        files |= {
            "unrolled/app.py": ROOT / "app.py",
            "unrolled/.streamlit/config.toml": ROOT / ".streamlit" / "config.toml",
        }
        assert {name for name in names if name.startswith("unrolled/")} == files.keys()
        for name, path in files.items():
            if path.suffix == ".py":
                code = archive.read(name).decode()
                assert not imported(code) & {"models", "viz", "app", "tests"}, name
                again = code.replace("unrolled.viz", "viz").replace("unrolled", "models").splitlines()
                own = path.read_text(encoding="utf-8").replace("unrolled", "models")
                prose = re.sub(r"(\.venv/bin/)?streamlit run app\.py( --(?= ))?", "models", own)
                lines = zip(again, own.splitlines(), prose.splitlines(), strict=True)
                assert [line for line, *expected in lines if line not in expected] == [], name
            elif path.suffix != ".md":
                assert archive.read(name) == path.read_bytes(), name
        lessons = "".join(archive.read(name).decode() for name in names if "/lessons/" in name and name.endswith(".md"))
        assert "from unrolled import capture, watch" in lessons and not re.search("from models|streamlit run", lessons)


def test_what_is_required_is_what_the_code_imports(wheel):
    """`models` imports its requirements alone when it is imported as a whole, without the extras."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)\S*$", metadata, re.M)
    assert set(required) == {"torch", "numpy", "safetensors"}
    extras = dict(re.findall(r"^Requires-Dist: ([\w-]+).*\bextra == .(\w+)\W*$", metadata, re.M))
    command = (ROOT / "viz" / "start_app.py").read_text(encoding="utf-8")
    pinned = {
        name.lower()
        for name in re.findall(r"^([\w-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    }
    beside_the_app = {"anywidget", "xarray"}  # for notebooks and scripts, pinned for the tests alone
    assert {name.lower() for name in extras} - {"unrolled"} - beside_the_app == pinned - set(required)
    assert {extras[name] for name in beside_the_app} == {"arrays", "notebook"}
    assert all(name in command for name in ("streamlit", "plotly", "h5py"))


def test_a_project_with_the_same_names_uses_it(installed, recorded):
    _, report = recorded
    assert installed.added == {"unrolled", next(name for name in installed.added if name.endswith(".dist-info"))}
    assert Path(report["file"]).is_relative_to(installed.site_packages)
    assert report["modules"] == [] and report["public"] == sorted(models.__all__)


def test_a_notebook_shows_views_and_runs(installed, recorded):
    project, _ = recorded
    report = json.loads(run(installed.python, "-c", NOTEBOOK, folder=project).splitlines()[-1])
    assert report["place"] == [2, 3]  # the last of four training steps
    assert report["frames"] == [True, True] and 50_000 < report["size"] <= 3_000_000
    assert report["modules"] == []


def test_the_command_opens_the_app(installed, recorded, browser):
    project, report = recorded
    command = installed.folder / "bin" / "unrolled"
    with (
        serve("run.npz", command=command, folder=project) as url,
        opened_page(browser, f"{url}/?layer=l0&unit=0&step=4") as page,
    ):
        shown = page.locator('[data-quantity="hidden"][data-layer="l0"][data-unit="0"][data-step="4"]').first
        until(page, lambda: float(shown.get_attribute("data-value")) == pytest.approx(report["hidden"], abs=1e-6))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.pt"], "There is no file or folder 'missing.pt'."),
        (["--lesson", "99"], "There is no lesson 99: choose one from 1 to "),
        (["models", "--lesson", "1"], "Name a file or a lesson, not both."),
    ],
)
def test_the_command_says_what_is_wrong(installed, project, arguments, sentence):
    assert_sentence([installed.folder / "bin" / "unrolled", *arguments], project, sentence)


def test_the_command_without_the_packages_of_the_app_says_so(installed, project):
    program = f"import sys; sys.path.remove({PACKAGES!r}); from unrolled.viz.start_app import main; main()"
    assert_sentence([installed.python, "-c", program], project, 'run pip install "unrolled[app]".')


def assert_sentence(command, folder, sentence):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert sentence in done.stderr and done.stderr.count("\n") == 1


def test_a_type_checker_sees_the_types(installed, project):
    (project / "typed.py").write_text(TYPED)
    (project / "mypy.ini").write_text("[mypy]\n[mypy-torch.*,numpy.*]\nfollow_imports = skip\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(installed.python), "typed.py"],
        cwd=project, capture_output=True, text=True,
    )  # fmt: skip
    found = done.stdout.splitlines()
    assert 'Revealed type is "unrolled.core.trace.Trace"' in found[1]
    assert "unrolled.core.weights.LayerWeights" in found[2]
    assert 'has no attribute "nonsense"' in found[0] and len(found) == 4, done.stdout


def test_an_editable_installation_loads_each_module_once(tmp_path_factory, project):
    editable = shared_environment(tmp_path_factory.getbasetemp(), "editable", "-e", ROOT)
    assert editable.added == {"unrolled", next(name for name in editable.added if name.endswith(".dist-info"))}
    report = json.loads(run(editable.python, "-c", EDITABLE, folder=project))
    assert Path(report["file"]) == ROOT / "models" / "__init__.py" and report["modules"] == []
    places = {"models": f"{ROOT}/models/", "viz": f"{ROOT}/viz/"}
    for first, second in (("models", "unrolled"), ("unrolled", "models")):
        run(editable.python, "-c", TWICE.format(first=first, second=second, **places), folder=ROOT)


def test_the_wheel_and_a_checkout_are_not_mixed(installed):
    for first, second in (("models", "unrolled"), ("unrolled", "models")):
        done = subprocess.run(
            [installed.python, "-c", f"import {first}, {second}"], cwd=ROOT, capture_output=True, text=True
        )
        assert f"ImportError: This process has imported Unrolled as {first!r}" in done.stderr
