agent='"actor":{"kind":"agent","id":"agent-7","on_behalf_of":{"kind":"user","id":"alice"}},"authorization":{"kind":"not-required"}'
about "Who did what, by what right, and how it ended. The event is written by hand, and recorded in its one spelling."
secure-log audit record s-1 "{ $agent, \"action\": {\"kind\":\"file-read\", \"path\":\"/srv/report.txt\"} }"
secure-log read 1 | grep -e '^\$' -e '^event' -e '^encoding' -e '^severity'
secure-log audit events
secure-log audit events --json | cut -c 1-160
about "What is no event is refused, and says why."
secure-log audit record s-1 "{$agent}"
secure-log audit record s-1 "{$agent,\"action\":{\"kind\":\"file-read\",\"path\":\"\"}}"
secure-log audit record s-1 "{$agent,\"action\":{\"kind\":\"file-read\",\"path\":\"/a\",\"path\":\"/b\"}}"
secure-log audit record s-1 "{$agent,\"action\":{\"kind\":\"file-read\",\"path\":\"/a\"},\"outcome\":{\"result\":\"begun\"}}"
secure-log audit record
secure-log audit watch
secure-log audit sessions now
about "Nothing is done unrecorded: an action begins only where the exit code is 0, and its end names the entry."
secure-log audit begin s-1 "{$agent,\"action\":{\"kind\":\"file-delete\",\"path\":\"/srv/report.txt\"}}"
secure-log audit review
secure-log audit complete 2 --failure "no such file"
secure-log audit review
secure-log audit complete 1
secure-log audit begin s-1 '{"actor":{"kind":"agent","id":"agent-7"},"authorization":{"kind":"denied","reason":"no capability"},"action":{"kind":"file-delete","path":"/etc/passwd"}}'
secure-log audit begin s-1 "{$agent,\"action\":{\"kind\":\"server-stopped\",\"server\":\"files\"}}" --log /not-opened/audit.jsonl
about "A value that the log must not show: whoever keeps the salt can show it later."
run audit conceal "swordfish" >concealed
sed 's/^/concealed: /' concealed
commitment=$(sed -n 's/^commitment: //p' concealed) salt=$(sed -n 's/^salt: //p' concealed)
quietly audit record s-2 "{$agent,\"action\":{\"kind\":\"file-read\",\"path\":\"/a\",\"content\":{\"commitment\":\"$commitment\"}}}" --signed
secure-log audit disclose 5 content swordfish --salt "$salt"
printf catfish | secure-log audit disclose 5 content - --salt "$salt"
secure-log audit disclose 5 content swordfish --salt 00
about "Or the log keeps the salt, sealed, until it is erased."
secure-log audit conceal swordfish --session s-2 --member content
export SECURE_LOG_KEK_LABEL=kek-1
run audit conceal swordfish --session s-2 --member content >concealed
sed 's/^/concealed: /' concealed
commitment=$(sed -n 's/^commitment: //p' concealed) id=$(sed -n 's/^id: //p' concealed)
secure-log audit record s-2 "{\"id\":\"$id\",$agent,\"action\":{\"kind\":\"file-read\",\"path\":\"/b\",\"content\":{\"commitment\":\"$commitment\"}}}" | sed 's/{.*}/.../'
event=$(run audit events --json --session s-2 | tail -n 1 | sed 's/{"seqno":\([0-9]*\).*/\1/')
secure-log audit disclose "$event" content swordfish
secure-log audit disclose "$event" content catfish
secure-log audit disclose 5 content swordfish
secure-log audit erase-salts s-2
secure-log audit disclose "$event" content swordfish
secure-log audit conceal swordfish --session s-2
secure-log audit conceal swordfish --session s-2 --member content --id 7
unset SECURE_LOG_KEK_LABEL
about "Sessions, and each verified alone."
secure-log audit end s-1 "{$agent,\"action\":{\"kind\":\"session-ended\"}}"
secure-log audit record s-1 "{$agent,\"action\":{\"kind\":\"file-delete\",\"path\":\"/late\"}}"
secure-log audit sessions
secure-log audit verify s-1
secure-log audit verify s-2 --json
secure-log audit verify s-3
secure-log audit verify | grep -e '^\$' -e '^verdict' -e '^review' -e '^development'
about "Who did what."
secure-log audit trail user:alice --limit 2
secure-log audit trail agent:agent-8
secure-log audit trail agent-7
secure-log audit events --category security
secure-log audit events --session s-2 --json | cut -c 1-60
about "What the trail is read by, made anew."
secure-log reindex
secure-log audit trail agent:agent-7
about "A session under other rules."
secure-log audit record s-4 "{$agent,\"action\":{\"kind\":\"custom\",\"name\":\"invoice.paid\",\"category\":\"security\",\"document\":7}}" --suite blake3 --sign entries --producer "billing 3"
secure-log audit events --category security
secure-log audit verify s-4 | grep -e '^\$' -e '^signed'
about "An entry that claims to be an event and is none is named, and hides no other."
quietly append session/s-2 file-read.success '{}' --encoding secure-log.audit.v1+json
secure-log audit events --session s-2
secure-log audit verify s-2
secure-log audit review
