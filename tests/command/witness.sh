use_witness
about "Each head is cosigned: the log is anchored, and the witness's answers are rows."
secure-log append app login "anna from 10.0.0.7"
secure-log status
quietly append app logout "anna"
secure-log list witness-rows
secure-log list witness-rows --from 1 --to 1 --json
secure-log list witness-rows --limit 1
secure-log list witness-rows app
about "A proof counts under a head that the quorum of a policy cosigned; keys of others do not matter."
key=$(run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
other=$(run key show another --name example.org/log | sed -n 's/^verifier key: //p')
run prove-entry 1 >first.tlog-proof
printf 'log %s\n%s\n' "$key" "$SECURE_LOG_TRUST" >policy.txt
printf 'log %s\nwitness w stranger.example/w+318b66b4+BMCGXZBvfcH7yUeewOFx/RICCbU7YNk772WjOPOkK8va\nquorum w\n' "$key" >strangers.txt
secure-log verify-entry --policy policy.txt --json <first.tlog-proof
secure-log verify-entry --key "$other" --key "$key" --json <first.tlog-proof
secure-log verify-entry --policy strangers.txt <first.tlog-proof
secure-log verify-entry --key "$other" <first.tlog-proof
run head >head.note
cat head.note head.note | secure-log compare --policy strangers.txt
cat head.note head.note | secure-log compare --key "$other" --key "$key"
about "What is no policy, is not there, or trusts nobody."
echo "quorum nobody" >wrong.txt
secure-log verify-entry --policy wrong.txt <first.tlog-proof
secure-log verify-entry --policy nowhere.txt <first.tlog-proof
head -c 70000 /dev/zero >large.txt
secure-log verify-entry --policy large.txt <first.tlog-proof
secure-log verify-entry <first.tlog-proof
about "A segment is handed to an archive, which confirms it."
quietly close app
secure-log submissions 1
secure-log sign 1
secure-log submissions 1
secure-log submissions 1 --json
run submissions 1 >submission
make_archive_key
archive_signs submission >receipt
secure-log verify-receipt 1 --key "$archive" <receipt
secure-log verify-receipt 1 --key "$archive" --json <receipt
sed 's/^1 1 2$/1 1 1/' submission >other
archive_signs other | secure-log verify-receipt 1 --key "$archive"
secure-log verify-receipt 1 --key "$key" <receipt
sed 's/^1 1 2$/1 1 1/' receipt | secure-log verify-receipt 1 --key "$archive"
secure-log verify-receipt 2 --key "$archive" <receipt
echo nonsense | secure-log verify-receipt 1 --key "$archive"
about "A witness that is away is told once, and not for each entry."
with_one_away
quietly append app login "ben"
quietly append app login "ben again"
# How a host calls it differs from time to time.
secure-log list witness-rows --from 3 | sed 's/it did not answer: .*/it did not answer: .../'
about "Rows of long ago are dropped when an operator says so. The newest 256 stay."
secure-log collect-witness-rows 2
quietly append app line --lines --batch 1 < <(seq 260)
secure-log collect-witness-rows 2
secure-log collect-witness-rows 2
secure-log collect-witness-rows 1000000 --json
run list witness-rows | wc -l
secure-log verify
secure-log collect-witness-rows
secure-log collect-witness-rows all
