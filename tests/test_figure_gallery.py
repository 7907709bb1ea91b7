"""The gallery of figures shows every function of `viz/figures`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.figure_gallery import ROOT, figure_functions, summary


@pytest.mark.slow
def test_every_figure_is_in_the_gallery(tmp_path):
    command = [sys.executable, "-m", "tests.figure_gallery", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    page = Path(done.stdout.split()[-1]).read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', page) == sorted(figure_functions())
    assert page.count("Plotly.newPlot(") == len(figure_functions())


def test_every_figure_has_a_summary():
    functions = figure_functions()
    assert len(functions) > 20
    assert [name for name, (_module, function) in functions.items() if not summary(function).endswith((".", ":"))] == []
