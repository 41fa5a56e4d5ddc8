# Starts the agent, once: a second call finds the folder and leaves the running one alone. Its command line stands in
# the file "command"; its key is in this process's environment and goes to the agent's alone. setsid makes a process
# group of its own, so that the tools it starts can be ended with it.
set -eu
cd "$HOME/.ampbot"
mkdir agent 2> /dev/null || exit 0
setsid --fork bash -c '
  echo $$ > agent/pid
  cd "$HOME/repo"
  bash "$HOME/.ampbot/command" < "$HOME/.ampbot/prompt.txt" > "$HOME/.ampbot/agent/out" 2> "$HOME/.ampbot/agent/err"
  echo $? > "$HOME/.ampbot/agent/exit.part"
  mv "$HOME/.ampbot/agent/exit.part" "$HOME/.ampbot/agent/exit"
' < /dev/null > /dev/null 2>&1
