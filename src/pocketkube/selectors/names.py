"""What a label's key and value may look like.

Models apimachinery's content.IsLabelKey and content.IsLabelValue, with their texts.
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_RE = re.compile(_NAME)
_VALUE_RE = re.compile(f"({_NAME})?")
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_ALPHANUMERIC: Final = "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_NAME_MESSAGE: Final = (
    f"must consist of {_ALPHANUMERIC} "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_VALUE_MESSAGE: Final = (
    f"a valid label must be an empty string or consist of {_ALPHANUMERIC} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_NAME})?')"
)
_SUBDOMAIN_MESSAGE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)


def label_key_errors(key: str) -> list[str]:
    """Why `key` is no label key (a "qualified name"), in upstream's words; empty when it is one."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_NAME_MESSAGE} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {text}" for text in _subdomain_errors(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not _NAME_RE.fullmatch(name):
        problems.append(f"name part {_NAME_MESSAGE}")
    return problems


def label_value_errors(value: str) -> list[str]:
    """Why `value` is no label value, in upstream's words; empty when it is one."""
    problems = []
    if len(value.encode()) > 63:
        problems.append("must be no more than 63 bytes")
    if not _VALUE_RE.fullmatch(value):
        problems.append(_VALUE_MESSAGE)
    return problems


def _subdomain_errors(text: str) -> list[str]:
    problems = []
    if len(text.encode()) > 253:
        problems.append("must be no more than 253 bytes")
    if not _SUBDOMAIN_RE.fullmatch(text):
        problems.append(_SUBDOMAIN_MESSAGE)
    return problems
