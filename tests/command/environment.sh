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
about "A folder that is not there."
secure-log verify --log nowhere/audit.jsonl
about "An empty log is pointed out, as its name may be mistyped."
secure-log status --log adit.jsonl
secure-log verify --log adit.jsonl
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
