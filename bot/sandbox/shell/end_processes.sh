# Ends whatever the agent left running, so that nothing writes while the changes are collected: every process of the
# sandbox's user, and every one of anybody's that began after the agent did. Spared are this shell and those that it
# came from, such as E2B's own daemon. All are stopped first: one that starts others cannot outrun that.
# AMPBOT_MACHINE is the bot's own machine (bot/sandbox/host.py). A sandbox that is a part of it holds other people's
# processes, too: there, only the agent's process group is ended.
set -u
agent=$HOME/.ampbot/agent
IFS= read -rd '' sweep << 'SWEEP' || true
uid=$1 since=$2 spared=' ' pid=$$
fields() { # <pid>: of /proc/PID/stat, behind the name: $1 is the state, $2 the parent, $7 flags, $20 the start
  local line
  IFS= read -r line 2> /dev/null < "/proc/$1/stat" && stat=(${line##*) })
}
while ((pid > 1)) && fields "$pid"; do spared+="$pid " pid=${stat[1]}; done
owner() {
  local name value
  while read -r name value _; do
    [ "$name" != Uid: ] || { echo "$value"; return; }
  done 2> /dev/null < "/proc/$1/status"
}
alive() { # <states that do not count>: the processes to end
  found=()
  local folder pid
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    if ((pid == 1)) || [[ $spared == *" $pid "* ]] || ! fields "$pid"; then continue; fi
    if [[ $1 == *"${stat[0]}"* ]] || ((stat[6] & 0x200000)); then continue; fi # a thread of the kernel
    # Without root's rights, waiting for the end of another user's would be in vain.
    if ((EUID == 0 && stat[19] >= since)) || { ((uid)) && [ "$(owner "$pid")" = "$uid" ]; }; then found+=("$pid"); fi
  done
  ((${#found[@]}))
}
for _ in {1..50}; do
  alive ZXTtD || break
  kill -STOP "${found[@]}"
done 2> /dev/null
for _ in {1..100}; do
  alive ZX || break
  kill -KILL "${found[@]}"
  sleep 0.05
done 2> /dev/null
SWEEP
if [ "$(cat /proc/sys/kernel/random/boot_id) $(readlink /proc/self/ns/pid)" = "${AMPBOT_MACHINE?}" ]; then
  [ ! -s "$agent/pid" ] || kill -KILL -- "-$(cat "$agent/pid")"
else
  since=
  [ ! -f "$agent/since" ] || since=$(timeout 5 head -c 20 "$agent/since") # the agent may have made a pipe of it
  case $since in '' | *[!0-9]* | ????????????????*) since=999999999999999 ;; esac
  # The agent may have used sudo, where the sandbox has it.
  if timeout 5 sudo -n true; then timeout 30 sudo -n /bin/bash -p -c "$sweep" sweep "$(id -u)" "$since"
  else /bin/bash -p -c "$sweep" sweep "$(id -u)" "$since"; fi
fi > /dev/null 2>&1
