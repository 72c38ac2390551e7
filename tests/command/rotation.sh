secure-log create-stream app --sign entries
secure-log append app login anna
about "One commit under both keys, and the log goes on under the new one."
secure-log rotate-key second
secure-log append app login emma
export SECURE_LOG_HEAD_IDENTITY=second
secure-log append app login emma
secure-log list entries secure-log.keys --json
secure-log verify --json
about "Again, as JSON; whoever pins the first key alone follows both."
secure-log rotate-key third --json
SECURE_LOG_HEAD_IDENTITY=third
pinned=$(SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 7) run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
SECURE_LOG_TRUST=$(printf 'log %s\nquorum none' "$pinned") secure-log append app login paul
SECURE_LOG_TRUST=$(printf 'log %s\nquorum none' "$pinned") secure-log verify
about "A segment is signed by the key that signs now, and by none that ended before it."
secure-log close app
secure-log sign 1
secure-log sign 1 second
about "An ended key opens it no more."
SECURE_LOG_HEAD_IDENTITY=second secure-log read 3
SECURE_LOG_HEAD_IDENTITY=second secure-log rotate-key fourth --json
about "What is refused."
secure-log rotate-key third
secure-log rotate-key second
secure-log rotate-key "a label"
secure-log rotate-key
SECURE_LOG_TRUST=$(printf 'log %s\nquorum mistyped' "$pinned") secure-log status
about "Without any key, and with the first one pinned, it can be read and not be written."
use_key_folder
export SECURE_LOG_TRUST=$(printf 'log %s\nquorum none' "$pinned")
secure-log read 8
secure-log append app login ruth
secure-log rotate-key fourth
about "Nor can it go on with a key that is not there."
unset SECURE_LOG_TRUST
export SECURE_LOG=other.jsonl SECURE_LOG_HEAD_IDENTITY=first
secure-log key generate first
secure-log rotate-key absent
