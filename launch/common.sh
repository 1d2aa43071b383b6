# Shared by the scripts of this folder; sourced, not run.
set -euo pipefail
caller_folder=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# from_caller PATH: a path as the caller meant it, since these scripts work in the project's folder.
from_caller() {
    case $1 in
        /*) printf '%s' "$1" ;;
        *) printf '%s' "$caller_folder/$1" ;;
    esac
}

# fail WHAT ADVICE [CODE]: the program's error shape, exit code 1 or CODE.
fail() {
    printf 'error: %s\n  do: %s\n' "$1" "$2" >&2
    exit "${3:-1}"
}

# hold FOLDER PROGRAM: makes the folder and keeps other scripts' jobs out of it until this script ends; ends the script when one is there.
hold() {
    local answer= status=0
    mkdir -p "$1"
    coproc holder { exec "$2" hold "$1"; }
    holding=$!
    { read -r answer <&"${holder[0]}"; } 2> /dev/null || true
    if [ "$answer" != held ]; then
        wait "$holding" || status=$?
        exit "$((status ? status : 1))"
    fi
    # The end of its input is its own end.
    holder_input=${holder[1]}
    trap 'exec {holder_input}>&-; wait "$holding" || true' EXIT
}

# job COMMAND...: runs it and returns its exit code. SIGTERM, SIGHUP and Ctrl-C reach it as SIGTERM, of which launch/mpirun makes a checkpoint, and a
# second one the end; `interrupted` is not empty then.
interrupted=
job() {
    local status
    "$@" <&0 &
    running=$!
    trap 'interrupted=yes; kill -TERM "$running" 2> /dev/null || true' TERM INT HUP
    # A signal ends `wait` before the job has ended.
    while true; do
        status=0
        wait "$running" || status=$?
        kill -0 "$running" 2> /dev/null || break
    done
    trap - TERM INT HUP
    if [ -n "$interrupted" ] && [ "$status" -eq 0 ]; then return 75; fi
    return "$status"
}

# take_processor ARGUMENTS...: sets `processor` from `--processor NAME` (default: this machine's) and `arguments` to the rest.
take_processor() {
    processor=native
    arguments=()
    while [ $# -gt 0 ]; do
        case $1 in
            --processor)
                [ $# -ge 2 ] || fail "--processor needs a name" "name one, for example: --processor x86-64-v3"
                processor=$2
                shift 2 ;;
            --processor=*)
                processor=${1#--processor=}
                shift ;;
            *)
                arguments+=("$1")
                shift ;;
        esac
    done
    # -Xcc decides over Swift's own code too.
    build_flags=(-c release -Xcc "-march=$processor")
}

# metrics_of RUN: mAP per tIoU and the average, in per cent, with a comma between. metrics.json has sorted keys: "average_mAP":..., "mAP":[...].
metrics_of() {
    sed -E 's/.*"average_mAP":([0-9.e-]+).*"mAP":\[([^]]*)\].*/\2,\1/' "$1/metrics.json" |
        awk -F, '{ for (i = 1; i <= NF; i++) printf "%s%.1f", (i > 1 ? "," : ""), 100 * $i; print "" }'
}

# tests_of BUNDLE: all tests of a test bundle, TARGET.SUITE/TEST on a line.
tests_of() {
    "$1" --list-tests 2> /dev/null | sed -n 's/^ *\([A-Za-z0-9]*\.[^ ]*\)$/\1/p'
}

# results_of LOG...: tests that passed and that failed, two numbers. One passed when it passed on all ranks; one that began and never ended failed.
results_of() {
    cat "$@" | awk '
    match($0, /Test Case \047[^\047]+\047 (started|passed|failed|skipped)/) {
        split(substr($0, RSTART, RLENGTH), part, "\047"); test = part[2]; word = part[3]; sub(/^ /, "", word)
        if (word == "started") begun[test]++
        else if (word == "passed") ended[test]++
        else if (word == "skipped") { ended[test]++; skipped[test] = 1 }
        else bad[test] = 1
    }
    END { for (test in begun) { if (bad[test] || ended[test] < begun[test]) f++; else if (!skipped[test]) p++ } print p + 0, f + 0 }'
}

# failures_of LOG...: what failed tests said, each once, and the names of those that began and never ended.
failures_of() {
    cat "$@" | awk '
    / error: / && !said[$0]++ { print; saying = 1; next }
    match($0, /Test (Case|Suite) \047[^\047]+\047 (started|passed|failed|skipped)/) {
        saying = 0
        split(substr($0, RSTART, RLENGTH), part, "\047")
        if (part[1] == "Test Case ") open[part[2]] += part[3] == " started" ? 1 : -1
        next
    }
    saying && length($0) { print }
    END { for (test in open) if (open[test] > 0) print test " began and did not end" }'
}

# python_with FOLDER IMPORTS WHAT PACKAGE...: sets `python` to a Python that imports what is asked for, of the system, or makes one in FOLDER. WHAT begins
# the message where that fails: "package NAME is".
python_with() {
    local folder=$1 imports=$2 what=$3 candidate log
    shift 3
    for candidate in python3 "$folder/bin/python3"; do
        if "$candidate" -c "import $imports" > /dev/null 2>&1; then
            python=$candidate
            return
        fi
    done
    command -v python3 > /dev/null || fail "the command 'python3' is not found" "apt-get install python3 python3-venv"
    log=$(mktemp)
    if ! { python3 -m venv "$folder" && "$folder/bin/python3" -m pip install -q "$@"; } > "$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        rm -rf "$folder"
        fail "the Python $what missing and could not be installed" \
            "look at the lines above; a network or python3-venv may be missing"
    fi
    rm -f "$log"
    python=$folder/bin/python3
}
