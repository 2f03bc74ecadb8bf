#!/usr/bin/env bash
# Posts the report of another run on its pull request, or replaces the one that is there.
#   GITHUB_REPOSITORY  where the pull request is; GH_TOKEN  for gh
#   RUN, ARTIFACT  where the report is; OWNER, BRANCH, REVISION  of the pull request that was graded
#
# The artifact, and the names of owner and branch, come from whoever made the pull request. Nothing of them is run,
# evaluated, or put into a command's text: they are arguments, and the report is read by `grader convert`, which takes
# every word of it for a stranger's.
set -euo pipefail

python=${GRADER_HOME:-/opt/task-queue-grader}/venv/bin/python
most=64000000
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

[[ $RUN =~ ^[0-9]+$ && $REVISION =~ ^[0-9a-f]{40}$ ]] || { echo "no run, or no revision: nothing to do" >&2; exit 2; }

number=$(gh api --method GET "repos/$GITHUB_REPOSITORY/pulls" -f state=open -f "head=$OWNER:$BRANCH" \
    --jq "[.[] | select(.head.sha == \"$REVISION\") | .number][0] // empty")
[[ $number =~ ^[0-9]+$ ]] || { echo "no open pull request at $REVISION: nothing to comment on"; exit 0; }

archive=$(gh api --method GET "repos/$GITHUB_REPOSITORY/actions/runs/$RUN/artifacts" -f "name=$ARTIFACT" \
    --jq "[.artifacts[] | select(.expired | not) | select(.size_in_bytes < $most) | .id][0] // empty")
[[ $archive =~ ^[0-9]+$ ]] || { echo "run $RUN left no report: nothing to comment with"; exit 0; }
gh api "repos/$GITHUB_REPOSITORY/actions/artifacts/$archive/zip" >"$place/report.zip"

# Two entries, by their names, bounded: no path of the archive is ever made.
mkdir "$place/run"
"$python" - "$place/report.zip" "$place/run" "$most" <<'PROGRAM'
import sys, zipfile
archive, folder, most = sys.argv[1:]
with zipfile.ZipFile(archive) as entries:
    for name in ("report.json", "refused.json"):
        if name in entries.namelist():
            with entries.open(name) as entry, open(f"{folder}/{name}", "xb") as file:
                file.write(entry.read(int(most)))
PROGRAM
"$python" -m grader convert "$place/run" --format comment --output "$place/comment.md"

mark=$(head -1 "$place/comment.md")
known=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$number/comments" \
    --jq ".[] | select(.user.login == \"github-actions[bot]\") | select(.body | startswith(\"$mark\")) | .id" | head -1)
if [[ $known =~ ^[0-9]+$ ]]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$known" -F "body=@$place/comment.md" --silent
else
    gh api --method POST "repos/$GITHUB_REPOSITORY/issues/$number/comments" -F "body=@$place/comment.md" --silent
fi
