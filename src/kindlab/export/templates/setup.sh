#!/usr/bin/env bash
# Runs once, as root and with a network, when Gradescope builds the autograder's image (Ubuntu). kindlab wants a newer
# Python than some of the base images have, and Gradescope's own programs want theirs left alone: so a Python of our own
# goes beside it, and everything else into its environment, pinned by hash.
set -euo pipefail

root="${KINDLAB_AUTOGRADER:-/autograder}"
source="$root/source"

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-venv ca-certificates

python3 -m venv "$root/kindlab-tools"
"$root/kindlab-tools/bin/pip" install --quiet --disable-pip-version-check uv=={{ uv }}
export UV_PYTHON_INSTALL_DIR="$root/kindlab-python"
"$root/kindlab-tools/bin/uv" venv --quiet --python 3.12 "$root/kindlab-venv"
"$root/kindlab-tools/bin/uv" pip install --quiet --python "$root/kindlab-venv/bin/python" --compile-bytecode \
    --require-hashes --requirement "$source/requirements.lock"
"$root/kindlab-venv/bin/python" -m compileall -q "$source/packages"

# The grader and the packages are nobody's to read but root's.
chmod -R go= "$source"
