use_key_folder
quietly key generate checkpoint-ed25519
quietly key generate kek-1 --algorithm symmetric
quietly key generate kek-2 --algorithm symmetric
about "Without a wrapping key nothing is sealed, and nothing is written in its place."
secure-log create-stream ward --tier protected
secure-log append ward admitted "the patient is Ann" --sealed
export SECURE_LOG_KEK_LABEL=nothing
secure-log append ward admitted "the patient is Ann" --sealed
export SECURE_LOG_KEK_LABEL=kek-1
quietly append ward admitted "the patient is Ann" --sealed
about "Without the key that wrapped it, a payload does not open, and everything else verifies."
mv keys/kek-1.key kek-1.away
secure-log open-payload 2
secure-log open-payload --stream ward
secure-log verify | grep -e '^\$' -e verdict -e unopened
secure-log verify --open | grep -e '^\$' -e verdict -e missing -e unopened
about "Nor with another one of its name."
quietly key generate kek-1 --algorithm symmetric
secure-log open-payload 2
mv kek-1.away keys/kek-1.key
about "Wrapped anew, it needs the new key alone."
secure-log reseal kek-2
rm keys/kek-1.key
SECURE_LOG_KEK_LABEL=kek-2 secure-log open-payload 2
about "A data key that somebody deleted is found, as no entry says that it was erased."
grep -v '"t":"dek"' audit.jsonl >deleted.jsonl
secure-log verify --log deleted.jsonl | grep -e '^\$' -e verdict -e finding
secure-log open-payload 2 --log deleted.jsonl
