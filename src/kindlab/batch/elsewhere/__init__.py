"""`kindlab grade --on kubernetes`: a class that is too much for one machine, graded by an Indexed Job of a cluster that
is there. That cluster schedules, starts and restarts; this package only hands over and collects:

    running.py  the farm: one Secret a submission, the Job, what it says, and all of it removed again
    worker.py   what runs in each Pod: one submission, on an embedded cluster in that Pod
    order.py    what goes there and comes back      parcels.py  as Secrets
    objects.py  what is made on the cluster         hearing.py, pods.py  what the cluster says about it
"""

from kindlab.batch.elsewhere.running import Where, grown

__all__ = ["Where", "grown"]
