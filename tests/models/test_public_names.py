"""The public names of `models`, each of which is imported at its first use."""

import subprocess
import sys
from importlib import import_module

import pytest

import models


def test_every_public_name_has_its_module():
    assert sorted(models._MODULES) == sorted(models.__all__) and set(models.__all__) <= set(dir(models))
    for name, module in models._MODULES.items():
        assert getattr(models, name) is getattr(import_module(f"models.{module}"), name)
    with pytest.raises(AttributeError, match="module 'models' has no attribute 'nonsense'"):
        models.nonsense  # noqa: B018
    assert models.show is import_module("viz.show").show


def test_importing_the_package_imports_nothing_else():
    program = (
        "import models, sys; print([name for name in sys.modules if name.startswith(('models.', 'torch', 'numpy'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_importing_every_public_name_imports_no_checkpoint_format():
    others = ("models.checkpoints.formats", "models.checkpoints.building.build", "viz", "streamlit", "plotly", "xarray")
    program = f"import sys\nfrom models import *\nprint([name for name in sys.modules if name.startswith({others})])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
