"""Getting a container's image: the catalogue stands for every registry, and every node has its images already.

Models pkg/kubelet/images/image_manager.go with containerd's texts. An image that is not in the catalogue is answered as
the real registry answers for a name it does not have. Nothing is downloaded, so pulls take no time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pocketkube.images.references import normalise
from pocketkube.kubelet.backoff import Backoff

if TYPE_CHECKING:
    from pocketkube.images.base import Image

Record = Callable[[str, str, str], None]
"""(type, reason, message) of an event about the container."""
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}(?::[0-9]+)?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,}))?\Z",
    re.ASCII,
)
_REACHABLE = ("docker.io", "registry.k8s.io", "ghcr.io", "quay.io", "gcr.io", "mcr.microsoft.com", "public.ecr.aws")


class PullError(Exception):
    """The image is not to be had: `reason` is the container's waiting reason, the text its message."""

    def __init__(self, reason: str, message: str, again: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.again = again
        """When to try once more, in cluster time; None: on the next change of the pod."""


class Puller:
    """The images of one pod's containers; back-offs are per image."""

    def __init__(self, catalogue: Mapping[str, type[Image]], now: Callable[[], float]) -> None:
        self._catalogue = catalogue
        self._now = now
        self._backoffs: dict[str, tuple[Backoff, float, str]] = {}
        """image -> (back-off, when the pull failed, what it said)"""

    def pull(self, image: str, policy: str, record: Record) -> type[Image]:
        """The image's class, with the events a kubelet writes. Raises PullError."""
        wrong = invalid_reference(image)
        if wrong:
            text = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {wrong}'
            record("Warning", "InspectFailed", text)
            raise PullError("InvalidImageName", text)
        found = self._catalogue.get(normalise(image))
        if policy != "Always" and found is not None:
            text = f'Container image "{image}" already present on machine and can be accessed by the pod'
            record("Normal", "Pulled", text)
            return found
        if policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            record("Warning", "ErrImageNeverPull", text)
            raise PullError("ErrImageNeverPull", text)
        self._wait(image, record)
        record("Normal", "Pulling", f'Pulling image "{image}"')
        if found is None:
            self._fail(image, record)
        else:
            size = f"Image size: {found.size} bytes."
            record("Normal", "Pulled", f'Successfully pulled image "{image}" in 1ms (1ms including waiting). {size}')
            self._backoffs.pop(image, None)
            return found
        raise AssertionError("unreachable")

    def _wait(self, image: str, record: Record) -> None:
        failed = self._backoffs.get(image)
        if failed is None:
            return
        backoff, at, said = failed
        if backoff.waiting(at, self._now()):
            text = f'Back-off pulling image "{image}"'
            record("Normal", "BackOff", text)
            raise PullError("ImagePullBackOff", f"{text}: ErrImagePull: {said}", backoff.until(at))

    def _fail(self, image: str, record: Record) -> None:
        text = _refusal(normalise(image), self._catalogue)
        record("Warning", "Failed", f'Failed to pull image "{image}": {text}')
        backoff = self._backoffs[image][0] if image in self._backoffs else Backoff()
        now = self._now()
        backoff.waiting(now, now)  # forgets what is long ago
        backoff.next(now)
        self._backoffs[image] = (backoff, now, text)
        raise PullError("ErrImagePull", text, now + SHOWN)


SHOWN = 2.0
"""Seconds that ErrImagePull is shown before it becomes ImagePullBackOff: about a kubelet's next look at the pod."""


def image_id(reference: str) -> str:
    """`docker.io/library/nginx@sha256:...`: made up from the name, the same everywhere."""
    full = normalise(reference)
    name = full.partition("@")[0]
    if ":" in name.rsplit("/", 1)[-1]:
        name = name.rpartition(":")[0]
    return f"{name}@sha256:{hashlib.sha256(full.encode()).hexdigest()}"


def invalid_reference(image: str) -> str:
    """What is wrong with an image name, "" when nothing is."""
    first, slash, rest = image.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    remainder = rest if has_host else image if slash else f"library/{image}"
    repository = re.split(r"[:@]", remainder)[0]
    if repository != repository.lower():
        return f"invalid reference format: repository name ({repository}) must be lowercase"
    match = _REFERENCE.match(image)
    if match is None or not image:
        return "invalid reference format"
    return ""


def _refusal(full: str, catalogue: Mapping[str, type[Image]]) -> str:
    """containerd's text for a reference no registry has."""
    name, _, tag = full.partition("@")[0].rpartition(":")
    host, _, repository = name.partition("/")
    head = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
    known = any(reference.rpartition(":")[0] == name for reference in catalogue)
    if known or host == "registry.k8s.io":
        return f"{head}{full}: not found"
    if host not in _REACHABLE:
        url = f"https://{host}/v2/{repository}/manifests/{tag}"
        return f'{head}failed to do request: Head "{url}": dial tcp: lookup {host.partition(":")[0]}: no such host'
    denied = "pull access denied, repository does not exist or may require authorization"
    if host == "docker.io":
        return f"{head}{denied}: server message: insufficient_scope: authorization failed"
    return f"{head}{denied}: authorization failed: no basic auth credentials"
