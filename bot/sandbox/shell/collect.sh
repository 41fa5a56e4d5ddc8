#!/usr/bin/env bash
# Compares AMPBOT_WORKTREE with the pinned tree and writes the difference to AMPBOT_OUT/change.tar.gz.
#
# Runs in the sandbox after the agent has ended. The agent could write to the checkout's .git (HEAD, index, config,
# hooks, info/*), so we read none of it: we create a new repository, index and configuration here, and borrow only the
# pinned objects. bot/changes/changeset.py reads the archive and does not trust it.
#
#   in   AMPBOT_BASE_GIT   bare repository that holds the pinned commit, complete
#        AMPBOT_TREE       the pinned commit's tree (sha-1)
#        AMPBOT_WORKTREE   the checkout the agent worked in
#        AMPBOT_OUT        folder to write to, outside the worktree (all three as absolute paths)
#        AMPBOT_MAX_FILES, AMPBOT_MAX_BYTES
#        AMPBOT_COMMIT     the pinned commit, where AMPBOT_OUT/merged names a commit that was merged into it (merged.sh)
#        AMPBOT_LEFT_OUT   lines of .gitignore for what is left out (bot/changes/left_out.py)
#   out  one status line, on standard output and in AMPBOT_OUT/status:
#        exit 0   ok <files> <bytes>
#        exit 3   over-files <files> <limit>  |  over-bytes <bytes> <limit>
#        exit 4   failed <reason>
set -Eeuo pipefail
export LC_ALL=C
umask 077
unset CDPATH POSIXLY_CORRECT TAR_OPTIONS GZIP "${!GIT_@}"

level=$BASH_SUBSHELL out=${AMPBOT_OUT:?} worktree=${AMPBOT_WORKTREE:?} base=${AMPBOT_TREE:?} base_git=${AMPBOT_BASE_GIT:?}
max_files=${AMPBOT_MAX_FILES:?} max_bytes=${AMPBOT_MAX_BYTES:?}
work=$out/collecting

finish() { # <exit code> <status line>
  trap - ERR
  printf '%s\n' "$2" >"$out/status" || true
  printf '%s\n' "$2"
  exit "$1"
}
failed() { # the reason is the last error of git or the shell
  local reason
  ((BASH_SUBSHELL == level)) || exit 4 # only the outermost shell reports
  [[ ! -s $work/unread ]] || only_unread
  reason=$(grep -E '^(fatal|error):|No space left' "$work/stderr" 2>/dev/null | tail -n 1 | tr -d '\0' | cut -c 1-300) || true
  finish 4 "failed ${reason:-line $1}"
}

pack() {
  tar -C "$work/bundle" -cf - tree raw left attrs blobs ignored | gzip -1 >"$work/change.tar.gz"
  mv "$work/change.tar.gz" "$out/change.tar.gz"
}
only_unread() { # git gave up on what it cannot read: the change set is nothing but its names
  echo "$base" >"$work/bundle/tree"
  cp "$work/unread" "$work/bundle/left"
  for name in raw attrs blobs ignored; do : >"$work/bundle/$name"; done
  pack
  finish 0 'ok 0 0'
}

# The agent may have put anything in the place of our own folder, and of the list in it.
[[ -d $out && ! -L $out ]] || rm -rf "$out"
mkdir -p "$out"
[[ -f $out/special && ! -L $out/special ]] || rm -rf "$out/special"
# A collect.sh started by a bot that crashed may still run. Wait for it: at its end it deletes our folder.
exec 9<"$out"
flock -w 100 9 || true
rm -rf "$work" "$out/change.tar.gz" "$out/status"
# What a fetch writes holds none of these, and git would follow them, or wait for them.
find "$base_git/" \( -type p -o -type s -o -type b -o -type c -o -type l -o -path '*/objects/info/*' \) -delete || true
mkdir "$work" "$work/home" "$work/pristine" "$work/bundle"
trap 'rm -rf "$work"' EXIT
trap 'failed $LINENO' ERR
exec 2>"$work/stderr"
[[ $base =~ ^[0-9a-f]{40}$ ]] || finish 4 'failed only sha-1 repositories are supported'
cd "$worktree" || finish 4 'failed the worktree is gone'

