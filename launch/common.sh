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
