"""What `kubectl label` and `kubectl annotate` share: KEY=VALUE sets, KEY- removes."""

from __future__ import annotations

from collections.abc import Sequence

from kindlab.api import MERGE_PATCH, ApiError
from kindlab.kubectl import targets
from kindlab.kubectl.session import Refused, Session, explain, label


def mark(session: Session, field: str, words: Sequence[str], labels: str, *, everything: bool, overwrite: bool) -> None:
    """Change metadata.labels or metadata.annotations (`field`) of the objects the words name."""
    first = next((n for n, w in enumerate(words) if n and ("=" in w or w.endswith("-"))), len(words))
    names, changes = words[:first], words[first:]
    if not names:
        raise Refused("error: resource(s) were provided, but no name was specified")
    one = "label" if field == "labels" else "annotation"
    if not changes:
        raise Refused(f"error: at least one {one} update is required")
    wanted = {key: value for key, _, value in (c.partition("=") for c in changes if "=" in c)}
    removed = [c[:-1] for c in changes if "=" not in c]
    for target in targets.named(session, names, labels, everything=everything):
        who = label(target.served, target.name)
        try:
            live = session.get(target.served, target.name)
            own = live["metadata"].get(field) or {}
            _refuse_overwriting(one, own, wanted, overwrite)
            for key in removed:
                if key not in own and one == "label":
                    session.say(f'label "{key}" not found.')
            change = {**{k: v for k, v in wanted.items() if own.get(k) != v}, **{k: None for k in removed if k in own}}
            if change:
                url = session.url(target.served, target.name)
                session.request("PATCH", url, {"metadata": {field: change}}, content_type=MERGE_PATCH)
            session.say(f"{who} {_past(one, change)}")
        except ApiError as error:
            session.complain(explain(error))


def _refuse_overwriting(one: str, own: dict[str, str], wanted: dict[str, str], overwrite: bool) -> None:
    other = [k for k, v in wanted.items() if k in own and own[k] != v]
    if overwrite or not other:
        return
    if one == "label":
        raise Refused(f"error: '{other[0]}' already has a value ({own[other[0]]}), and --overwrite is false")
    listed = "; ".join(f"'{k}' already has a value ({own[k]})" for k in other)
    raise Refused(f"error: --overwrite is false but found the following declared annotation(s): {listed}")


def _past(one: str, change: dict[str, str | None]) -> str:
    if one == "annotation":
        return "annotated"
    if not change:
        return "not labeled"
    return "unlabeled" if all(v is None for v in change.values()) else "labeled"