# HOME is for git before 2.32, which does not know GIT_CONFIG_GLOBAL.
export HOME=$work/home XDG_CONFIG_HOME=$work/home GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_ATTR_NOSYSTEM=1 GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0
git init --quiet --bare --template= --object-format=sha1 "$work/git"
export GIT_DIR=$work/git GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$work/index
# No filter is defined here, so none can run. The rules in bot/changes refuse odd names (git~1) and name the path.
cat >"$GIT_DIR/config" <<'CONFIG'
[core]
	repositoryFormatVersion = 0
	attributesFile = /dev/null
	autocrlf = false
	bigFileThreshold = 16m
	excludesFile = /dev/null
	fileMode = true
	fsmonitor = false
	hooksPath = /dev/null
	ignoreCase = false
	looseCompression = 0
	precomposeUnicode = false
	protectHFS = false
	protectNTFS = false
	safecrlf = false
	symlinks = true
	untrackedCache = false
[advice]
	addEmbeddedRepo = false
[gc]
	auto = 0
CONFIG
mkdir -p "$GIT_DIR/info" "$GIT_DIR/objects/info"
printf '%s\n' "$base_git/objects" >"$GIT_DIR/objects/info/alternates"
exclude=$GIT_DIR/info/exclude
printf '%s\n' "${AMPBOT_LEFT_OUT-}" >"$exclude"

# Below, `failed` names a path, printable and not too long.
named() { printf '%s' "$1" | tr -c '[:print:]' '?' | cut -c 1-200; }

# In every folder git reads the files of these names, and would wait for ever on a pipe, a socket or a device: name them,
# and take them away. The list outlives this script: an attempt after a crash no longer finds them.
# (Of folders that cannot be entered, see below.)
closed=(-type d \( ! -readable -o ! -executable \))
endless=(\( -type p -o -type s -o -type b -o -type c -o -type l
  \( -xtype p -o -xtype s -o -xtype b -o -xtype c \) ! -lname /dev/null \))
find . -name .git -prune -o "${closed[@]}" -prune -o \( -name .gitattributes -o -name .gitignore -o -name .gitmodules \) \
  "${endless[@]}" -printf '%P\0' >"$work/special" || true
take_away() {
  rm -rf -- "$1" || { chmod u+w -- "$(dirname -- "$1")" && rm -rf -- "$1"; } ||
    finish 4 "failed $(named "$1") is no regular file, and cannot be removed"
}
if [[ -s $work/special ]]; then
  cat "$work/special" >>"$out/special"
  while IFS= read -r -d '' path; do take_away "$path"; done <"$work/special"
fi
# Of a repository within this one git reads what it needs to know its commit, and the agent wrote all of that: it may be
# a pipe, or refer to one elsewhere. So each is asked before, with limits of time and memory. Where git would wait, or
# give up, `.git` is named, unless it is ignored, and taken away.
git_answers() { # <.git>
  local code=0
  [[ -z $(find "$1" "${endless[@]}" -print -quit | tr -d '\0') ]] || return 1
  ((SECONDS < asking_until)) || return 1
  (ulimit -v 500000 && exec timeout --kill-after=1 5 git --git-dir="$1" rev-parse --verify --quiet HEAD) \
    >/dev/null 2>"$work/asked" </dev/null || code=$?
  ((code <= 1)) || { ((code == 128)) && grep -q 'not a git repository' "$work/asked"; }
}
asking_until=$((SECONDS + 60))
find . -path ./.git -prune -o "${closed[@]}" -prune -o -path './*/.git' -prune -printf '%P\0' >"$work/repositories" || true
while IFS= read -r -d '' path; do
  git_answers "./$path" || printf '%s\0' "$path"
done <"$work/repositories" >"$work/broken"
# Of folders that it cannot read, or whose path is too long for the system, git only warns: name them, too. Root reads
# all. A file of more than a gigabyte is refused before git reads it.
find . -name .git -prune -o "${closed[@]}" -printf '%P\0' -prune -o \
  -type d -regextype posix-extended -regex '.{3500,}' -printf '%P\0' -prune >"$work/closed" || true
find . -name .git -prune -o -type f -size +"$((max_bytes > 1000000000 ? max_bytes : 1000000000))c" -printf '%P\0' \
  >"$work/huge" || true
