# Starts the agent once: a second call finds the folder "agent" and does nothing. The file "command" is the agent's
# command line. Only the agent gets the key, through the environment. setsid gives it a process group of its own, so
# that stop.sh can also end the tools that it starts.
set -eu
cd "$HOME/.ampbot"
mkdir agent 2> /dev/null || exit 0
setsid --fork bash -c '
  cut -d " " -f 22 /proc/$$/stat > agent/since # when it began: end_processes.sh ends what began later
  echo $$ > agent/pid
  cd "$HOME/repo"
  bash "$HOME/.ampbot/command" < "$HOME/.ampbot/prompt.txt" > "$HOME/.ampbot/agent/out" 2> "$HOME/.ampbot/agent/err"
  echo $? > "$HOME/.ampbot/agent/exit.part"
  mv "$HOME/.ampbot/agent/exit.part" "$HOME/.ampbot/agent/exit"
' < /dev/null > /dev/null 2>&1
