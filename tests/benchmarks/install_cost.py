"""What installing and importing the package costs: ``python -m tests.benchmarks.install_cost [--rounds N]``.

It builds the wheel, installs it in a new environment, and prints the sizes. Then it imports ``unrolled`` in new processes, in
turns with ``import torch`` alone, so that a busy machine slows both, and prints the medians of the processor time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from tests.support.installed import Environment, build_wheel, install, run

BAR = 1.15
"""How long each of the statements may take, beside ``import torch`` alone."""

ALONE = "import torch"
STATEMENTS = {
    "import unrolled": "import torch, unrolled",
    "capture": "import torch; from unrolled import capture",
    "capture, watch, load_checkpoint": "import torch; from unrolled import capture, load_checkpoint, watch",
    "all public names": "import torch; from unrolled import *",
}


def seconds(environment: Environment, statement: str, folder: Path) -> float:
    """Return the processor time of a statement in a new process."""
    program = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    return float(run(environment.python, "-c", program, folder=folder))


def size(folder: Path) -> tuple[float, float]:
    """Return the size of a folder's files in MB, without and with compiled code."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    whole = sum(path.stat().st_size for path in files)
    compiled = sum(path.stat().st_size for path in files if path.suffix == ".pyc")
    return (whole - compiled) / 1e6, whole / 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_wheel(folder)
        wheel = next(folder.glob("*.whl"))
        (folder / "environment").mkdir()
        install(folder / "environment", wheel)
        environment = Environment(folder / "environment")
        source, whole = size(environment.site_packages / "unrolled")
        print(
            f"wheel {wheel.stat().st_size / 1e6:.1f} MB, installed {source:.1f} MB, with compiled code {whole:.1f} MB"
        )
        for statement in (ALONE, *STATEMENTS.values()):
            seconds(environment, statement, folder)  # from now on the files are in the operating system's cache
        ratios: dict[str, list[float]] = {title: [] for title in STATEMENTS}
        alone = []
        for _ in range(rounds):
            for title, statement in STATEMENTS.items():
                alone.append(seconds(environment, ALONE, folder))
                ratios[title].append(seconds(environment, statement, folder) / alone[-1])
        print(f"import torch alone: {statistics.median(alone):.2f} s of processor time")
        for title, found in ratios.items():
            spread = f"{min(found):.2f} to {max(found):.2f} in {rounds} rounds"
            print(f"with {title}: {statistics.median(found):.2f} times as long ({spread})")
            print(f"  {'within' if statistics.median(found) <= BAR else 'ABOVE'} the bar of {BAR}")


if __name__ == "__main__":
    main()
