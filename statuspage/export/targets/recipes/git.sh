# git.sh REMOTE BRANCH read PATH
# git.sh REMOTE BRANCH publish
#
# The branch always has one commit, so that no history keeps what was withdrawn.
set -eu
remote=$1
ref=refs/heads/$2
export GIT_DIR="$PWD/../git" GIT_TERMINAL_PROMPT=0
export GIT_SSH_COMMAND='ssh -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=10'
export GIT_AUTHOR_NAME='Status page' GIT_AUTHOR_EMAIL=status@localhost
export GIT_COMMITTER_NAME='Status page' GIT_COMMITTER_EMAIL=status@localhost
if [ ! -e "$GIT_DIR/HEAD" ]; then
    git init --quiet --bare
    git config core.autocrlf false
    git config core.bare false
    git config core.trustCtime false
    git config gc.autoDetach false
fi

case $3 in
read)
    head=$(git ls-remote "$remote" "$ref")
    head=${head%%[!0-9a-f]*}
    [ -n "$head" ] || exit 0
    git cat-file -e "$head^{tree}" 2>/dev/null ||
        git fetch --quiet --depth=1 --no-tags "$remote" "$ref"
    git cat-file blob "$head:$4" 2>/dev/null || true
    ;;
publish)
    git --work-tree=. add --all --force .
    commit=$(git commit-tree "$(git write-tree)" -m 'The status page')
    git push --quiet --force "$remote" "$commit:$ref"
    git update-ref refs/heads/pushed "$commit"
    git gc --auto --quiet --prune=now
    ;;
esac
