quietly create-stream app
quietly append app user.login anna
quietly append app user.logout anna
quietly append door opened "by anna"
quietly close app
about "What is there, of all topics and of some."
secure-log tail --from 1 --end
secure-log tail --from 1 --end --topic app/user/+ --topic 'door/#'
secure-log tail --from 3 --end --limit 1 --topic '#'
secure-log tail --from 2 --end --topic app/user/login/# --json
secure-log tail --end
about "What other commands append, as it comes."
run tail --from 4 --topic '+/user/#' --topic '+/secure-log/#' --limit 4 >followed.txt 2>&1 &
follower=$!
# Once it has printed the last entry that was there, it waits for more.
until [ -s followed.txt ]; do sleep 0.1; done
quietly append app user.login bob
quietly append app door.ignored bob
quietly append shop user.paid bob --json
quietly append shop user.paid bob
wait $follower
cat followed.txt
about "From where it ended, nothing is missed."
secure-log tail --from 9 --end
quietly append app user.login carl
secure-log tail --from 9 --end --json
about "A cursor that is of another log, and what is no filter."
secure-log tail --from 99999
secure-log tail --topic 'app/#/user'
secure-log tail --topic app+
secure-log tail --topic ''
