"""The project installed in fresh environments, beside a project with folders of the same names.

The environments use the packages of the one that runs the tests, so that nothing is downloaded.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = sysconfig.get_path("purelib")
"""Where the packages are that the environments use."""
ADDED = "added.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: of the environment.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "bin" / "python"

    @property
    def added(self) -> set[str]:
        """The names that the installation has put into ``site-packages``."""
        return set((self.folder / ADDED).read_text().splitlines())

    @property
    def site_packages(self) -> Path:
        """The folder of its packages."""
        return _site_packages(self.folder)


def run(*command: object, folder: Path) -> str:
    """Run a command in a folder, without the variables that name places of this project; return what it prints.

    Raises:
        AssertionError: it fails; with all that it has printed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_wheel(folder: Path) -> None:
    """Build the wheel in a folder, with the packages that are installed."""
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "-w", folder, ROOT, folder=folder)


def install(folder: Path, *what: object) -> None:
    """Create an environment in a folder, which uses the packages of this one, and install what pip is given."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    packages = _site_packages(folder)
    (packages / "packages_of_the_tests.pth").write_text(f"{PACKAGES}\n")
    before = set(os.listdir(packages))
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q", "--ignore-installed")
    run(*pip, "--no-index", "--no-deps", "--no-build-isolation", *what, folder=folder)
    (folder / ADDED).write_text("\n".join(set(os.listdir(packages)) - before))


def _site_packages(folder: Path) -> Path:
    return next((folder / "lib").glob("python*")) / "site-packages"


def write_project(folder: Path) -> Path:
    """Write a project whose folders have the names of this one's and end a program that imports them; return its folder."""
    for name in ("models", "viz", "tests"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('a module of the project itself')\n")
    (folder / "app.py").write_text("raise SystemExit('the app of the project itself')\n")
    return folder


def shared_folder(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that ``make`` has filled, once for all workers of pytest.

    Args:
        base: the worker's own temporary folder.
        name: of the folder.
        make: fills it.
    """
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            folder.mkdir()
            make(folder)
            (folder / "done").touch()
    return folder


def shared_environment(base: Path, name: str, *what: object) -> Environment:
    """Return an environment in which what pip is given is installed, one for all workers of pytest."""
    return Environment(shared_folder(base, name, lambda folder: install(folder, *what)))
