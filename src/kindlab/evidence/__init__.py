"""Evidence: everything that a grading asked the cluster and what it was answered, kept so that its verdicts can be
repeated without the cluster, months later, in front of the student who doubts them.

    recorded(api)   the same Api, and the tape on which each exchange of a grading is kept (recording.py)
    write(...)      the bundle: a zip with transcripts, objects, events, versions and digests (bundle.py)
    regrade(path)   the verdicts once more, out of the bundle alone (regrading.py)
"""

from kindlab.evidence.bundle import write
from kindlab.evidence.recording import recorded
from kindlab.evidence.regrading import Repeated, regrade
from kindlab.evidence.tape import Tape

__all__ = ["Repeated", "Tape", "recorded", "regrade", "write"]
