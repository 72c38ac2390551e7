use_key_folder
about "A signature by a key that is not here could not be checked."
quietly key generate checkpoint-ed25519
quietly key generate auditor
quietly append app line hello
quietly close app
quietly sign 1 auditor
secure-log verify
rm keys/auditor.p8
secure-log verify
secure-log verify --json
about "Entries that no trusted key attests: nothing is written until an operator chooses."
SECURE_LOG_HEAD_EVERY=100 quietly append app line "under no signed head"
secure-log verify
secure-log append app line more
cp audit.jsonl copy.jsonl
secure-log recover --adopt
secure-log list entries
secure-log append app line more
secure-log recover --set-aside --log copy.jsonl
secure-log list entries --log copy.jsonl
about "A record that a later version wrote is passed over, and nothing is written behind it."
quietly append app line hello --log later.jsonl
sed -i '$i {"t":"mystery"}' later.jsonl
secure-log verify --log later.jsonl
secure-log list entries --log later.jsonl
secure-log append app line more --log later.jsonl
secure-log append app line more --log later.jsonl --json
about "Of a log that is a later version's nothing is read."
sed -i '1s/"v":1/"v":2/' later.jsonl
secure-log verify --log later.jsonl
secure-log list entries --log later.jsonl
about "A log without a key says so."
unset SECURE_LOG_KEYSTORE_DIR
secure-log open --log keyless.jsonl
quietly append app line hello --log keyless.jsonl
secure-log verify --log keyless.jsonl
about "The report as a page for a file."
secure-log verify --page --log keyless.jsonl
secure-log verify --page --json
