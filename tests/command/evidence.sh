quietly create-stream vault --sign entries
quietly append vault opened "by anna"
quietly append app login "anna from 10.0.0.7"
quietly append vault closed "by anna"
quietly append app logout "anna"
key() { run key show checkpoint-ed25519 --name "$1" | sed -n 's/^verifier key: //p'; }
policy="log $(key example.org/log)
quorum none
signers
checkpoint-ed25519 $(key checkpoint-ed25519)"
echo "$policy" >policy.txt
echo "log nonsense" >nonsense.txt
about "An entry, a range and a stream, for somebody who has the log's key and nothing else."
secure-log evidence entry 2
secure-log evidence range 2 4 | sed 's/,"text":"log .*/.../'
secure-log evidence stream app | sed 's/,"text":"log .*/.../'
run evidence entry 2 >entry.bundle
run evidence range 2 4 >range.bundle
run evidence stream vault >stream.bundle
secure-log verify-evidence --policy policy.txt <entry.bundle
secure-log verify-evidence --policy policy.txt --json <range.bundle
SECURE_LOG_TRUST=$policy secure-log verify-evidence --json <stream.bundle
about "Under an older head; and a bundle stays what it was, however the log grows."
secure-log evidence entry 2 --size 2 | grep -c '"size":2'
quietly append app login "ben"
secure-log verify-evidence --policy policy.txt --json <stream.bundle
about "What is wrong."
sed 's/by anna/by eve/' entry.bundle | secure-log verify-evidence --policy policy.txt
grep -v '"seqno":3,' range.bundle | secure-log verify-evidence --policy policy.txt --json
sed '$d' stream.bundle | secure-log verify-evidence --policy policy.txt --json
grep -v '"t":"signature"' stream.bundle | secure-log verify-evidence --policy policy.txt --json
sed 's/"sign":"entries"/"sign":"none"/' entry.bundle | secure-log verify-evidence --policy policy.txt --json
echo nonsense | secure-log verify-evidence --policy policy.txt --json
secure-log verify-evidence --policy policy.txt --json <audit.jsonl
about "What could not be checked."
SECURE_LOG_TRUST="quorum none" secure-log verify-evidence <entry.bundle
about "What turns text around or steers a terminal does not reach it."
run append "$(printf 'a\xe2\x80\xaeb')" event "$(printf '\033[2J\xe2\x80\xae')" >said
run evidence stream "$(printf 'a\xe2\x80\xaeb')" | secure-log verify-evidence --policy policy.txt
about "What is refused."
secure-log evidence entry 9
secure-log evidence range 3 2
secure-log evidence range 3
secure-log evidence entry 3 --size 2
secure-log evidence stream nobody
secure-log evidence stream app 2
secure-log evidence log 1
secure-log verify-evidence <entry.bundle
secure-log verify-evidence --policy nonsense.txt <entry.bundle
