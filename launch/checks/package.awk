# Reads Package.swift and prints one line per target, in the order of the file:
#   target NAME LINE FLOOR FOLDER DEPENDENCY...
# and one line per module of another package that some target may name: product MODULE. Comments are no part of it but for `// Floor N`.
{
    line = $0
    if (line ~ /^ *$/) empty[NR] = 1
    if (match(line, /^ *\/\/ Floor [0-9]+/)) { floor = substr(line, RSTART, RLENGTH); sub(/.* /, "", floor); floors[NR] = floor }
    sub(/\/\/.*/, "", line)
    # let NAME = Target.Dependency.product(name: "MODULE", ...)
    if (line ~ /^let [A-Za-z]+ = Target\.Dependency\.product\(name: "/) {
        split(line, word, " "); split(line, quoted, "\""); products[word[2]] = quoted[2]; print "product", quoted[2]
    }
    text[NR] = line
}
END {
    floor = "-"
    for (number = 1; number <= NR; number++) {
        if (number in floors) floor = floors[number]
        rest = text[number]
        # The first empty line after the floors ends them: test targets stand on none.
        if (number in empty) floor = "-"
        if (match(rest, /\.(target|executableTarget|testTarget|systemLibrary|macro|plugin)\(/)) {
            kind = substr(rest, RSTART + 1, RLENGTH - 2)
            declaration = substr(rest, RSTART + RLENGTH)
            last = number
            while (!complete(declaration) && last < NR) declaration = declaration " " text[++last]
            report(kind, number, floor, substr(declaration, 1, end))
            number = last
        }
    }
}
# Whether a declaration's text holds the parenthesis that ends it; `end` is its place.
function complete(declaration,    place, letter, open) {
    open = 1
    for (place = 1; place <= length(declaration); place++) {
        letter = substr(declaration, place, 1)
        if (letter == "(") open++
        else if (letter == ")" && --open == 0) { end = place; return 1 }
    }
    end = length(declaration)
    return 0
}
function value(declaration, label) {
    if (!match(declaration, label ": \"[^\"]*\"")) return ""
    return substr(declaration, RSTART + length(label) + 3, RLENGTH - length(label) - 4)
}
function report(kind, line, floor, declaration,    name, folder, list, count, item, index_, result) {
    name = value(declaration, "name")
    folder = value(declaration, "path")
    if (folder == "") folder = (kind == "testTarget" ? "Tests/" : "Sources/") name
    result = "target " name " " line " " floor " " folder
    if (match(declaration, /dependencies: \[[^\]]*\]/)) {
        list = substr(declaration, RSTART + 15, RLENGTH - 16)
        while (match(list, /\.product\([^)]*\)/)) {
            item[0] = value(substr(list, RSTART, RLENGTH), "name")
            print "product", item[0]
            list = substr(list, 1, RSTART - 1) item[0] substr(list, RSTART + RLENGTH)
        }
        count = split(list, item, ",")
        for (index_ = 1; index_ <= count; index_++) {
            gsub(/[ "]/, "", item[index_])
            if (item[index_] in products) item[index_] = products[item[index_]]
            if (item[index_] != "") result = result " " item[index_]
        }
    }
    print result
}
