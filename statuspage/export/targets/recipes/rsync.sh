# rsync.sh [HOST:]FOLDER read PATH
# rsync.sh [HOST:]FOLDER publish
set -eu
folder=${1%/}
carry() {
    rsync --timeout=60 \
        --rsh='ssh -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=10' "$@"
}

case $2 in
read)
    # First the folder: rsync also fails for a missing file where the folder is missing.
    listed=$(carry --list-only --ignore-missing-args -- "$folder")
    [ -n "$listed" ] || exit 0
    rm -f ../file
    carry --ignore-missing-args -- "$folder/$3" ../file
    if [ -e ../file ]; then cat ../file; fi
    ;;
publish)
    carry --recursive --times --chmod=D755,F644 --delay-updates --delete-delay -- ./ "$folder/"
    ;;
esac
