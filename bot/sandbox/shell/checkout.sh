# Creates the agent's checkout from the fetched commits, anew each time. It needs no token and no network.
# AMPBOT_URL, AMPBOT_COMMIT, AMPBOT_TREE, AMPBOT_BRANCH; AMPBOT_BASE and AMPBOT_BASE_TIP: the base branch, to be merged
# or compared with, and its newest commit.
set -eu
base="$HOME/.ampbot/base.git"
if [ -n "$AMPBOT_TREE" ]; then
  test "$(git -C "$base" rev-parse "$AMPBOT_COMMIT^{tree}")" = "$AMPBOT_TREE"
fi
exec 9< "$HOME/.ampbot" # as in fetch.sh
flock -w 300 9 || true
rm -rf "$HOME/repo"
git init --quiet "$HOME/repo"
cd "$HOME/repo"
printf '%s/objects\n' "$base" > .git/objects/info/alternates
if [ -e "$base/shallow" ]; then cp "$base/shallow" .git/shallow; fi
git remote add origin "$AMPBOT_URL"
# Without a name git makes no commit, not even that of a revert.
git config user.name ampbot
git config user.email ampbot@users.noreply.invalid
if [ -n "$AMPBOT_BASE_TIP" ]; then git update-ref "refs/remotes/origin/$AMPBOT_BASE" "$AMPBOT_BASE_TIP"; fi
# Submodules are not fetched and LFS files stay pointers.
GIT_LFS_SKIP_SMUDGE=1 git checkout --quiet -B "$AMPBOT_BRANCH" "$AMPBOT_COMMIT" --
# The names of all files, before the agent starts. New files must not collide with them.
git -C "$base" ls-tree -r -z --name-only "$AMPBOT_COMMIT" | gzip -n > "$HOME/.ampbot/paths.gz"
