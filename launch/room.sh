# What Open MPI needs on a host; sourced, and sent to other hosts by launch/cluster. Plain sh.

# room_for RANKS: prints what is missing on this host for so many ranks here, as two lines (what, what to do); nothing when all is there.
# Open MPI 4.1 keeps a folder per job in TMPDIR (8.1 MiB and a few files per rank, measured) and a segment of 4 MiB per rank in /dev/shm. Where one of
# them cannot be made it neither starts nor ends.
room_for() {
    ranks=$1
    place=${OMPI_MCA_orte_tmpdir_base:-${TMPDIR:-${TEMP:-${TMP:-/tmp}}}}
    size=$((8400 + 8 * ranks))
    segments=0
    if [ "$ranks" -gt 1 ]; then segments=$((4200 * ranks)); fi
    # Without a writable /dev/shm the segments go to TMPDIR.
    if [ -d /dev/shm ] && [ -w /dev/shm ]; then
        if [ "$segments" -gt 0 ]; then
            room_in /dev/shm "$segments" "$ranks" "the shared memory" \
                "remove what lies in /dev/shm, enlarge it (mount -o remount,size=..., docker run --shm-size=...), or start fewer ranks" || return 0
        fi
    else
        size=$((size + segments))
    fi
    if [ ! -e "$place" ]; then mkdir -p "$place" 2> /dev/null || true; fi
    room_in "$place" "$size" $((40 + 5 * ranks)) "the folder for temporary files" \
        "free space there, or name another folder on a local disk with TMPDIR=FOLDER" || return 0
}

# room_in FOLDER KIB FILES NAME ADVICE: says what is missing and fails, or says nothing.
room_in() {
    probe=$1/.kairos-room-$$
    if [ -e "$1" ] && [ ! -d "$1" ]; then
        printf '%s\n' "$4 '$1' is not a folder" "name another folder with TMPDIR=FOLDER"
        return 1
    fi
    if [ ! -d "$1" ]; then
        printf '%s\n' "$4 '$1' does not exist" "make it, or name another folder with TMPDIR=FOLDER"
        return 1
    fi
    # "-" where the file system counts no files.
    set -- "$@" $(df -k --output=avail,iavail "$1" 2> /dev/null | tail -n 1)
    if [ $# -eq 7 ]; then
        if [ "$6" -lt "$2" ] 2> /dev/null; then
            printf '%s\n' "$4 '$1' has $6 KiB free, Open MPI needs $2 KiB for $ranks rank$([ "$ranks" -eq 1 ] || echo s)" "$5"
            return 1
        fi
        if [ "$7" -lt "$3" ] 2> /dev/null; then
            printf '%s\n' "$4 '$1' has room for $7 more files, Open MPI needs $3 for $ranks rank$([ "$ranks" -eq 1 ] || echo s)" "$5"
            return 1
        fi
    fi
    # Permissions, quotas, file systems that are mounted for reading alone.
    reason=$( (head -c 65536 /dev/zero > "$probe") 2>&1) && { rm -f "$probe"; return 0; }
    rm -f "$probe" 2> /dev/null
    printf '%s\n' "$4 '$1' cannot be written: ${reason##*: }" "$5"
    return 1
}
