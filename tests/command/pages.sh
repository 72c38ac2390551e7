quietly append app user.login "anna"
quietly append door opened "by anna" --severity notice
quietly append app user.login.failed "bob \"quoted\" $(printf '\342\200\256')" --severity warning
quietly append app user.logout "anna"
key=$(run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
about "A page for somebody who has the log's key and nothing else: of a stream, nothing is left out between its rows."
secure-log query --stream app --proofs
run query --stream app --proofs >app.jsonl
SECURE_LOG=none.jsonl secure-log verify-page --stream app --key "$key" <app.jsonl
secure-log verify-page --stream app --key "$key" --json <app.jsonl
about "Of a range likewise, page by page; and of anything else it is said that others may have been left out."
for limit in 3 2; do
    secure-log query --proofs --limit $limit >>all.jsonl
    cursor=$(tail -n 1 all.jsonl | sed -n 's/.*"next":"\([^"]*\)".*/\1/p')
    run query --proofs --limit $limit --cursor "$cursor" >>all.jsonl
    grep '"proof"' all.jsonl | secure-log verify-page --key "$key" | grep -v '^head'
    rm all.jsonl
done
run query --severity notice --newest-first --proofs >severe.jsonl
secure-log verify-page --severity notice --newest-first --key "$key" <severe.jsonl
about "What was pruned is listed apart."
quietly close door
quietly retention prune --keep entries:0
run query --from 2 --to 3 --proofs | secure-log verify-page --from 2 --to 3 --key "$key"
about "A row that is left out or changed, a page that is skipped, and the answer to another question."
run query --proofs --limit 3 >pages.jsonl
cursor=$(sed -n 's/.*"next":"\([^"]*\)".*/\1/p' pages.jsonl)
run query --proofs --limit 3 --cursor "$cursor" >>pages.jsonl
secure-log verify-page --stream app --key "$key" <severe.jsonl
secure-log verify-page --severity error --newest-first --key "$key" <severe.jsonl
tail -n 1 pages.jsonl | secure-log verify-page --key "$key" --json
sed 's/user.logout/user.log-in/' app.jsonl | secure-log verify-page --stream app --key "$key"
sed -E 's/\{[^}]*"seqno\\":3[^}]*\}\\n//' app.jsonl | secure-log verify-page --stream app --key "$key"
about "Keys and policies, and what is no page."
stranger=$(SECURE_LOG_KEYSTORE_SEED=$(printf '%064d' 8) run key show checkpoint-ed25519 --name example.org/log | sed -n 's/^verifier key: //p')
secure-log verify-page --stream app --key "$stranger" <app.jsonl
printf 'log %s\nquorum none\n' "$key" >policy.txt
secure-log verify-page --stream app --policy policy.txt <app.jsonl | head -n 3
secure-log verify-page --stream app <app.jsonl
secure-log verify-page --key "$key" </dev/null
echo nonsense | secure-log verify-page --key "$key"
echo '{"proof":7}' | secure-log verify-page --key "$key" --json
echo '{"proof":"secure-log/query-page@v1"}' | secure-log verify-page --key "$key"
secure-log verify-page --text '' --key "$key" <app.jsonl
secure-log query --proofs --limit 0
secure-log query --proofs --cursor 00
