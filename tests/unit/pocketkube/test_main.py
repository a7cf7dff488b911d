"""What a process is before a cluster lives in it."""

import subprocess
import sys

SAY = """
import resource
from pocketkube.__main__ import prepare
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
prepare()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_it_may_open_as_many_files_as_it_is_allowed() -> None:
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True).stdout
    soft, hard = map(int, said.split())
    assert soft == (65_536 if hard < 0 else min(65_536, hard))
