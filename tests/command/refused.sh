quietly append app line hello
about "Not there, or there already."
secure-log read 0
secure-log read 2
secure-log head nothing
secure-log list entries nothing
secure-log list segments nothing
secure-log close nothing
secure-log sign 7
secure-log prove 1
secure-log prove 7
secure-log checkpoints nothing
secure-log create-stream app
secure-log verify --stream nothing
secure-log verify --stream app --from 2
secure-log change-suite nothing blake3
about "Over a limit, or not to be used."
secure-log append "$(printf '%256s' | tr ' ' x)" e
secure-log append "" e
secure-log append app ""
secure-log append app $'a\nb'
secure-log append secure-log e
secure-log append app secure-log.created
secure-log append app e x --encoding text+aead-xchacha20poly1305-v1
secure-log create-stream s --description "$(printf '%256s' | tr ' ' x)"
head -c 16777217 /dev/zero | secure-log append app e -
(echo first; head -c 16777217 /dev/zero | tr '\0' x; echo; echo third) | secure-log append app e --lines
secure-log open --log ""
about "Not possible, now or any more."
secure-log close app
secure-log close app
secure-log deprecate app
secure-log append app e
secure-log create-stream s --tier highly-restricted
about "What was refused is not in the log."
secure-log list entries
