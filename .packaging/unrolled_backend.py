"""The build backend (PEP 517, PEP 660): setuptools builds a copy of the project whose one package is ``unrolled``.

The copy has the installed names (``unrolled_names``) and is made in a temporary folder, so that a build leaves nothing in the
repository. What is installed are plain modules that import each other by the names that they have: there is no hook at run
time, and worker processes, pickles, ``python -m``, debuggers and type checkers need nothing special. Only an editable
installation, which imports the repository's own files, needs a hook (``unrolled_editable``).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from setuptools import build_meta
from unrolled_names import INSTALLED, rename_imports, rename_text

ROOT = Path(__file__).resolve().parent.parent

EDITABLE = '''"""Unrolled, imported from the repository in {root}: an editable installation."""

import sys

sys.path.insert(0, {folder!r})
try:
    from unrolled_editable import import_from
finally:
    sys.path.pop(0)

import_from({root!r})
'''
"""The one module of an editable installation. It replaces itself by the repository's."""


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build a wheel; return its name."""
    return _build(copy_project, build_meta.build_wheel, wheel_directory, config_settings)


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build a source archive, of the copied project, which setuptools alone can build; return its name."""
    return _build(copy_project, build_meta.build_sdist, sdist_directory, config_settings)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build the wheel of an editable installation; return its name."""
    return _build(write_editable, build_meta.build_wheel, wheel_directory, config_settings)


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    """Write the metadata of the wheel; return the name of its folder."""
    return _build(write_editable, build_meta.prepare_metadata_for_build_wheel, metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel  # that of both wheels is the same


def _build(make: Callable[[Path], None], hook: Callable[..., str], target: str, settings: Any) -> str:
    target = os.path.abspath(target)
    with TemporaryDirectory(prefix="unrolled-build-") as folder, _working_directory(folder):
        make(Path(folder))
        return hook(target, settings)


@contextmanager
def _working_directory(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def copy_project(folder: Path) -> None:
    """Write the project with its installed names to a folder."""
    _copy_metadata(folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.mo", ".*")
    for source, package in INSTALLED.items():
        target = folder.joinpath(*package.split("."))
        shutil.copytree(ROOT / source, target, ignore=ignored, copy_function=_copy, dirs_exist_ok=True)
    _copy(ROOT / "app.py", folder / "unrolled" / "app.py")
    # Streamlit reads the settings beside the app's file, wherever it is started
    (folder / "unrolled" / ".streamlit").mkdir()
    _copy(ROOT / ".streamlit" / "config.toml", folder / "unrolled" / ".streamlit" / "config.toml")


def write_editable(folder: Path) -> None:
    """Write a project to a folder whose one module imports the repository's files."""
    _copy_metadata(folder)
    (folder / "unrolled").mkdir()
    text = EDITABLE.format(root=str(ROOT), folder=str(ROOT / ".packaging"))
    (folder / "unrolled" / "__init__.py").write_text(text, encoding="utf-8")


def _copy_metadata(folder: Path) -> None:
    """Copy what setuptools reads, with setuptools itself as the backend."""
    for name in ("README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    head, own, rest = project.partition('build-backend = "unrolled_backend"\nbackend-path = [".packaging"]\n')
    if not own:
        raise ValueError("pyproject.toml does not name this backend.")
    text = f'{head}build-backend = "setuptools.build_meta"\n{rest}'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def _copy(source: str | Path, target: str | Path) -> str:
    """Copy a file, a Python file or a text with the installed names."""
    rename = {".py": rename_imports, ".md": rename_text}.get(Path(source).suffix)
    if rename is None:
        shutil.copyfile(source, target)
    else:
        Path(target).write_text(rename(Path(source).read_text(encoding="utf-8")), encoding="utf-8")
    return str(target)
