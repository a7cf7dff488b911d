"""Requests without a pause while something changes: several clients in one Pod, each of which asks again as soon as it
has its answer. A rollout, a new certificate or a lost node shows as requests that failed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from kindlab.checks.probe import SAID, Probe, Replies, new_mark, replies_of
from kindlab.clock import token_hex

TRIES = 100
"""Tenths of a second that the last client gets to begin."""
BODY = 16 << 10
"""Bytes of an answer, after which it is broken off: there are thousands."""
LONGEST = 180
"""Seconds after which clients whose grader was killed stop by themselves."""


class Load:
    """The requests of a block; `replies` is there when it has ended."""

    def __init__(self) -> None:
        self.replies = Replies()


@contextmanager
def load(
    probe: Probe, url: str, *, clients: int, timeout: float = 5.0, over: float = 0.0, options: str = ""
) -> Iterator[Load]:
    """GETs from `clients` at once for as long as the block lasts, each on a connection of its own; `timeout` is an
    answer's, in seconds, `options` are further curl options. The clients begin one after the other within `over`
    seconds: where an answer takes a while they would keep step else, and nobody would ask in between. When the block
    begins so have they. Requests that are under way when it ends are not counted; where all are, one more is sent, and
    counts if nobody answers that either. Raises CouldNotGrade when there was no reply else."""
    folder, mark = f"/tmp/kindlab-load-{token_hex(4)}", new_mark()
    limits = f"--max-filesize {BODY} -m {timeout:g}"
    curl = f"curl -s {limits} {options} -w '{SAID}' {shlex.quote(url)}"
    one = (
        f'while [ -e {folder}/go ] && [ "$(date +%s)" -lt "$end" ]; do r=$({curl}); code=$?; '
        f"printf '%s\\n{mark}%s\\n' \"$r\" $code >> {folder}/$n; [ $code = 0 ] || sleep 0.05; done"
    )
    begin = (
        f"mkdir {folder} && touch {folder}/go && end=$(($(date +%s) + {LONGEST})) && "
        f"n=0; for late in {' '.join(f'{over * n / clients:.2f}' for n in range(clients))}; do n=$((n+1)); "
        f"( sleep $late; : > {folder}/begun-$n; {one} ) </dev/null >/dev/null 2>&1 & done; "
        f"tries=0; until [ -e {folder}/begun-{clients} ] || [ $tries -ge {TRIES} ]; do "
        "tries=$((tries+1)); sleep 0.1; done"
    )
    found = Load()
    begun = probe.host.run(begin)
    if begun.rc != 0:
        raise probe.could_not("send requests", begun.stderr.strip() or f"exit code {begun.rc}")
    try:
        yield found
    finally:
        ended = probe.host.run(f"rm {folder}/go; cat {folder}/*; rm -rf {folder}")
    found.replies = replies_of(ended.stdout, mark)
    if not found.replies:
        silent = probe.get(url, timeout=timeout / 2, options=options)
        if not silent.exit:
            raise probe.could_not(f"hear of any reply from {url} in time", ended.stderr.strip() or "no output")
        found.replies = Replies([silent])
