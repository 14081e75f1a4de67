# sftp.sh sftp://[USER@]HOST[:PORT] FOLDER read PATH
# sftp.sh sftp://[USER@]HOST[:PORT] FOLDER publish
set -eu
host=$1
folder=$(printf '%s' "$2" | sed 's/["\\]/\\&/g')
run_batch() {
    sftp -q -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=10 -b - "$host" >/dev/null
}

# sftp goes on after a failure of a line that begins with "-".
case $3 in
read)
    rm -f ../file
    printf '%s\n' "-get \"$folder/$4\" ../file" | run_batch
    if [ -e ../file ]; then cat ../file; fi
    ;;
publish)
    {
        printf '%s\n' "-mkdir \"$folder\"" "cd \"$folder\""
        # Each file arrives under another name and is renamed into place.
        awk '
            function quoted(path) { gsub(/["\\]/, "\\\\&", path); return "\"" path "\"" }
            {
                count = split($0, name, "/")
                parent = ""
                for (i = 1; i < count; i++) {
                    parent = parent name[i]
                    if (!made[parent]++) print "-mkdir " quoted(parent)
                    parent = parent "/"
                }
                print "put " quoted($0) " " quoted($0 ".part")
                print "rename " quoted($0 ".part") " " quoted($0)
            }' ../changed
        sed 's/["\\]/\\&/g; s/.*/-rm "&"/' ../removed
    } | run_batch
    ;;
esac
