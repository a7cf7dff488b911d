"""What of the course cannot run on a cluster, because it needs what that does not have."""

from __future__ import annotations

from kindlab.api import Api
from kindlab.labs import Lab
from kindlab.needs import named, probed, wanting


def away(api: Api, lab: Lab) -> tuple[str, dict[str, str]]:
    """(why the lab cannot run there, or ""; its tasks that cannot -> why). What is not sure is no reason: the grader
    finds out."""
    lacking = {task: found.why for task, found in wanting(lab, probed(api, named(lab))).items() if found.sure}
    if len(lacking) == len(lab.tasks):
        return " ".join(dict.fromkeys(lacking.values())), {}
    return "", lacking