not_ignored() { { git check-ignore -z -v -n --stdin --no-index || (($? == 1)); } | while
  IFS= read -r -d '' source && IFS= read -r -d '' _ && IFS= read -r -d '' pattern && IFS= read -r -d '' path
do [[ -n $source && $pattern != '!'* ]] || printf '%s\0' "$path"; done; }

# Entries of `--raw -z` are of fixed width: ":<mode> <new mode> <id> <new id> <letter>", then the path.
nuls() { tr -cd '\0' | wc -c | tr -d ' '; }
within_files() { ((10#$1 <= max_files)) || finish 3 "over-files $1 $max_files"; }

git read-tree "$base"
cp "$work/index" "$work/base.index"
# If the agent merged, begin with what git makes of that merge, and with the pinned file where it conflicts. Else what a
# worktree does not show would be taken back: submodules, ignored files and files left out that the merged commit tracks.
start=$base
begin_with_merge() { # <commit>
  local ancestor entry path
  cp "$base_git/shallow" "$GIT_DIR/shallow" 2>/dev/null || true
  ancestor=$(git merge-base "${AMPBOT_COMMIT:?}" "$1") || return
  git read-tree -i -m --aggressive "$ancestor" "$base" "$1" || return
  git ls-files -z --unmerged >"$work/unmerged" || return
  {
    while IFS= read -r -d '' entry; do printf '0 %040d\t%s\0' 0 "${entry#*$'\t'}"; done <"$work/unmerged"
    while IFS= read -r -d '' entry; do
      path=${entry#*$'\t'}
      [[ ${entry:48:1} != 2 ]] || printf '%s 0\t%s\0' "${entry:0:47}" "$path"
    done <"$work/unmerged"
  } | git update-index -z --index-info || return
  start=$(git write-tree)
}
if [[ -s $out/merged ]] && ! begin_with_merge "$(head -c 40 "$out/merged")"; then
  cp "$work/base.index" "$work/index"
fi
cp "$work/index" "$work/start.index"
while IFS= read -r -d '' path; do take_away "$path"; done <"$work/broken"
not_ignored < <(sed -z 's|/\.git$||' "$work/broken") | sed -z 's|$|/.git|' >>"$out/special"
[[ -s $out/special ]] || rm "$out/special"
not_ignored <"$work/closed" >"$work/unread"
[[ ! -e $out/special ]] || cat "$out/special" >>"$work/unread"
while IFS= read -r -d '' path; do
  finish 3 "over-bytes $(stat -c %s -- "$path") $max_bytes"
done < <(not_ignored <"$work/huge")
# Refuse too many files before hashing them: a dependency folder that .gitignore lacks can be huge.
within_files "$(git ls-files -z --others --exclude-standard | nuls)"
# In a submodule that has its repository, `git add` would start a git that runs what the configuration there names.
submodules=() unborn=()
while IFS= read -r -d '' entry; do
  path=${entry#*$'\t'}
  [[ ! -e $path/.git ]] || submodules+=("$path")
done < <(git ls-files -z --stage | { grep -z '^160000' || true; })
git add -A --ignore-errors -- . "${submodules[@]/#/:(exclude,top,literal)}" || (($? == 1)) || failed "$LINENO"
for path in "${submodules[@]}"; do
  commit=$(git --git-dir="$path/.git" rev-parse --verify --quiet HEAD </dev/null) || commit=
  if [[ $commit =~ ^[0-9a-f]{40}$ ]]; then git update-index --cacheinfo "160000,$commit,$path"; else unborn+=("$path/"); fi
done

# Git refused what is still not in the index: a `.GIT`, an unreadable file, a repository without a commit ...
git ls-files -z --others --modified --exclude-standard >"$work/bundle/left"
# ... or files put into a submodule that was never fetched.
git ls-files -z --stage | { grep -z '^160000' || true; } | while IFS= read -r -d '' entry; do
  folder=${entry#*$'\t'}
  [[ ! -d $folder || -e $folder/.git || -z $(ls -A -- "$folder") ]] || printf '%s/\0' "$folder"
done >>"$work/bundle/left"
# ... or what is named above.
((${#unborn[@]} == 0)) || printf '%s\0' "${unborn[@]}" >>"$work/bundle/left"
cat "$work/unread" >>"$work/bundle/left"

# Name what is ignored: whole folders where a pattern fits the folder. First what a .gitignore lets through that is left
# out all the same (`!.env`). The first of many will do, with their number.
for index in start.index index; do
  GIT_INDEX_FILE=$work/$index git ls-files -z --cached --ignored --exclude-from="$exclude" | sort -z >"$work/$index.out"
done
comm -z -13 "$work/start.index.out" "$work/index.out" >"$work/ignored"
git update-index -z --force-remove --stdin <"$work/ignored"
git -c status.renames=false status --porcelain -z --ignored=matching --untracked-files=all --ignore-submodules=all |
  { grep -z '^!! ' || true; } | cut -z -c 4- >>"$work/ignored"
{ printf '%s\0' "$(nuls <"$work/ignored")"; head -z -n 1000 "$work/ignored"; } >"$work/bundle/ignored"

# If a pinned blob is not normalised as its attributes require (CRLF under `text`, an expanded `$Id$`), `git add` changes
# a file that nobody touched. A file with the same bytes as in a fresh checkout keeps its pinned blob.
modes=() olds=() paths=()
git diff-index --cached --raw -z --no-renames --ignore-submodules=none "$start" >"$work/modified.raw"
while IFS= read -r -d '' entry && IFS= read -r -d '' path; do
  [[ $entry == :100*' 100'*' M' ]] || continue
  modes+=("${entry:8:6}") olds+=("${entry:15:40}") paths+=("$path")
done <"$work/modified.raw"
raw_blobs() { # <folder> <index>: the blobs of the modified files, byte for byte
  cd "$1"
  export GIT_WORK_TREE=$1 GIT_INDEX_FILE=$2
  git update-index --add -z --stdin <"$work/modified"
  git ls-files -z --stage
}
if ((${#paths[@]})); then
  printf '%s\0' "${paths[@]}" >"$work/modified"
  (cd "$work/pristine" && GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$work/start.index git checkout-index -z --stdin <"$work/modified")
  echo '* -text -ident -filter !eol !crlf !working-tree-encoding' >"$GIT_DIR/info/attributes"
  (raw_blobs "$GIT_WORK_TREE" "$work/raw.index") >"$work/raw"
  (raw_blobs "$work/pristine" "$work/pristine.index") >"$work/pristine.raw"
  rm "$GIT_DIR/info/attributes"
  i=0
  while IFS= read -r -d '' here <&3 && IFS= read -r -d '' fresh <&4; do # both in index order; the mode is not compared
    [[ ${here#* } != "${fresh#* }" || ${here#*$'\t'} != "${paths[i]}" ]] ||
      printf '%s %s\t%s\0' "${modes[i]}" "${olds[i]}" "${paths[i]}"
    i=$((i + 1))
  done 3<"$work/raw" 4<"$work/pristine.raw" >"$work/untouched"
  git update-index -z --index-info <"$work/untouched"
  rm -r "$work/pristine"
fi

git write-tree >"$work/bundle/tree"
git diff-tree -r --raw -z --no-renames --ignore-submodules=none "$base" "$(cat "$work/bundle/tree")" >"$work/bundle/raw"
files=$(($(nuls <"$work/bundle/raw") / 2))
within_files $((files + $(nuls <"$work/bundle/left")))

while IFS= read -r -d '' entry && IFS= read -r -d '' path; do
  printf '%s\0' "$path" >&3
  [[ $entry == ?*' 000000 '* || $entry == ?*' 160000 '* ]] || echo "${entry:56:40}" >&4
done <"$work/bundle/raw" 3>"$work/paths" 4>"$work/shas"
sort -u -o "$work/shas" "$work/shas"
bytes=$(git cat-file --batch-check='%(objectsize)' <"$work/shas" | awk '{ sum += $1 } END { printf "%.0f", sum }')
((bytes <= max_bytes)) || finish 3 "over-bytes $bytes $max_bytes"

# Both with the pinned attributes and with the new ones: a change must not evade the LFS rule by editing them.
for index in base.index index; do
  GIT_INDEX_FILE=$work/$index git check-attr -z --cached --stdin filter <"$work/paths"
done >"$work/bundle/attrs"
git cat-file --batch <"$work/shas" >"$work/bundle/blobs"
pack
finish 0 "ok $files $bytes"
