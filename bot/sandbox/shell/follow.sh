# Waits until the agent's output is longer than AMPBOT_OFFSET bytes, the agent has ended, or AMPBOT_WAIT seconds have
# passed. Then it waits AMPBOT_GATHER milliseconds for more output, unless the agent has ended. Prints three lines:
# "exit CODE" | "running" | "lost"; the size of the output; up to AMPBOT_MOST bytes from that offset in base64.
offset=$AMPBOT_OFFSET wait=$AMPBOT_WAIT max=$AMPBOT_MOST gather=$AMPBOT_GATHER
cd "$HOME/.ampbot/agent" || { echo lost; echo 0; exit 0; }
size() { stat -c %s out 2> /dev/null || echo 0; }
gone() { [ -s pid ] && ! kill -0 "$(cat pid)" 2> /dev/null; }
deadline=$((SECONDS + wait))
while [ ! -f exit ] && [ "$(size)" -le "$offset" ] && [ "$SECONDS" -lt "$deadline" ] && ! gone; do sleep 0.05; done
until=$((${EPOCHREALTIME/[.,]/} + gather * 1000))
while [ ! -f exit ] && [ "${EPOCHREALTIME/[.,]/}" -lt "$until" ] && ! gone; do sleep 0.05; done
if [ -f exit ]; then echo "exit $(head -c 10 exit)"
elif gone && [ ! -f exit ]; then echo lost
else echo running; fi
size
# The agent may have made a pipe of it, or of `exit`.
[ ! -f out ] || tail -c +$((offset + 1)) out 2> /dev/null | head -c "$max" | base64 -w 0
