"""A running JupyterLab, and notebooks in it."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat

from tests.support.browser import ROOT, stop_server, wait_until_answered


@contextmanager
def jupyter_lab(folder: Path) -> Iterator[str]:
    """Run JupyterLab on a free port with a token; yields an address into which the path of a notebook is formatted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    state = folder / ".jupyter"  # also what it signs notebooks with, by which it trusts what it saved itself
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JUPYTER_CONFIG_DIR": f"{state}/config",
        "JUPYTER_DATA_DIR": f"{state}/data",
        "JUPYTER_RUNTIME_DIR": f"{state}/runtime",
        "IPYTHONDIR": f"{state}/ipython",
        "JUPYTERLAB_SETTINGS_DIR": f"{state}/settings",
        "JUPYTERLAB_WORKSPACES_DIR": f"{state}/workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]
    command += [
        f"--ServerApp.port={port}",
        f"--IdentityProvider.token={token}",
        "--LabApp.news_url=",
        "--ServerApp.ip=127.0.0.1",
    ]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            wait_until_answered(f"http://127.0.0.1:{port}/api?token={token}", server, log)
            yield f"http://127.0.0.1:{port}/doc/tree/{{}}?token={token}"
        finally:
            stop_server(server)


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells for the kernel of this Python."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
