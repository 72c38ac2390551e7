use_key_folder
secure-log key generate checkpoint-ed25519 --json
secure-log open --json
secure-log append app login "say \"hi\" to a\\b" --json
printf '\377' | secure-log append app bytes - --json
printf 'one\ntwo\n' | secure-log append app line --lines --json
secure-log read 1 --json
secure-log read 2 --json
secure-log head app --json
secure-log close app --json
secure-log list entries --json --limit 3
secure-log list streams --json
secure-log list segments --json
secure-log sign 1 --json
secure-log sign --head --json
secure-log checkpoints app --json
secure-log prove 1 --json
run prove 1 | secure-log prove --check --json
secure-log create-stream other --json
secure-log deprecate other --json
secure-log status --json
secure-log verify --json
secure-log verify --stream app --json
secure-log key list --json
about "Errors and notices too."
secure-log read 99 --json
secure-log status --log adit.jsonl --json
head -c -30 audit.jsonl >torn.jsonl
secure-log head app --log torn.jsonl --json
about "Every line that was printed is JSON."
for arguments in "open" "read 1" "read 2" "list entries" "list streams" "list segments" "verify" "prove 1" "read 99"; do
    run $arguments --json 2>&1 | python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' || say "not JSON: $arguments"
done
