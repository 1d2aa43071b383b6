# Sourced by launch/check --self-test: breaks every rule once in a small project and sees that it is named, with file and line, and nothing else.
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
wrong=0

# fresh: a project that breaks no rule.
fresh() {
    rm -rf "$project"
    mkdir -p "$project/launch/checks" "$project"/Sources/{Low,High,Together,First,Second,tool} "$project/Tests/HighTests"
    cp .swift-format "$project"
    echo "# Nothing" > "$project/launch/checks/exceptions.txt"
    cat > "$project/Package.swift" << 'END'
// swift-tools-version: 6.1
import PackageDescription

let parser = Target.Dependency.product(name: "Parser", package: "swift-parser")

let package = Package(
    name: "small",
    targets: [
        // Floor 0
        .target(name: "Low", swiftSettings: [.unsafeFlags(["-Ounchecked"], .when(configuration: .release))]),
        // Floor 1
        .target(
            name: "High",
            dependencies: [
                "Low", parser,
            ]),
        // Floor 6
        .target(name: "Together", dependencies: ["Low"]),
        // Floor 7
        .target(name: "First", dependencies: ["Together"]),
        .target(name: "Second", dependencies: ["Together"]),
        // Floor 8
        .executableTarget(name: "tool", dependencies: ["First", "Second", parser]),

        .testTarget(name: "HighTests", dependencies: ["High"]),
    ]
)
END
    printf 'import Foundation\n\npublic let low = 1\n' > "$project/Sources/Low/Low.swift"
    printf 'import Low\nimport Parser\n\npublic let high = low\n' > "$project/Sources/High/High.swift"
    printf 'import Low\n\npublic let together = low\n' > "$project/Sources/Together/Together.swift"
    printf 'import Together\n\npublic let first = together\n' > "$project/Sources/First/First.swift"
    printf 'import Together\n\npublic let second = together\n' > "$project/Sources/Second/Second.swift"
    printf 'import First\nimport Parser\nimport Second\n\nprint(first, second)\n' > "$project/Sources/tool/main.swift"
    # A test may import what its target's dependencies stand on.
    printf 'import Low\nimport XCTest\n\n@testable import High\n' > "$project/Tests/HighTests/HighTests.swift"
}

# expect NAME BREACH...: the project's breaches begin with these words, `FILE:LINE: RULE`, in this order.
expect() {
    local name=$1 found
    shift
    found=$({ house "$project"; layout "$project"; } | awk -F: '{ print $1 ":" $2 ":" $3 }')
    if [ "$found" = "$(printf '%s\n' "$@")" ]; then
        echo "passed: $name"
    else
        printf 'failed: %s\n  expected:\n%s\n  found:\n%s\n' "$name" "$(printf '    %s\n' "$@")" "$(sed 's/^/    /' <<< "$found")"
        wrong=1
    fi
    fresh
}

# body COUNT: so many lines of a function's body.
body() { for ((number = 1; number <= $1; number++)); do echo "    print($number)"; done; }

edit() { sed -i "$1" "$project/$2"; }

fresh
expect "a project that breaks no rule" ""

for ((number = 1; number <= 401; number++)); do echo "// $number"; done > "$project/Sources/Low/Long.swift"
expect "a file over 400 lines" "Sources/Low/Long.swift:401: file-length"

{ printf '\nfunc short() {\n'; body 58; printf '}\n\nfunc long(\n    a: Int\n) -> Int {\n'; body 56; printf '    return a\n}\n'; } >> "$project/Sources/Low/Low.swift"
expect "a function over 60 lines, its signature over several" "Sources/Low/Low.swift:66: function-length"

{
    printf '\nprotocol Shape {\n    func area() -> Int\n    var name: String { get }\n}\n\nstruct Square: Shape {\n    let side = 1\n'
    printf '    func area() -> Int { side * side }\n    var name: String {\n'
    body 59 | sed 's/^/    /'
    printf '        return """\n    }\n"""\n    }\n    init() {}\n}\n'
} >> "$project/Sources/Low/Low.swift"
house "$project" > "$project/found"
if grep -q '^Sources/Low/Low.swift:13: function-length: name has 64 lines' "$project/found" && [ "$(wc -l < "$project/found")" -eq 1 ]; then
    echo "passed: a property over 60 lines, requirements and one-line functions before it, a brace in a text"
else
    echo "failed: a property over 60 lines"
    cat "$project/found"
    wrong=1
fi
fresh

for part in 1 2 3 4 5 6 7; do for ((number = 1; number <= 360; number++)); do echo "// $number"; done > "$project/Sources/Low/Part$part.swift"; done
expect "a target over 2,500 lines" "Package.swift:10: target-length"

printf 'import Low\nimport Together\n\npublic let first = together\n' > "$project/Sources/First/First.swift"
expect "an import that is not declared" "Sources/First/First.swift:1: import"

printf 'import High\n\npublic let low = 1\n' > "$project/Sources/Low/Low.swift"
expect "an import upwards" "Sources/Low/Low.swift:1: import"

printf 'import Parser\nimport Together\n\npublic let first = together\n' > "$project/Sources/First/First.swift"
expect "another package's module that is not declared" "Sources/First/First.swift:1: import"

printf 'import First\nimport XCTest\n\n@testable import High\n' > "$project/Tests/HighTests/HighTests.swift"
expect "a test's import of what its dependencies do not stand on" "Tests/HighTests/HighTests.swift:1: import"

edit 's/name: "Low", /name: "Low", dependencies: ["High"], /' Package.swift
printf 'import High\n\npublic let low = 1\n' > "$project/Sources/Low/Low.swift"
expect "a dependency upwards" "Package.swift:10: floor"

edit 's/name: "Second", dependencies: \[/&"First", /' Package.swift
edit 's/^import Together/import First\n&/' Sources/Second/Second.swift
expect "a method that depends on another method" "Package.swift:21: floor"

edit 's/name: "First", dependencies: \[/&"Low", /' Package.swift
expect "a dependency that no file imports" "Package.swift:20: unused-dependency"

edit 's/name: "First", dependencies: \[/&parser, /' Package.swift
expect "another package's module that no file imports" "Package.swift:20: unused-dependency"

printf 'target-length Low because\nfile-length Sources/Low/Low.swift\n' > "$project/launch/checks/exceptions.txt"
expect "exceptions that excuse nothing, one without a reason" "launch/checks/exceptions.txt:1: exception" \
    "launch/checks/exceptions.txt:2: exception" "launch/checks/exceptions.txt:2: exception"

for ((number = 1; number <= 401; number++)); do echo "// $number"; done > "$project/Sources/Low/Long.swift"
echo "file-length Sources/Low/Long.swift a table" > "$project/launch/checks/exceptions.txt"
expect "an exception that is needed" ""

printf 'public let low=1;\n' > "$project/Sources/Low/Low.swift"
expect "a line that swift-format would write otherwise" "Sources/Low/Low.swift:1: format" "Sources/Low/Low.swift:1: format" \
    "Sources/Low/Low.swift:1: format"

exit "$wrong"
