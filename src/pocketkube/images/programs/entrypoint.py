"""How an image's docker-entrypoint.sh ends: `exec "$@"`, the script becomes the command."""

from __future__ import annotations

import os

from pocketkube.kubelet.process import Process


async def become(process: Process, words: list[str], script: str) -> int:
    """Run `words` (one at least) as this process. `script`: how the image's shell begins a failing exec's message."""
    try:
        main = process.become(words)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        text = "not found" if missing else os.strerror(error.errno or 0)
        await process.error(f"{script}: {words[0]}: {text}")
        return 127 if missing else 126
    return await main(process)
