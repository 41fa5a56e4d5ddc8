# Fetches the pinned commits into a bare repository of ours, outside the checkout. Runs once more from the start
# after a crash. AMPBOT_URL, AMPBOT_COMMITS (the first is the one to work on); the token is in git's own environment.
set -eu
ours="$HOME/.ampbot"
mkdir -p "$ours"
# What a bot that crashed has started goes on by itself: wait for its end, else the two spoil each other's work.
exec 9< "$ours"
flock -w 300 9 || true
rm -rf "$ours/base.git" "$HOME/repo"
git init --quiet --bare "$ours/base.git"
# shellcheck disable=SC2086 - the commits are a list of ids
git -C "$ours/base.git" fetch --quiet --depth=1 --no-tags --no-recurse-submodules "$AMPBOT_URL" $AMPBOT_COMMITS
