"""Rules for pushes, checked by git's `update` hook while the objects are still in quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bot.rig.github.records import Rule

# Called for each ref with NAME OLD NEW. It explains on standard error and writes GitHub's one-line reason to a
# file, since git itself would only report "hook declined".
_HOOK = r"""#!/bin/sh
ref=$1 old=$2 new=$3
zero=0000000000000000000000000000000000000000
refuse() { # reason, then the message for the user
    printf '%s\t%s\n' "$ref" "$1" >> "$RIG_REASONS"
    shift
    for line in "$@"; do echo "$line" >&2; done
    exit 1
}
action=update
if [ "$old" = $zero ]; then action=create
elif [ "$new" = $zero ]; then action=delete
elif ! git merge-base --is-ancestor "$old" "$new" 2>/dev/null; then action=force
fi
[ "$action" = delete ] && [ "$ref" = "$RIG_DEFAULT" ] &&
    refuse "refusing to delete the current branch: $ref" "error: refusing to delete the current branch: $ref"
while IFS='	' read -r pattern actions why; do
    case "$ref" in $pattern) case " $actions " in *" $action "*)
        refuse "push declined due to repository rule violations" \
            "error: GH013: Repository rule violations found for $ref." "- $why"
    ;; esac ;; esac
done < "$RIG_RULES"
[ "$new" = $zero ] && exit 0
if [ -z "$RIG_WORKFLOWS" ]; then
    file=$(git log --format= --name-only -m "$new" --not --all -- .github/workflows | sed -n '/./{p;q;}')
    what="to create or update workflow \`$file\` without \`workflows\` permission"
    [ -n "$file" ] && refuse "refusing to allow a GitHub App $what"
fi
large=$(git rev-list --objects --no-object-names "$new" --not --all |
    git cat-file --batch-check='%(objectsize) %(objectname)' |
    awk -v most="$RIG_LARGEST" '$1 > most { print $2; exit }')
[ -n "$large" ] && refuse "pre-receive hook declined" \
    "error: GH001: Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com." \
    "error: File $large exceeds GitHub's file size limit of 100.00 MB"
exit 0
"""


def install(folder: Path) -> None:
    """Write the hook to the folder for `core.hooksPath`."""
    folder.mkdir(parents=True, exist_ok=True)
    hook = folder / "update"
    hook.write_text(_HOOK)
    hook.chmod(0o755)


def environment(
    hooks: Path, folder: Path, rules: Iterable[Rule], *, default_branch: str, workflows: bool, max_bytes: int
) -> Mapping[str, str]:
    """Environment variables of one push. `folder` holds the rules and receives the reasons."""
    lines = []
    for rule in rules:
        actions = {name for name in ("create", "update", "delete", "force") if getattr(rule, name)}
        actions |= {"force"} if rule.update else set()
        why = " ".join(rule.why.split())
        lines.append(f"{rule.pattern}\t{' '.join(sorted(actions))}\t{why}\n")
    (folder / "rules").write_text("".join(lines))
    (folder / "reasons").touch()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "RIG_RULES": str(folder / "rules"),
        "RIG_REASONS": str(folder / "reasons"),
        "RIG_DEFAULT": f"refs/heads/{default_branch}",
        "RIG_WORKFLOWS": "1" if workflows else "",
        "RIG_LARGEST": str(max_bytes),
    }


def reasons(folder: Path) -> dict[str, str]:
    """GitHub's message for each refused ref."""
    lines = (folder / "reasons").read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines)
