use_key_folder
quietly key generate checkpoint-ed25519
quietly append app line hello
about "A wrong passphrase."
SECURE_LOG_KEYSTORE_PASSPHRASE=wrong secure-log verify
about "An empty variable, a folder that is not there, and no keystore at all."
SECURE_LOG_KEYSTORE_DIR= secure-log verify
SECURE_LOG_KEYSTORE_DIR=nowhere secure-log append app line x
(unset SECURE_LOG_KEYSTORE_DIR; secure-log append app line x)
about "The label of a key that is not there, and a variable that cannot be understood."
SECURE_LOG_HEAD_IDENTITY=another secure-log append app line x
SECURE_LOG_HEAD_EVERY=soon secure-log append app line x
about "A suite whose key is not named."
secure-log change-suite app hmac-sha-256
about "A folder that is not there, and one that was not opened."
secure-log verify --log nowhere/audit.jsonl
secure-log append app line x --log nowhere/audit.jsonl
secure-log verify --log /nowhere/audit.jsonl
about "A log that is not there is not made by a verb that only reads, nor by one that recovers: its name may be mistyped."
for verb in status "read 1" "head app" "list entries" "checkpoints app" "prove 1" verify "verify --stream app" "recover --adopt"; do
    secure-log $verb --log adit.jsonl
done
printf '{"seqno":1,"hash":"%064d","segment":1,"root":"%064d","path":[]}' 0 0 | secure-log prove --check --log adit.jsonl
ls adit.jsonl* 2>/dev/null || say "no file was made"
about "An empty one is incomplete, as no head covers any of it."
quietly open --log new.jsonl
secure-log verify --log new.jsonl
about "An unfinished commit is kept, and reported."
quietly append app line "never finished"
head -c -30 audit.jsonl >torn.jsonl
secure-log status --log torn.jsonl
secure-log append app line again --log torn.jsonl
secure-log append app line again --log torn.jsonl
secure-log verify --log torn.jsonl
ls torn.jsonl*
about "Who reads goes away: that is no failure. A full disk is."
quietly append app line --lines < <(seq 5000)
run list entries | head -n 1
say "exit codes: ${PIPESTATUS[*]}"
run list entries 2>&1 >/dev/full
say "exit code: $?"
