# Reads launch/checks/exceptions.txt, then what package.awk and swift.awk print, and prints one line per breach of a rule:
#   FILE:LINE: RULE: what is wrong; what to do
# Set before: file_limit, function_limit, target_limit, exceptions (the name of the list).
FILENAME == exceptions {
    if ($0 ~ /^ *(#|$)/) next
    excuse = $1 " " $2
    excused[excuse] = FNR
    if (NF < 3) breach(exceptions, FNR, "exception", "the line has no reason", "write RULE PLACE REASON")
    next
}
$1 == "product" { known[$2] = 1; next }
$1 == "target" {
    names[++targets] = $2; place[$2] = targets; lines_of[$2] = $3; floor_of[$2] = $4; folder_of[$2] = $5; known[$2] = 1
    for (field = 6; field <= NF; field++) { depends[$2, $field] = 1; list[$2] = list[$2] " " $field }
    next
}
$1 == "lines" {
    owner = owner_of($2)
    if (owner != "" && $2 ~ /^Sources\//) sizes[owner] += $3
    if ($3 > file_limit) judge("file-length", $2, $2, $3, $3 " lines, at most " file_limit, "cut the file by subject")
    next
}
$1 == "function" {
    if ($5 > function_limit)
        judge("function-length", $2 ":" $4, $2, $3, $4 " has " $5 " lines, at most " function_limit, "cut it into named steps")
    next
}
$1 == "import" {
    owner = owner_of($2)
    if (owner == "" || !($4 in known)) next
    used[owner, $4] = 1
    if ($4 == owner || (owner, $4) in depends) next
    # Tests may import whatever their dependencies stand on.
    if (floor_of[owner] == "-" && reaches(owner, $4)) next
    if (($4 in place) && place[$4] > place[owner])
        judge("import", $2 ":" $4, $2, $3, owner " imports " $4 ", which stands above it", "move what is needed to a lower floor")
    else
        judge("import", $2 ":" $4, $2, $3, owner " imports " $4 ", which is not among its dependencies", "add it to Package.swift, or do without it")
}
END {
    for (number = 1; number <= targets; number++) {
        target = names[number]
        if (sizes[target] > target_limit)
            judge("target-length", target, "Package.swift", lines_of[target], target " has " sizes[target] " lines, at most " target_limit, \
                "give a part of it a target of its own")
        count = split(list[target], dependency, " ")
        for (item = 1; item <= count; item++) {
            other = dependency[item]
            pair = target ":" other
            if ((other in place) && place[other] > number)
                judge("floor", pair, "Package.swift", lines_of[target], target " depends on " other ", which is declared after it", \
                    "order the targets by floors, lowest first, and depend on lower ones alone")
            else if ((other in place) && floor_of[target] == 7 && floor_of[other] == 7)
                judge("floor", pair, "Package.swift", lines_of[target], target " depends on " other " of the same floor", \
                    "move what methods share to PseudoLabels")
            if (!((target, other) in used))
                judge("unused-dependency", pair, "Package.swift", lines_of[target], "no file of " target " imports " other, "remove the dependency")
        }
    }
    for (excuse in excused)
        if (!(excuse in needed)) breach(exceptions, excused[excuse], "exception", "'" excuse "' breaks no rule", "remove the line")
}
# Whether a target depends on another, directly or through others.
function reaches(target, other,    key, part, count, item) {
    key = target SUBSEP other
    if (key in reached) return reached[key]
    reached[key] = 0
    count = split(list[target], part, " ")
    for (item = 1; item <= count && !reached[key]; item++)
        if (part[item] == other || reaches(part[item], other)) reached[key] = 1
    return reached[key]
}
# The target whose folder holds a file.
function owner_of(file,    target, best) {
    best = ""
    for (target in folder_of)
        if (index(file, folder_of[target] "/") == 1 && (best == "" || length(folder_of[target]) > length(folder_of[best]))) best = target
    return best
}
# A breach, unless the list of exceptions holds `rule subject`.
function judge(rule, subject, file, line, what, advice) {
    if ((rule " " subject) in excused) needed[rule " " subject] = 1
    else breach(file, line, rule, what, advice)
}
function breach(file, line, rule, what, advice) { print file ":" line ": " rule ": " what "; " advice }
