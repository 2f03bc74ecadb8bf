#!/usr/bin/env bash
# Grades one folder, and tells GitHub, if it runs there: the job's summary, annotations, and outputs.
#   SUBMISSION, OUTPUT  folders; CHECKS  ids; FAIL  "true" or "false"
#   ISOLATION  the least isolation to accept (self-check, bubblewrap); empty: the strongest that there is
#   GRADER_HOME  where install.sh put the grader
#
# The grader, and with it all that the submission starts, runs as the user `nobody`, in an environment without this
# job's tokens, and without a way to get rights back: the runner's own user may do anything by sudo. What comes out is
# copied and read as data.
set -euo pipefail

python=${GRADER_HOME:-/opt/task-queue-grader}/venv/bin/python
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

[ -d "$SUBMISSION" ] && [ ! -L "$SUBMISSION" ] || { echo "$SUBMISSION: no such folder" >&2; exit 2; }

place=$(mktemp -d)
trap '"${as_root[@]}" rm -rf "$place"' EXIT
chmod 755 "$place"
name=$(basename "$(realpath "$SUBMISSION")")
mkdir "$place/home" "$place/out" "$place/tmp" "$place/in"
cp -R --no-dereference "$SUBMISSION" "$place/in/$name"
rm -rf "$place/in/$name/.git"
"${as_root[@]}" chown -R --no-dereference nobody "$place/home" "$place/out" "$place/tmp" "$place/in"

options=()
if [ -n "${CHECKS:-}" ]; then
    read -ra ids <<<"$CHECKS"
    options+=(--only "${ids[@]}")
fi
[ -z "${ISOLATION:-}" ] || options+=(--require-isolation "$ISOLATION")
as_nobody=("${as_root[@]}" setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups --no-new-privs
    env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$place/home" TMPDIR="$place/tmp" LANG=C.UTF-8
    GITHUB_ACTIONS="${GITHUB_ACTIONS:-}") # with it, the grader marks what it prints
status=0
# From /: the folder that this runs in is not everybody's to enter.
(cd / && exec "${as_nobody[@]}" "$python" -m grader grade "$place/in/$name" --output "$place/out" "${options[@]}") ||
    status=$?

rm -rf "$OUTPUT"
mkdir -p "$OUTPUT"
for file in report.json report.html refused.json run.json; do
    # Read as nobody too, bounded: what outlived the grader might have put a link there, or something endless.
    if "${as_nobody[@]}" test -f "$place/out/$file"; then
        "${as_nobody[@]}" timeout 30 head -c 64000000 "$place/out/$file" >"$OUTPUT/$file" || rm -f "$OUTPUT/$file"
    fi
done
# Whatever the status is: without a report and without a reason for none, the grader did not come so far.
[ -f "$OUTPUT/report.json" ] || [ -f "$OUTPUT/refused.json" ] || status=3

if [ -f "$OUTPUT/report.json" ] || [ -f "$OUTPUT/refused.json" ]; then
    "$python" -m grader convert "$OUTPUT" --format summary --output - >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
    if [ "${GITHUB_ACTIONS:-}" = true ]; then
        "$python" -m grader convert "$OUTPUT" --format annotations --output -
    fi
    result=$("$python" -m grader convert "$OUTPUT" --format classroom --output - | base64 --wrap=0)
    echo "result=$result" >>"${GITHUB_OUTPUT:-/dev/null}"
fi
echo "status=$status" >>"${GITHUB_OUTPUT:-/dev/null}"

if [ "$status" -ge 3 ]; then
    echo "The grader or its environment failed: this says nothing of the submission." >&2
    exit 3
fi
if [ "$status" -ne 0 ] && [ "${FAIL:-true}" = true ]; then
    exit "$status"
fi
