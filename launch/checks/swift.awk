# Reads Swift files and prints, of each:
#   lines FILE COUNT
#   import FILE LINE MODULE
#   function FILE LINE NAME LENGTH      (functions, initialisers, subscripts and properties with a body; from `func` to the closing brace)
# It relies on the layout of swift-format: a body's closing brace stands under its declaration's first letter.
function finish() { if (file != "") print "lines", file, count }
FNR == 1 { finish(); file = FILENAME; count = 0; quoted = 0; depth = 0; waiting = 0 }
{
    count++
    quotes = gsub(/"""/, "\"\"\"")
    if (quoted) { if (quotes % 2) quoted = 0; next }
    if (quotes % 2) quoted = 1
    match($0, /^ */)
    indentation = RLENGTH
    text = substr($0, indentation + 1)
    sub(/ *\/\/.*/, "", text)
    if (text == "") next
}
indentation == 0 && text ~ /^(@[A-Za-z_()]+ |public |package |internal |private |fileprivate )*import / {
    module = text
    sub(/.*import ((struct|class|enum|protocol|func|typealias|var|let) )?/, "", module)
    sub(/[. ;].*/, "", module)
    print "import", file, FNR, module
    next
}
# A signature over several lines: its body begins with the line under its first letter.
waiting && indentation <= signature {
    if (indentation == signature && text ~ /^(\)|where |async |throws |->)/) {
        if (text ~ /\{$/) { open(signature, start, name); waiting = 0 }
        if (text ~ /^\)|^where |^async |^throws |^->/ && waiting) next
    } else waiting = 0
}
text ~ /^\}/ {
    while (depth > 0 && indents[depth] > indentation) depth--
    if (depth > 0 && indents[depth] == indentation) {
        print "function", file, starts[depth], names[depth], FNR - starts[depth] + 1
        depth--
    }
    next
}
text ~ /^(@[A-Za-z]+(\([^)]*\))? |[a-z]+(\([a-z]+\))? )*(func |init[(<?!]|deinit|subscript[(<]|var )/ {
    what = text
    if (match(what, /(^| )func /)) { sub(/^(.* )?func /, "", what); sub(/[(<].*/, "", what); gsub(/ /, "", what) }
    else if (match(what, /(^| )init[(<?!]/)) what = "init"
    else if (match(what, /(^| )subscript[(<]/)) what = "subscript"
    else if (match(what, /(^| )var /)) {
        if (text !~ /\{$/) next
        sub(/^(.* )?var /, "", what); sub(/[^A-Za-z0-9_].*/, "", what)
    } else what = "deinit"
    if (text ~ /\{$/) open(indentation, FNR, what)
    else if (text !~ /\}$/) { waiting = 1; signature = indentation; start = FNR; name = what }
}
function open(indent, line, what) {
    while (depth > 0 && indents[depth] >= indent) depth--
    depth++
    indents[depth] = indent; starts[depth] = line; names[depth] = what
}
END { finish() }
