"""An embedded cluster that knows the grader's image, which nobody can build or pull here: `python graderimage.py` takes
pocketkube's own options.

Its program starts the real worker as a process of this machine, with the environment and the token that the Pod has,
and the files that the Dockerfile copies (GRADER_COURSE) as the course and the packages. So the Job, its Pods, their
rights, what they are handed and what they hand back are tried; the Python and the packages of the real image, its user
and its read-only root are not.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import yaml

from pocketkube import __main__, images
from pocketkube.images.base import Image
from pocketkube.kubelet.process import Process

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
WORKER = """
import os, sys
from pathlib import Path
import kindlab
from kindlab.batch.elsewhere import worker
assert Path(kindlab.__file__).is_relative_to(os.environ["KINDLAB_COURSE"]), kindlab.__file__
sys.exit(worker.main(os.environ, Path(sys.argv[1])))
"""
STATE = Path(sys.argv[sys.argv.index("--state") + 1])
COURSE = os.environ["GRADER_COURSE"]


async def python(process: Process) -> int:
    assert process.argv[1:] == ["-m", "kindlab.batch.elsewhere.worker"], process.argv
    if process.env["KINDLAB_IMAGE"] == "dies":
        await process.error("Segmentation fault in the test's image")
        return 139
    server = yaml.safe_load((STATE / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("token", "ca.crt"):
            (Path(scratch) / name).write_bytes(process.fs.read_bytes(f"{ACCOUNT}/{name}"))
        host, _, port = server.removeprefix("https://").rpartition(":")
        there = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        places = {name: scratch for name in ("HOME", "TMPDIR", "KINDLAB_HOME", "KINDLAB_WORK")}
        course = {"KINDLAB_COURSE": COURSE, "PYTHONPATH": f"{COURSE}/src", "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {**process.env, **course, "PATH": os.environ["PATH"], **there, **places}
        command = [sys.executable, "-c", WORKER, scratch]
        worker = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=scratch, stdout=-1, stderr=-2, start_new_session=True
        )
        try:
            said, _ = await worker.communicate()
        except asyncio.CancelledError:
            worker.kill()
            raise
        await process.stdout.write(said)
        return worker.returncode or 0


class Grader(Image):
    names = ("grader.test/kindlab:1",)
    user = 65532
    env = {**Image.env, "KINDLAB_IMAGE": "works"}  # noqa: RUF012
    commands = {"/usr/local/bin/python": python}  # noqa: RUF012


class Dying(Grader):
    names = ("grader.test/kindlab:dies",)
    env = {**Image.env, "KINDLAB_IMAGE": "dies"}  # noqa: RUF012


if __name__ == "__main__":
    known = images.catalogue()
    known |= {name: image for image in (Grader, Dying) for name in image.names}
    sys.exit(__main__.main())
