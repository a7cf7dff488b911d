"""A learner's prefix on a cluster that many share: `alice` works in namespace `alice-02-services`, and what of hers
lies in no namespace is called `alice-lab12-...`.

The course is written without a prefix. One function puts it into a text, wherever that goes to a learner or to the
cluster: `spelled`. It touches the names of one lab's namespaces and of its objects without a namespace, and nothing
else: no path (`work/02-services/web.yaml`), no file name, no lab that a command is about (`kindlab check 02-services`).
What is spelled already stays as it is, and without a prefix so does every text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from kindlab.errors import UsageProblem

LONGEST = 20
"""The longest prefix. A namespace has at most 63 characters; the course's longest, with a dash before it, has 28."""
_PREFIX = re.compile(rf"[a-z][a-z0-9]{{0,{LONGEST - 1}}}")
_LIKE_OURS = re.compile(r"lab[0-9]+")
_COMMANDS = "start|check|finish|hint|solve|reset|quiz|lab|lint|verify|grade|new"


def checked(prefix: str) -> str:
    """The prefix, if it can be one. Raises UsageProblem.

    Without dashes no prefix can be the beginning of another one's names (`al`, `al-lab12`), and one called `lab12`
    would stand before names that look like those of somebody without a prefix.
    """
    if not prefix or (_PREFIX.fullmatch(prefix) and not _LIKE_OURS.fullmatch(prefix)):
        return prefix
    raise UsageProblem(
        f"{prefix!r} cannot be a prefix.",
        f"It begins the names of namespaces: up to {LONGEST} small letters and digits, a letter first, no dash, and "
        "not lab with a number, as the course's own names begin.",
        "For example: --prefix alice",
    )


def under(prefix: str, name: str) -> str:
    """A name of the course with the prefix before it."""
    return f"{prefix}-{name}" if prefix else name


def spelled(text: str, slug: str, prefix: str) -> str:
    """The text of lab `slug` as it reads under the prefix."""
    if not prefix:
        return text
    return _names(slug).sub(lambda found: found["keep"] or under(prefix, found[0]), text)


def bare(text: str, slug: str, prefix: str) -> str:
    """The text without the prefix: as anybody else has it."""
    if not prefix:
        return text
    number = slug.partition("-")[0]
    mine = rf"(?<![\w-]){re.escape(prefix)}-(?={re.escape(slug)}(?!\w)|lab{number}-)"
    return re.sub(mine, "", text)


def is_anothers(text: str, slug: str, prefix: str) -> bool:
    """Whether a text of the lab's has names as they are without this prefix, or with another one."""
    if spelled(text, slug, prefix) != text:
        return True
    number = slug.partition("-")[0]
    found = re.finditer(rf"(?<![\w-])([a-z][a-z0-9]*)-(?:{re.escape(slug)}(?!\w)|lab{number}-(?=[a-z]))", text)
    return any(match[1] != prefix for match in found)


@lru_cache
def _names(slug: str) -> re.Pattern[str]:
    """Where a name of the lab's begins. `keep` is what only looks like one, and is stepped over.

    A namespace follows a word's edge, a dot (in a DNS name), `//` (a URL) or `namespaces/` (a path of the API); after
    any other slash, or before one without a dot in front, it is a folder.
    """
    number = slug.partition("-")[0]
    space = re.escape(slug)
    return re.compile(
        rf"(?P<keep>(?:\bkindlab |%)(?:{_COMMANDS}) +{space}(?![\w-])"
        rf"|(?<![\w-]){space}[\w-]*\.(?:ipynb|md|py|ya?ml|json|toml)\b"
        rf"|(?<![\w./-]){space}[\w-]*/)"
        rf"|(?<![\w/-]){space}(?!\w)"
        rf"|(?:(?<=//)|(?<=\bnamespaces/)|(?<=\bnamespace/)|(?<=\bns/)){space}(?!\w)"
        rf"|(?<![\w-])lab{number}-(?=[a-z0-9`])"
    )
