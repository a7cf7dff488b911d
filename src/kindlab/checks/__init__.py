"""The grader's words. A grader imports what all need from here, words for few from the modules beside, and pytest.

@check("expose-web", "requests to http://web reach both Pods")
def test_traffic_reaches_both_pods(lab):
    seen = lab.probe.get_many("http://web/hostname", count=40)
    lab.expect(seen.bodies == lab.pods("app=web").names, expected="...", seen=seen, about="svc/web")
"""

from kindlab.checks.certificates import Certificate
from kindlab.checks.client import Client
from kindlab.checks.door import Door
from kindlab.checks.live import LiveLab, Pods, rolled_out
from kindlab.checks.load import Load
from kindlab.checks.marks import check
from kindlab.checks.probe import TIMED_OUT, Probe, Replies, Reply, enough
from kindlab.checks.together import ask_together
from kindlab.checks.verdict import CheckFailed, CouldNotGrade
from kindlab.checks.visitor import Guest
from kindlab.checks.volumes import Files, Filesystem, Place
from kindlab.endpoints import SERVICE_LABEL, ready_targets

__all__ = [
    "SERVICE_LABEL",
    "TIMED_OUT",
    "Certificate",
    "CheckFailed",
    "Client",
    "CouldNotGrade",
    "Door",
    "Files",
    "Filesystem",
    "Guest",
    "LiveLab",
    "Load",
    "Place",
    "Pods",
    "Probe",
    "Replies",
    "Reply",
    "ask_together",
    "check",
    "enough",
    "ready_targets",
    "rolled_out",
]
