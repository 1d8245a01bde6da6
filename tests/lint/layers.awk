# Checks the includes of every file named after layers.txt against it.
#   awk -f layers.awk layers.txt FILE...
# Prints "file:line: complaint" and ends with 1 when there is one.

function glob_match(name, glob,    pattern) {
    pattern = glob
    gsub(/\./, "[.]", pattern)
    gsub(/\*/, ".*", pattern)
    return name ~ ("^" pattern "$")
}

function complain(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    bad = 1
}

# The longest declared layer that holds this path, "" when none does.
function layer_of(path,    dir) {
    dir = path
    while (sub(/\/[^\/]*$/, "", dir))
        if (dir in may)
            return dir
    return ""
}

function check_ours(target,    from, to) {
    from = layer_of(FILENAME)
    to = layer_of(target)
    if (from == "") {
        complain("this folder is not in layers.txt")
    } else if (to == "") {
        # A file generated into the build directory (-I build/.../gen) has no folder of ours.
        if (target ~ /\//)
            complain("\"" target "\" is in no folder of layers.txt")
    } else if (from != to && to != "conf" && may[from] !~ /\*/ && index(may[from] " ", " " to " ") == 0) {
        complain(from " must not include " to " (\"" target "\"): includes point down only")
    }
    if (target ~ /_priv\.h$/ && from != to && from != "tests")
        complain("\"" target "\" is private to " to)
}

function check_foreign(target,    i, n, allowed, ok) {
    for (i = 1; i <= foreigns; i++) {
        if (index(target, prefix[i]) != 1)
            continue
        ok = 0
        n = split(users[i], allowed, " ")
        while (n > 0)
            if (glob_match(FILENAME, allowed[n--]))
                ok = 1
        if (!ok)
            complain("<" target "> belongs to " users[i] " only")
        else if (FILENAME ~ /\.h$/ && FILENAME !~ /_priv\.h$/ && FILENAME !~ /^tests\//)
            complain("<" target "> in a public header")
    }
}

FILENAME ~ /layers\.txt$/ {
    if ($1 == "layer") {
        may[$2] = ""
        for (i = 3; i <= NF; i++)
            may[$2] = may[$2] " " $i
    } else if ($1 == "foreign") {
        prefix[++foreigns] = $2
        for (i = 3; i <= NF; i++)
            users[foreigns] = users[foreigns] " " $i
    }
    next
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    check_ours(part[2])
}

/^[ \t]*#[ \t]*include[ \t]*</ {
    split($0, part, /[<>]/)
    check_foreign(part[2])
}

END { exit bad }
