"""Components do not depend on their host: only the two adapters name Streamlit, and a plain page can mount them."""

import re
import subprocess
import sys

import pytest

from viz.components import FOLDER

ADAPTERS = {"streamlit_host.js", "streamlit_host.py"}
SCRIPTS = [path for path in FOLDER.rglob("*") if path.suffix in (".js", ".css") and path.name not in ADAPTERS]
MODULES = [path for path in FOLDER.rglob("*.py") if path.name not in ADAPTERS]
COMPONENTS = sorted(path.parent.name for path in FOLDER.glob("*/*.js") if path.stem == path.parent.name)

STREAMLIT = r"streamlit|--st-|\bst-|\.st[A-Z]|stElement|setStateValue|setTriggerValue|parentElement|export default"
"""What a script or style would use of Streamlit: its name, properties, classes and calls."""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_or_style_uses_nothing_of_streamlit(path):
    code = re.sub(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)
    assert re.findall(STREAMLIT, code) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_uses_streamlit_through_the_adapter_alone(path):
    code = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.S)
    used = re.findall(r"[^\n]*\b(?:streamlit|st)\b(?!_)[^\n]*", code)
    assert [line for line in used if "viz.components.streamlit_host import" not in line] == []


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_folder_is_one_component(name):
    files = {path.name for path in (FOLDER / name).iterdir() if path.suffix in (".py", ".js", ".css")}
    assert {"__init__.py", f"{name}.js"} <= files
    script = (FOLDER / name / f"{name}.js").read_text(encoding="utf-8")
    assert re.search(rf'unrolled\.(define\("{name}"|components\.{name} = )', script)


@pytest.mark.slow
def test_data_is_made_without_streamlit():
    """In a process that cannot import streamlit."""
    code = f"""
import importlib, json, sys
sys.modules["streamlit"] = None
for name in {COMPONENTS}:
    module = importlib.import_module(f"viz.components.{{name}}")
    component = getattr(module, name.upper())
    assert component.name == name and component.script, name
from viz.components.player import player_data
from viz.components.cell_diagram import cell_diagram_data
print(len(json.dumps([player_data("a", view={{"step": 1}}), cell_diagram_data("a")])) > 1000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr
