# Sourced by launch/check-report: trains small runs on synthesized recordings whose names are made to break a page.

# make_runs FOLDER: FOLDER/run-supervised, run-supervised-seed1, run-apl and run-fustal.
make_runs() {
    local folder=$1 name
    awk 'BEGIN {
        split("<script>alert(1)</script>|\"quoted\" & '"'"'single'"'"'|a very long name of a class that goes on and on and on, well beyond what any column holds|\\u202eright to left|plain", class, "|")
        gsub(/"/, "\\\"", class[2])
        printf "{\"version\": \"1\", \"database\": {"
        for (video = 0; video < 36; video++) {
            name = video == 0 ? "<img src=x onerror=alert(2)>" : video == 12 ? "it\\\"s \\\"here\\\"" : video == 24 ? " " : sprintf("recording_%02d_with_a_name_that_is_rather_long_as_such_names_are", video)
            printf "%s\n\"%s\": {\"subset\": \"%s\", \"duration\": 120, \"fps\": 30, \"annotations\": [", video ? "," : "", name, video % 3 == 2 ? "Test" : "Validation"
            for (action = 0; action < 8; action++) {
                start = action * 14 + (video * 7 + action * 5) % 6
                printf "%s{\"label\": \"%s\", \"segment\": [%d, %d]}", action ? ", " : "", class[(video + action * (1 + video % 2)) % 5 + 1], start, start + 3 + (video + action) % 6
            }
            printf "]}"
        }
        print "\n}}"
    }' > "$folder/annotations.json"
    "$kairos" synthesize --output "$folder/store.h5" --annotations "$folder/annotations.json" --dimension 16 --storage float32 --feature-stride 15 --window 30 \
        --seed 3 > /dev/null
    sed "s|demo.h5|$folder/store.h5|; s/embd_dim: 128/embd_dim: 32/; s/fpn_dim: 128/fpn_dim: 32/; s/head_dim: 128/head_dim: 32/; s/iterations: 240/iterations: 60/
         s/pretraining_iterations: 60/pretraining_iterations: 10/; s/round_iterations: 100/round_iterations: 30/" configs/demo.yaml > "$folder/run.yaml"
    # train NAME ARGUMENTS...
    train() {
        name=$1
        shift
        "$kairos" train "$folder/run.yaml" --output "$folder/run-$name" --set training.threads=1 "$@" > "$folder/$name.log" 2>&1 ||
            { cat "$folder/$name.log"; fail "the run '$name' of the check failed" "look at the lines above"; }
    }
    train supervised --set method.name=supervised --set data.labeled_fraction=1
    train supervised-seed1 --set method.name=supervised --set data.labeled_fraction=1 --seed 1
    train apl --timeline
    train fustal --set method.name=fustal --set fustal.generator_iterations=60 --set fustal.embedding_dim=32 --set fustal.distill_after_iterations=30 \
        --set data.labeled_fraction=1
}
