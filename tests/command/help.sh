secure-log
secure-log --help
secure-log --version
for verb in open status append read open-payload head list query create-stream change-suite deprecate pseudonym reseal erase audit close sign \
    checkpoints submissions prove prove-entry prove-consistency verify verify-entry verify-page verify-receipt compare collect-witness-rows recover key help; do
    secure-log help "$verb"
done
secure-log read --help
about "What is not understood is named, and nothing is done."
secure-log verfiy
secure-log app
secure-log help nothing
secure-log read
secure-log read 1 2
secure-log read -1
secure-log read x
secure-log read 1 --format xml
secure-log append app login --severity loud
secure-log append app login text --lines
secure-log append app login --batch 5
secure-log append app login --lines --batch 0
secure-log list nothing
secure-log list streams --from 2
secure-log sign
secure-log sign 1 --head
secure-log prove 1 --check
secure-log recover
secure-log recover --adopt --set-aside
secure-log verify --from 2
secure-log verify --stream app --from 3 --to 2
secure-log key lose it
secure-log key show
about "No log is named."
unset SECURE_LOG
secure-log status
SECURE_LOG= secure-log status
secure-log status --json
ls -A
