# Fetches the pinned commits with their history into a bare repository outside the checkout. After a crash it starts
# again from nothing. AMPBOT_URL; AMPBOT_COMMITS, the first is the base of the checkout; AMPBOT_DEPTH, how many commits of
# each one's history, itself among them. The token is in git's environment variables.
set -eu
ours="$HOME/.ampbot"
mkdir -p "$ours"
# A script started by a bot that crashed may still run. Wait for it: two at a time would break each other's files.
exec 9< "$ours"
flock -w 300 9 || true
rm -rf "$ours/base.git" "$HOME/repo"
git init --quiet --bare "$ours/base.git"
# shellcheck disable=SC2086 - the commits are a list of ids
git -C "$ours/base.git" fetch --quiet --depth="$AMPBOT_DEPTH" --no-tags --no-recurse-submodules "$AMPBOT_URL" $AMPBOT_COMMITS
