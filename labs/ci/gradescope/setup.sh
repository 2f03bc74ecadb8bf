#!/usr/bin/env bash
# Gradescope runs this once, as root, when the image of the autograder is built.
#   PYTHON  an interpreter, 3.11 or newer; looked for when it is not given
set -euo pipefail

source=${AUTOGRADER:-/autograder}/source
export DEBIAN_FRONTEND=noninteractive

is_new_enough() {
    command -v "$1" >/dev/null && "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

apt-get update -qq
apt-get install -y -qq python3 python3-venv util-linux >/dev/null
if [ -z "${PYTHON:-}" ]; then
    # The system's own, or, on an older system, one that stands beside it.
    for PYTHON in python3 python3.13 python3.12 python3.11; do
        is_new_enough "$PYTHON" && break
        [ "$PYTHON" = python3 ] || apt-get install -y -qq "$PYTHON" "$PYTHON-venv" >/dev/null 2>&1 || continue
        is_new_enough "$PYTHON" && break
    done
fi
export PYTHON
"$source/grader/.github/actions/install.sh"
