"""What the stand-ins say when FAULT is set, in the words of the programs they stand for (see state.py: not recorded).

Sources: docker CLI client/errors.go and the daemon's errors for pulling (moby distribution/errors.go), moby
libnetwork/portallocator; kind's known issues and its issues #1328, #2972, #3160.
"""

ENGINE = {
    "stopped": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "denied": (
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
        '"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/info": dial unix /var/run/docker.sock: connect: permission denied'
    ),
}
PULL = {
    "pull-offline": (
        'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on '
        "127.0.0.53:53: server misbehaving"
    ),
    "pull-limit": (
        "Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit. "
        "https://www.docker.com/increase-rate-limit"
    ),
    "pull-proxy": (
        'Error response from daemon: Get "https://registry-1.docker.io/v2/": proxyconnect tcp: dial tcp '
        "10.0.0.1:3128: connect: connection refused"
    ),
    "pull-disk": "failed to register layer: write /usr/bin/kubelet: no space left on device",
}
CREATE = {  # fault -> (the step that fails, the rest of kind's words)
    "create-port": (
        "Preparing nodes",
        'ERROR: failed to create cluster: command "docker run --name {name}-worker ..." failed '
        "with error: exit status 125\n\nCommand Output: 3f1c\ndocker: Error response from daemon: failed to set up "
        "container networking: driver failed programming external connectivity on endpoint {name}-worker: Bind for "
        "127.0.0.1:8080 failed: port is already allocated",
    ),
    "create-inotify": (
        "Starting control-plane",
        "ERROR: failed to create cluster: failed to init node with kubeadm: exit status 1\n\nCommand Output: "
        "kubelet: failed to create fsnotify watcher: too many open files",
    ),
    "create-start": (
        "Preparing nodes",
        'ERROR: failed to create cluster: could not find a log line that matches "Reached target .*Multi-User '
        'System.*|detected cgroup v1"',
    ),
    "create-unknown": ("Writing configuration", "ERROR: failed to create cluster: the moon is in the wrong house"),
}
