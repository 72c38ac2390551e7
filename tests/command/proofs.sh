quietly append app login "anna from 10.0.0.7"
quietly append app logout "anna"
secure-log key show checkpoint-ed25519 --name example.org/log
key=$(run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
about "The signed head of the log; it is written nowhere."
secure-log head
run head >older.note
about "An entry, for somebody who has the log's key and nothing else."
secure-log prove-entry 1
run prove-entry 1 >first.tlog-proof
secure-log verify-entry --key "$key" <first.tlog-proof
secure-log verify-entry --key "$key" --json <first.tlog-proof
about "A proof stays what it was, however the log grows; heads have it that it did."
quietly append app login "ben"
run head >newer.note
secure-log verify-entry --key "$key" --json <first.tlog-proof
secure-log prove-entry 1 --size 2 --json
secure-log prove-consistency 2
run prove-consistency 2 >growth
secure-log prove-consistency 2 3 --json
cat older.note newer.note | secure-log compare --key "$key"
cat newer.note older.note growth | secure-log compare --key "$key"
about "Another log under the same name and key: what each of two people was shown is evidence together."
SECURE_LOG=other.jsonl quietly append app login "eve"
SECURE_LOG=other.jsonl quietly append app logout "eve"
SECURE_LOG=other.jsonl run head >other.note
SECURE_LOG=other.jsonl run prove-entry 1 >other.tlog-proof
cat older.note other.note | secure-log compare --key "$key"
cat older.note other.note | run compare --key "$key" >evidence
secure-log compare --key "$key" <evidence
cat newer.note other.note | secure-log compare --key "$key"
about "Of heads of different sizes, an entry under each shows it."
run prove-entry 1 >newer.tlog-proof
cat newer.tlog-proof other.tlog-proof | secure-log compare --key "$key"
cat newer.tlog-proof other.tlog-proof | run compare --key "$key" | secure-log compare --key "$key" --json
about "What is wrong, and what could not be checked."
sed 's/^index 0/index 1/' first.tlog-proof | secure-log verify-entry --key "$key"
sed 's/^2$/3/' first.tlog-proof | secure-log verify-entry --key "$key"
sed '1d' first.tlog-proof | secure-log verify-entry --key "$key"
stranger=$(SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 8) run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
secure-log verify-entry --key "$stranger" <first.tlog-proof
cat older.note other.note | secure-log compare --key "$stranger"
about "Several keys, and a whole trust policy: one of them is enough."
secure-log verify-entry --key "$stranger" --key "$key" --json <first.tlog-proof
printf 'log %s\nquorum none\n' "$key" >policy.txt
secure-log verify-entry --policy policy.txt --json <first.tlog-proof
cat older.note other.note | secure-log compare --key "$stranger" --policy policy.txt
cat older.note other.note | run compare --policy policy.txt | secure-log compare --policy policy.txt
about "And what else is wrong."
cat older.note older.note | secure-log compare --key "$key"
sed 's/^index 0/index 7/' evidence | sed '$d' | secure-log compare --key "$key"
about "What is refused."
secure-log prove-entry 4
secure-log prove-entry 3 --size 2
secure-log prove-entry 1 --size 7
secure-log prove-consistency 3 2
secure-log verify-entry <first.tlog-proof
secure-log compare --key "$key" <older.note
secure-log compare --key nonsense <evidence
