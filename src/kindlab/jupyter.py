"""`kindlab notebook`: JupyterLab on work/, with the cluster's kubeconfig in its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click

from kindlab import paths
from kindlab.clusters.base import Status
from kindlab.errors import Problem


def launch(status: Status, *, port: int, browser: bool) -> int:
    """Run JupyterLab until it ends. Raises Problem when it is not installed or there is nothing to open."""
    folder = paths.work()
    if not any(folder.glob("*/*.ipynb")):
        raise Problem(
            "There is no notebook to open yet.", f"{folder} holds none.", "Begin a lab first: kindlab start 01"
        )
    environment = {**os.environ, "KINDLAB_COURSE": str(paths.course()), "KINDLAB_WORK": str(folder)}
    if status.kubeconfig:
        environment["KUBECONFIG"] = status.kubeconfig
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        filter(None, [_quiet(), os.environ.get("JUPYTER_CONFIG_PATH")])
    )
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1"]
    command.append("--ServerApp.answer_yes=True")  # Ctrl-C is enough, as promised below
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container people often are; it listens on this machine only
    if port:
        command.append(f"--ServerApp.port={port}")
    if not browser:
        command.append("--no-browser")
    click.echo("JupyterLab opens on your labs. Ctrl-C here stops it; your work is kept.")
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # JupyterLab got it too: wait until it has ended its kernels


def _quiet() -> str:
    """A folder of settings laid over the user's own, which switch off JupyterLab's question about its news."""
    folder = paths.home() / "jupyter"
    page = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    paths.write_atomically(folder / "labconfig" / "page_config.json", json.dumps(page))
    return str(folder)
