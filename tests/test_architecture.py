"""The rules of the code's structure: imports between folders, the top level, the length of files, unique names."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 400

TOP = {"README.md", "requirements.txt", "app.py", "viz", "models", "tests", "pyproject.toml", "LICENSE"}

FOLDERS = (
    "core", "architectures", "capturing", "networks", "gradients", "states", "decoding", "edits", "checkpoints", "runs",
    "zoo", "training", "language", "layer_calls", "corpus", "probes",
)  # fmt: skip
"""The folders of ``models`` in their order: each may import from itself and from those before it."""

STREAMLIT = (
    "app.py", "viz/page_turns.py", "viz/asked_state.py",
    "viz/pages/", "viz/components/streamlit_host.py", "viz/session.py", "viz/layout.py", "viz/warm_up.py",
    "viz/browser_messages.py", "viz/download_links.py", "viz/uploads.py", "viz/start_app.py",
)  # fmt: skip
"""Where streamlit may be imported (and in tests)."""


def ours():
    """Every file of the repository, tracked or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:  # not a clone: an unpacked archive, say
        hidden = [path for path in ROOT.rglob("*") if path.is_file()]
        names = [path.relative_to(ROOT) for path in hidden]
        return [name for name in names if not any(part.startswith((".", "__pycache__")) for part in name.parts)]
    return [Path(name) for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


FILES = ours()
CODE = [path for path in FILES if path.suffix == ".py" and path.parts[0] != "tests"]


def imports(path):
    """The modules which a file imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by their full names"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def packages(path):
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", CODE, ids=str)
def test_imports_follow_the_data(path):
    name, used = path.as_posix(), packages(path)
    if path.parts[0] == "models":
        exported = {"viz"} if name == "models/__init__.py" else set()  # `show`, imported at its first use
        assert not (used - exported) & {"streamlit", "plotly", "viz", "app"}
    if not name.startswith(STREAMLIT):
        assert "streamlit" not in used
    if name.startswith("viz/figures"):
        seen = [
            used
            for used in imports(path)
            if used.startswith(("viz.pages", "viz.components", "viz.session", "viz.layout"))
        ]
        assert not seen
    if name.startswith("viz/components/"):
        assert not [used for used in imports(path) if used.startswith(("viz.pages", "viz.session", "viz.layout"))]
    assert "app" not in used and "tests" not in used


def folder_of(module):
    """Return the folder of ``models`` that a module is in, or None."""
    parts = module.split(".")
    return parts[1] if parts[0] == "models" and len(parts) > 1 and parts[1] in FOLDERS else None


@pytest.mark.parametrize("path", [path for path in CODE if path.parts[0] == "models" and len(path.parts) > 2], ids=str)
def test_folders_of_models_import_one_way(path):
    own = FOLDERS.index(path.parts[1])
    used = [name for name in imports(path) if name.split(".")[0] == "models"]
    assert [name for name in used if folder_of(name) is None] == []
    assert [name for name in used if FOLDERS.index(folder_of(name)) > own] == []


@pytest.mark.parametrize(
    "path",
    [path for path in CODE if path.parts[:2] not in {("models", "zoo"), ("models", "training"), ("viz", "pages")}],
    ids=str,
)
def test_bundled_networks_are_loaded_by_name(path):
    """All but a page about one bundled network, and tasks that use its generator of texts, goes by ``zoo.catalogue``."""
    trained_by = [name for name in imports(path) if name.startswith("models.zoo")]
    assert [name for name in trained_by if not name.startswith("models.zoo.catalogue.")] == []


def test_models_holds_no_module_outside_its_folders():
    top = {path.parts[1] for path in CODE if path.parts[0] == "models"}
    assert top == {"__init__.py", *FOLDERS}


def test_the_app_is_navigation_alone():
    assert not packages(Path("app.py")) & {"torch", "numpy", "plotly", "models"}


def test_the_top_level_is_the_plan():
    top = {path.parts[0] for path in FILES}
    assert {name for name in top if not name.startswith(".")} == TOP


def test_no_file_is_two_ideas_long():
    text = {".py", ".js", ".css", ".toml", ".html"}
    lengths = {
        path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in FILES if path.suffix in text
    }
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


def test_component_scripts_contain_no_text():
    """A component's script has no text of its own: its strings come with its data, translated."""
    found = {}
    for path in FILES:
        if path.suffix == ".js" and path.parts[0] == "viz":
            script = re.sub(
                r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.S
            )
            shown = re.findall(
                r"(?:textContent|innerText|title|ariaLabel|placeholder)\s*=\s*([\"'`])([^\"'`$]*[A-Za-z]{2,}[^\"'`]*)\1",
                script,
            )
            if shown:
                found[str(path)] = [words for _quote, words in shown]
    assert found == {}


INTERFACES = {
    "models/checkpoints/formats/": {"match", "open"},
    "models/runs/": {"RunCallback"},
    "models/zoo/": {"measure", "recipe", "train", "vocabulary"},
    "viz/pages/": {"page"},
    "": {"main"},
}
"""Names that files of a folder share by agreement: a checkpoint format's, a callback's, a recipe's, a lens's, a command's."""


def agreed(path, name):
    return any(path.as_posix().startswith(folder) and name in names for folder, names in INTERFACES.items())


def test_no_module_name_occurs_twice():
    places = {}
    for path in CODE:
        if path.stem not in ("__init__", "__main__"):  # the parts of a package that Python names
            places.setdefault(path.stem, []).append(str(path))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_public_name_has_two_meanings():
    """A public function or class is defined once, so that a search for its name finds it."""
    places = {}
    for path in CODE:
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            defined = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if defined and not node.name.startswith("_") and not agreed(path, node.name):
                places.setdefault(node.name, []).append(str(path))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
