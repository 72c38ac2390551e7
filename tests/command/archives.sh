key() { run key show checkpoint-ed25519 --name "$1" | sed -n 's/^verifier key: //p'; }
printf 'log %s\nquorum none\n' "$(key example.org/log)" >policy.txt
quietly append door opened "front"
quietly append door opened "back"
about "A log is closed for good and written to a file that verifies alone."
secure-log archive --to one.jsonl
cmp audit.jsonl one.jsonl && echo "the same bytes"
ls one.jsonl*
secure-log append door opened "late"
secure-log append windows opened "late"
about "Called again, it is answered as if it had been written now."
secure-log archive --to one.jsonl --json
run head >head-1.txt
about "Another log says what it continues, and is called after it."
secure-log continue head-1.txt --log two.jsonl
unset SECURE_LOG_ORIGIN
secure-log continue head-1.txt --log two.jsonl
secure-log continue - --log two.jsonl --json <head-1.txt | cut -c 1-60
export SECURE_LOG=two.jsonl
secure-log append door opened "front again"
quietly archive --to two-archived.jsonl
run head >head-2.txt
export SECURE_LOG=three.jsonl
quietly continue head-2.txt
quietly append door opened "and again"
secure-log continue head-1.txt
about "Each continues the one before it, and the live log is the last."
secure-log verify-archives one.jsonl two-archived.jsonl --live --policy policy.txt
about "What is missing is named; what is in the wrong order, twice or cut is found."
secure-log verify-archives one.jsonl --live --policy policy.txt --json
secure-log verify-archives two-archived.jsonl one.jsonl --policy policy.txt | head -n 4
secure-log verify-archives one.jsonl one.jsonl --policy policy.txt --page
head -n 4 one.jsonl >cut.jsonl
secure-log verify-archives cut.jsonl two-archived.jsonl --policy policy.txt | head -n 4
about "What is refused."
secure-log archive
secure-log archive --to head-1.txt
secure-log archive --to nowhere/three.jsonl
secure-log append door opened "still open"
secure-log verify-archives --policy policy.txt
secure-log verify-archives absent.jsonl --policy policy.txt
secure-log continue one.jsonl --log four.jsonl
[ -e four.jsonl ] || echo "and nothing was made"
