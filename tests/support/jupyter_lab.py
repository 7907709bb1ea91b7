"""A running JupyterLab, and notebooks in it."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import nbformat

from tests.support.browser import ROOT, TIMEOUT


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
            opener, end = build_opener(ProxyHandler({})), time.monotonic() + TIMEOUT / 1000
            while True:
                try:
                    with opener.open(f"http://127.0.0.1:{port}/api?token={token}", timeout=5):
                        break
                except (URLError, OSError):
                    if time.monotonic() > end or server.poll() is not None:
                        log.seek(0)
                        raise RuntimeError(f"JupyterLab did not start:\n{log.read()}") from None
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/doc/tree/{{}}?token={token}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells for the kernel of this Python."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
