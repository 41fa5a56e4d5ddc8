# Ends the agent and every process it started.
cd "$HOME/.ampbot/agent" || exit 0
# The agent may be starting just now.
for _ in $(seq 20); do if [ -s pid ]; then break; fi; sleep 0.1; done
[ -s pid ] || exit 0
kill -TERM -- "-$(cat pid)" 2> /dev/null || exit 0
for _ in $(seq 50); do kill -0 -- "-$(cat pid)" 2> /dev/null || exit 0; sleep 0.1; done
kill -KILL -- "-$(cat pid)" 2> /dev/null || true
