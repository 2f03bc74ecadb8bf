#!/usr/bin/env bash
# PrairieLearn runs this for each submission, as root: /grade/student in, /grade/results/results.json out.
set -euo pipefail

grade=${GRADE:-/grade}
python=${GRADER_HOME:-/opt/task-queue-grader}/venv/bin/python
source=${GRADER_SOURCE:-/opt/source}

mkdir -p "$grade/results"
rm -rf "$grade/results/results.json" "$grade/report" "$grade/unpacked"

submission=$grade/student
if [ -f "$submission/starter.tar.gz" ] && [ ! -L "$submission/starter.tar.gz" ]; then
    mkdir "$grade/unpacked"
    if ! why=$("$python" /unpack.py "$submission/starter.tar.gz" "$grade/unpacked" 2>&1); then
        WHY=$why "$python" -c 'import json, os; print(json.dumps({"gradable": False, "format_errors": [os.environ["WHY"]]}))' \
            >"$grade/results/results.json"
        exit 0
    fi
    submission=$grade/unpacked
fi
for folder in "$submission" "$submission/starter" "$submission"/*/ "$submission"/*/starter; do
    if [ -f "$folder/flowforge.toml" ] || [ -d "$folder/worker_service" ]; then
        submission=$folder
        break
    fi
done

status=0
SUBMISSION=$submission OUTPUT=$grade/report FAIL=true "$source/.github/actions/grade/grade.sh" || status=$?

# A status other than 0 tells PrairieLearn that grading failed: the attempt is given back.
[ "$status" -lt 3 ] || exit "$status"
"$python" -m grader convert "$grade/report" --format prairielearn --output "$grade/results/results.json"
