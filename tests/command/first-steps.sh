use_key_folder
secure-log key generate checkpoint-ed25519
secure-log open
secure-log append app login "anna from 10.0.0.7"
secure-log append app login "bob from 10.0.0.8" --severity=warning --producer gate --encoding text/plain
printf '\377\376' | secure-log append app core-dump -
secure-log append app heartbeat
secure-log append app note -- --a-text-with-dashes
printf 'one\ntwo\n\nfour' | secure-log append app line --lines
printf 'one\ntwo\nthree\n' | secure-log append app line --lines --batch 2 --severity debug
secure-log append app line --lines </dev/null
secure-log read 2
secure-log read 3
secure-log head app
secure-log close app
secure-log list entries
secure-log list entries app --from 2 --to 5 --limit 2
secure-log list streams
secure-log list segments
secure-log sign 1
secure-log list segments app
secure-log sign --head
secure-log checkpoints app
secure-log prove 2
run prove 2 | secure-log prove --check
secure-log verify
secure-log verify --stream app
secure-log verify --stream app --from 3 --to 4
secure-log status
about "Streams with rules of their own."
secure-log create-stream payments --suite blake3 --sign entries --description "what was paid"
secure-log append payments paid 100
secure-log change-suite payments sha-256
secure-log append payments paid 200
secure-log close payments
secure-log deprecate payments
secure-log list streams
secure-log verify
secure-log list segments --from 2 --to 2
secure-log list streams --limit 1
