"""A watch held open while other steps run."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from tests.golden.connection import Stream

_SETTLE = 0.1  # how long after the last expected event a surplus one is waited for


class Watching:
    """Collects the events of one watch in a thread.

    `expected` are the recorded events. BOOKMARKs the recording does not show are left out: when they come is the
    server's affair.
    """

    def __init__(self, stream: Stream, expected: list[dict[str, Any]], limit: float) -> None:
        self._stream, self._limit = stream, limit
        self._wanted = len(expected)
        self._bookmarks = any(event.get("type") == "BOOKMARK" for event in expected)
        self._changed = threading.Condition()
        self._events: list[Any] = []
        self._ended = False
        self._closing = False
        self.code: int | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self.code is not None or self._ended, timeout=2.0)

    def _read(self) -> None:
        try:
            code, lines = self._stream.read()
            with self._changed:
                self.code = code
                self._changed.notify_all()
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    event = line.decode(errors="replace")
                if isinstance(event, dict) and event.get("type") == "BOOKMARK" and not self._bookmarks:
                    continue
                with self._changed:
                    self._events.append(event)
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                if self._closing:  # closing the connection under the reader's hands is how a watch is left
                    return
                self._events.append(f"{type(error).__name__}: {error}")
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def finish(self) -> list[Any]:
        """The events: all expected ones and any surplus, or what came until the watch ended by itself.

        A watch that is expected to show nothing is left open to its end.
        """
        deadline = time.monotonic() + self._limit
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or 0 < self._wanted <= len(self._events), timeout=deadline - time.monotonic()
            )
            if not self._ended:
                self._changed.wait_for(
                    lambda: self._ended or len(self._events) > self._wanted, timeout=_SETTLE if self._wanted else 0
                )
            self._closing = True
        self._stream.close()
        self._thread.join(timeout=5.0)
        return list(self._events)
