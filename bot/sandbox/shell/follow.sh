# Waits until the agent's output has grown past AMPBOT_OFFSET bytes, the agent has ended, or AMPBOT_WAIT seconds are
# over; what it says is then gathered for AMPBOT_GATHER milliseconds, but its end is told at once. Prints a line
# "exit CODE" | "running" | "lost", a line with the size, and then up to AMPBOT_MOST bytes from that offset in base64.
offset=$AMPBOT_OFFSET wait=$AMPBOT_WAIT most=$AMPBOT_MOST gather=$AMPBOT_GATHER
cd "$HOME/.ampbot/agent" || { echo lost; echo 0; exit 0; }
size() { stat -c %s out 2> /dev/null || echo 0; }
gone() { [ -s pid ] && ! kill -0 "$(cat pid)" 2> /dev/null; }
deadline=$((SECONDS + wait))
while [ ! -e exit ] && [ "$(size)" -le "$offset" ] && [ "$SECONDS" -lt "$deadline" ] && ! gone; do sleep 0.05; done
until=$((${EPOCHREALTIME/[.,]/} + gather * 1000))
while [ ! -e exit ] && [ "${EPOCHREALTIME/[.,]/}" -lt "$until" ] && ! gone; do sleep 0.05; done
if [ -e exit ]; then echo "exit $(cat exit)"
elif gone && [ ! -e exit ]; then echo lost
else echo running; fi
size
tail -c +$((offset + 1)) out 2> /dev/null | head -c "$most" | base64 -w 0
