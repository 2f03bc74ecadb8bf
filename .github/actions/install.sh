#!/usr/bin/env bash
# Installs the grader of this revision where every user of the machine can run it, and nobody but root can change it.
#   PYTHON  the interpreter to make the environment with
#   GRADER_HOME  where it goes (default: /opt/task-queue-grader)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=${GRADER_HOME:-/opt/task-queue-grader}
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

# Copied: what pip builds must not land in the action's own folder, and the labs are read from beside the package.
"${as_root[@]}" rm -rf "$home"
"${as_root[@]}" mkdir -p "$home/source"
"${as_root[@]}" cp -R "$root/grader" "$root/labs" "$root/pyproject.toml" "$root/README.md" "$root/LICENSE" \
    "$root/constraints.txt" "$home/source/"
"${as_root[@]}" "${PYTHON:-python3}" -m venv "$home/venv"
"${as_root[@]}" "$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    --constraint "$home/source/constraints.txt" --editable "$home/source"
