export SECURE_LOG_KEK_LABEL=kek-2026
about "A stream whose payloads are sealed: what is stored shows nothing, and who has the wrapping key opens it."
secure-log create-stream ward --tier protected
printf 'the patient is Ann' | secure-log append ward admitted - --sealed --producer desk
printf 'one\ntwo\n' | secure-log append ward note --lines --sealed
secure-log read 2 | sed 's/^b64: .*/b64: .../'
grep -c 'Ann' audit.jsonl
secure-log open-payload 2
secure-log open-payload --stream ward
secure-log open-payload --stream ward --from 3 --json
about "It is verified as it stands, and with --open also whether it opens."
secure-log verify | grep -e '^\$' -e verdict -e unopened
secure-log verify --open | grep -e '^\$' -e verdict -e unopened
about "Whoever would write to the wrong stream writes nothing."
secure-log append ward admitted "in clear"
secure-log append door opened "secret" --sealed
quietly append door opened "by Ben"
secure-log append door opened "secret" --sealed
secure-log append ward admitted x --sealed --encoding text+aead-xchacha20poly1305-v1
secure-log open-payload 5
secure-log open-payload 99
about "In a highly-restricted stream events and producers are pseudonyms, too."
quietly create-stream court --tier highly-restricted
quietly append court hearing "of Ann" --sealed --producer "judge 4"
secure-log list entries court --from 7 | cut -f 3-6
secure-log pseudonym court producer "judge 4"
secure-log pseudonym court event-type hearing --json
secure-log open-payload 7
secure-log pseudonym ward producer desk
secure-log pseudonym court time now
about "What was erased is gone, and everything else verifies as before."
quietly close ward
quietly append ward admitted "the patient is Cem" --sealed
run prove-entry 2 >proof
secure-log erase ward segment 1
secure-log erase ward segment 1 --json
secure-log open-payload 2
secure-log open-payload --stream ward | sed 's/^\([0-9]*\)\t/\1 /'
say "exit code: ${PIPESTATUS[0]}"
secure-log read 2 | grep -e '^\$' -e event -e encoding
secure-log verify --open | grep -e '^\$' -e verdict -e erased -e unopened
run verify-entry --key "$(run key show checkpoint-ed25519 --name "$SECURE_LOG_ORIGIN" | sed -n 's/^verifier key: //p')" <proof | head -n 3
about "A range ends where a data key does, and each close has a new one."
printf 'Dan\nEve\n' | run append ward admitted --lines --sealed >appended
secure-log erase ward range 11 11
secure-log erase ward range 11 12
secure-log open-payload 11
about "All of a stream; a highly-restricted one takes no more then."
secure-log erase court stream
secure-log append court hearing "of Ben" --sealed
secure-log erase door stream
about "Data keys are wrapped anew, and no entry changes."
secure-log status | grep -e '^\$' -e size
secure-log reseal kek-2027
secure-log reseal kek-2027 --json
secure-log status | grep -e '^\$' -e size
grep -c '"kek":"kek-2026"' audit.jsonl
SECURE_LOG_KEK_LABEL=kek-2027 secure-log open-payload --stream ward --from 5
about "What is not understood, or cannot be meant."
secure-log open-payload
secure-log open-payload 2 --stream ward
secure-log open-payload 2 --from 2
secure-log open-payload --stream nothing
secure-log erase ward
secure-log erase ward all
secure-log erase ward segment
secure-log erase ward segment 7
secure-log erase nothing stream
secure-log erase ward range 9
secure-log erase ward range 9 8
secure-log erase ward stream 1
secure-log reseal kek-2028 --stream nothing
secure-log verify --open --stream ward
secure-log erase ward stream --log nowhere.jsonl
