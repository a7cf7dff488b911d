"""xargs: command lines made of standard input."""

from __future__ import annotations

from pocketkube.images.coreutils.options import fail, parse, reason, whole
from pocketkube.kubelet.process import Command, Process


async def xargs(process: Process) -> int:
    options = await parse(process, "0rtn:I:i:L:P:s:d:pxE:e", {"null": "0", "no-run-if-empty": "r", "max-args": "n",
                                                          "max-procs": "P", "replace": "I", "delimiter": "d"},
                                                          stop=True)  # fmt: skip
    command = options.rest or ["echo"]
    data = (await whole(process, "-")).decode("utf-8", "surrogateescape")
    replace = options.get("I", options.get("i"))
    if "0" in options or "d" in options:
        glue = "\0" if "0" in options else options.get("d").replace("\\n", "\n").replace("\\t", "\t")
        items = data.removesuffix(glue).split(glue) if data else []
    elif replace is not None:
        items = [line.strip() for line in data.split("\n") if line.strip()]
    else:
        try:
            items = await _words(process, data)
        except ValueError as error:
            await fail(process, str(error))
            raise
    if not items and ("r" in options or replace is not None):
        return 0
    status = 0
    if replace is not None:
        runs = [[word.replace(replace, item) for word in command] for item in items]
    else:
        size = int(options.get("n", options.get("L", 0))) or max(1, len(items))
        runs = [[*command, *items[at : at + size]] for at in range(0, len(items), size)] or [command]
    for words in runs:
        if "t" in options:
            await process.error(" ".join(words))
        try:
            code = await process.run(words, fds={0: None})
        except OSError as error:
            await process.error(f"xargs: {words[0]}: {reason(error)}")
            return 127 if isinstance(error, FileNotFoundError) else 126
        if code == 255:
            await process.error(f"xargs: {words[0]}: exited with status 255; aborting")
            return 124
        if code:
            status = 123
    return status


async def _words(process: Process, text: str) -> list[str]:
    """Blank-separated words with quotes and backslashes. Raises ValueError."""
    out: list[str] = []
    word: list[str] | None = None
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if not at % 1024:
            await process.turn()
        if character in " \t\n":
            if word is not None:
                out.append("".join(word))
                word = None
            continue
        word = [] if word is None else word
        if character in "'\"":
            end = text.find(character, at)
            if end < 0:
                raise ValueError(f"unmatched {'single' if character == chr(39) else 'double'} quote")
            word.append(text[at:end])
            at = end + 1
        elif character == "\\" and at < len(text):
            word.append(text[at])
            at += 1
        else:
            word.append(character)
    if word is not None:
        out.append("".join(word))
    return out


COMMANDS: dict[str, Command] = {"xargs": xargs}
