# Writes the commit that the agent merged into the pinned one to AMPBOT_OUT/merged: of a merge it committed, or left
# uncommitted. It runs git on what the agent may have written to .git, so the file may say anything: the bot asks GitHub.
# AMPBOT_WORKTREE, AMPBOT_OUT, AMPBOT_COMMIT (the pinned commit).
# The agent may have put anything in the place of our folder.
if [ ! -d "$AMPBOT_OUT" ] || [ -L "$AMPBOT_OUT" ]; then rm -rf "$AMPBOT_OUT"; fi
mkdir -p "$AMPBOT_OUT"
rm -rf "$AMPBOT_OUT/merged" "$AMPBOT_OUT/merged.part" "$AMPBOT_OUT/merged.commits"
agents() {
  env -i PATH="$PATH" HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_NO_REPLACE_OBJECTS=1 \
    timeout --kill-after=1 10 git --git-dir="$AMPBOT_WORKTREE/.git" "$@" < /dev/null 2> /dev/null
}
# Where git would wait for ever, as for a pipe, it is ended; once is enough.
agents rev-parse --verify --quiet HEAD > /dev/null || exit 0
# The agent's commits, the newest first, must stand on the pinned one. Of several merges the newest counts; one of more
# than two branches does not.
agents rev-list --first-parent --parents --max-count=1000 "$AMPBOT_COMMIT..HEAD" > "$AMPBOT_OUT/merged.commits"
{
  agents rev-parse --verify --quiet MERGE_HEAD
  awk 'NF == 3 { print $3 }' "$AMPBOT_OUT/merged.commits"
} | head -n 1 > "$AMPBOT_OUT/merged.part"
first=$(tail -n 1 "$AMPBOT_OUT/merged.commits" | cut -d ' ' -f 2)
if [ "${first:-$(agents rev-parse --verify --quiet HEAD)}" = "$AMPBOT_COMMIT" ] && [ -s "$AMPBOT_OUT/merged.part" ]; then
  mv "$AMPBOT_OUT/merged.part" "$AMPBOT_OUT/merged"
fi
rm -f "$AMPBOT_OUT/merged.part" "$AMPBOT_OUT/merged.commits"
