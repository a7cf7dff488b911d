"""The attach-detach controller: CSI volumes come to the nodes whose pods need them, and go when none does any more.

Models pkg/controller/volume/attachdetach with the attacher of pkg/volume/csi. The wish is a VolumeAttachment, which the
driver's external-attacher fulfils; node.status.volumesAttached tells the kubelet. What is attached is read from these
two each time: nothing is kept that a restart could lose. Left out: in-tree volumes and their migration; upstream's
check once a minute of what is attached (VolumeAttachments here change by events).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.attachments import Attachable, Wanted, Wishes, is_managed, multi_attach_text
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.nodes import OUT_OF_SERVICE
from pocketkube.store import DELETED, Event

ATTACH_TIMEOUT: Final = 120.0
"""Seconds an attacher has."""
UNMOUNT_TIMEOUT: Final = 360.0
"""Seconds after which a volume is taken from a node that is not well, mounted or not."""
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.5, 122.0


class AttachDetachController(Controller):
    """Keys are nodes."""

    name = "attachdetach-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._wishes = Wishes(client)
        self._attachments: defaultdict[str, set[str]] = defaultdict(set)
        """Names of VolumeAttachments, by node."""
        self._told: set[Attachable] = set()
        """Of these it was said that another node has them."""
        self._unwanted: dict[Attachable, float] = {}
        """Since when (cluster time) nobody needs them."""
        self._asked: dict[Attachable, float] = {}
        """Since when the attacher has been at it."""
        self._errors: dict[Attachable, tuple[int, float]] = {}
        """How often it failed, and when that may be said again."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "volumeattachments", self._of_attachment
        yield "nodes", own_key
        yield "pods", self._wishes.of_pod
        yield "persistentvolumeclaims", self._wishes.of_claim
        yield "persistentvolumes", self._wishes.of_volume
        yield "csidrivers", self._wishes.of_driver

    def _of_attachment(self, event: Event) -> Iterable[Key]:
        node = objects.spec(event.object)["nodeName"]
        if event.type == DELETED:
            self._attachments[node].discard(objects.name(event.object))
        else:
            self._attachments[node].add(objects.name(event.object))
        yield "", node
        for waiting in self._told if event.type == DELETED else ():
            yield "", waiting.node

    async def reconcile(self, at: Key) -> float | None:
        name = at[1]
        node = self.client.find("nodes", *at)
        wanted = self._wishes.of_node(name) if node is not None and is_managed(node) else {}
        self._told = {volume for volume in self._told if volume.node != name or volume in wanted}
        later = [self._detach(volume, node) for volume in self._present(name, node) if volume not in wanted]
        reported = {v["name"] for v in objects.status(node or {}).get("volumesAttached") or ()}
        later += [self._attach(volume, wish, volume.reported in reported) for volume, wish in wanted.items()]
        return min((seconds for seconds in later if seconds is not None), default=None)

    def _present(self, name: str, node: Obj | None) -> list[Attachable]:
        """What is attached to a node or will be, as far as this controller has asked for it."""
        found: dict[Attachable, None] = {}
        for attachment_name in sorted(self._attachments.get(name, ())):
            attachment = self.client.find("volumeattachments", "", attachment_name)
            source = objects.dig(attachment, "spec", "source", "persistentVolumeName")
            volume = self.client.find("persistentvolumes", "", source or "")
            attachable = Attachable.of(volume, name) if volume is not None else None
            if attachable is not None and attachable.attachment == attachment_name:
                found[attachable] = None
        for reported in objects.status(node or {}).get("volumesAttached") or ():
            if (attachable := Attachable.parse(reported["name"], name)) is not None:
                found[attachable] = None
        return list(found)

    # -- away

    def _detach(self, volume: Attachable, node: Obj | None) -> float | None:
        """Seconds after which to look again."""
        for memory in (self._asked, self._errors):
            memory.pop(volume, None)
        attachment = self.client.find("volumeattachments", "", volume.attachment)
        if attachment is None or objects.is_terminating(attachment):
            self._unwanted.pop(volume, None)
            self._report(volume, attached=False)
            return None
        now = self.clock.time()
        due = self._unwanted.setdefault(volume, now) + UNMOUNT_TIMEOUT
        healthy = node is not None and objects.condition_status(node, "Ready") == "True"
        mounted = node is None or volume.reported in (objects.status(node).get("volumesInUse") or ())
        given_up = any(taint["key"] == OUT_OF_SERVICE for taint in objects.spec(node or {}).get("taints") or ())
        if mounted and not given_up and (healthy or now < due):
            return None if healthy else due - now
        del self._unwanted[volume]
        self._report(volume, attached=False)  # first: it must not be mounted any more
        with suppress(NotFound):
            self.client.delete("volumeattachments", ("", volume.attachment))
        return None

    # -- here

    def _attach(self, volume: Attachable, wish: Wanted, reported: bool) -> float | None:
        """Seconds after which to look again. `reported`: the node's status has it."""
        self._unwanted.pop(volume, None)
        attachment = self.client.find("volumeattachments", "", volume.attachment)
        if attachment is None:
            return self._ask(volume, wish)
        if objects.is_terminating(attachment):
            return self._fail(volume, wish, "volume attachment is being deleted")
        status = objects.status(attachment)
        if status.get("attached"):
            if not reported:
                self._succeed(volume, wish)
            return None
        if (error := status.get("attachError")) is not None:
            return self._fail(volume, wish, error.get("message", ""))
        now = self.clock.time()
        due = self._asked.setdefault(volume, now) + ATTACH_TIMEOUT
        if now < due:
            return due - now
        self._asked.pop(volume)
        attacher = f"external-attacher of {volume.driver} CSI driver"
        return self._fail(volume, wish, f"timed out waiting for {attacher} to attach volume {volume.handle}")

    def _ask(self, volume: Attachable, wish: Wanted) -> float | None:
        if not wish.shared and (others := list(self._elsewhere(volume))):
            if volume not in self._told:
                self._told.add(volume)
                self._tell_multi_attach(wish, others)
            return None
        self._told.discard(volume)
        attachment = {
            "metadata": {"name": volume.attachment},
            "spec": {
                "attacher": volume.driver,
                "source": {"persistentVolumeName": wish.name},
                "nodeName": volume.node,
            },
        }
        self.client.create("volumeattachments", attachment)
        self._asked[volume] = self.clock.time()
        return ATTACH_TIMEOUT

    def _elsewhere(self, volume: Attachable) -> Iterator[Attachable]:
        """The same volume on other nodes."""
        for node, names in self._attachments.items():
            there = Attachable(volume.driver, volume.handle, node)
            if node != volume.node and there.attachment in names:
                yield there

    def _tell_multi_attach(self, wish: Wanted, others: list[Attachable]) -> None:
        users = [pod for other in others for pod in self._wishes.users(other)]
        for pod in wish.pods:
            text = f'Multi-Attach error for volume "{wish.name}" {multi_attach_text(pod, users)}'
            self.client.record(pod, "Warning", "FailedAttachVolume", text)

    def _succeed(self, volume: Attachable, wish: Wanted) -> None:
        for memory in (self._asked, self._errors):
            memory.pop(volume, None)
        for pod in wish.pods:
            text = f'AttachVolume.Attach succeeded for volume "{wish.name}" '
            self.client.record(pod, "Normal", "SuccessfulAttachVolume", text)
        self._report(volume, attached=True)

    def _fail(self, volume: Attachable, wish: Wanted, message: str) -> float:
        now = self.clock.time()
        count, again = self._errors.get(volume, (0, 0.0))
        if now < again:
            return again - now
        for pod in wish.pods:
            text = f'AttachVolume.Attach failed for volume "{wish.name}" : {message}'
            self.client.record(pod, "Warning", "FailedAttachVolume", text)
        delay = min(FIRST_BACK_OFF * 2.0**count, LONGEST_BACK_OFF)
        self._errors[volume] = count + 1, now + delay
        return delay

    def _report(self, volume: Attachable, *, attached: bool) -> None:
        """Tell the kubelet, in its node's status."""

        def change(node: Obj) -> None:
            status = node.setdefault("status", {})
            listed = [v for v in status.pop("volumesAttached", None) or () if v["name"] != volume.reported]
            if attached:
                listed.append({"name": volume.reported, "devicePath": ""})
            if listed:
                status["volumesAttached"] = listed

        with suppress(NotFound):
            self.client.patch("nodes", ("", volume.node), change, subresource="status")


CONTROLLER = AttachDetachController
