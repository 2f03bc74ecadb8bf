#!/usr/bin/env bash
# Gradescope runs this once, as root, when the image of the autograder is built.
set -euo pipefail

source=${AUTOGRADER:-/autograder}/source
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq python3 python3-venv util-linux >/dev/null
fi
"$source/grader/.github/actions/install.sh"
