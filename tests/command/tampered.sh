for number in 1 2 3 4; do quietly append app line "number $number"; done
quietly close app
quietly sign 1
secure-log verify
sed 's/number 2/number 7/' audit.jsonl >edited.jsonl
about "An edited entry."
secure-log verify --log edited.jsonl
secure-log verify --log edited.jsonl --json
secure-log verify --log edited.jsonl --stream app
secure-log verify --log edited.jsonl --stream app --json
secure-log checkpoints app --log edited.jsonl
secure-log read 2 --log edited.jsonl
about "A deleted entry."
grep -v 'number 3' audit.jsonl >deleted.jsonl
secure-log verify --log deleted.jsonl
about "An edited root of a segment."
sed '/"t":"segment"/s/"root":"[0-9a-f]\{8\}/"root":"00000000/' audit.jsonl >root.jsonl
secure-log verify --log root.jsonl
about "A line that is none."
sed '4s/.*/nonsense/' audit.jsonl >nonsense.jsonl
secure-log verify --log nonsense.jsonl
about "A proof for another entry, under another root, and what is no proof."
run prove 2 | sed 's/"seqno":2/"seqno":3/' | secure-log prove --check
run prove 2 | secure-log prove --check --root 00000000000000000000000000000000000000000000000000000000000000ff
run prove 2 | sed 's/"segment":1/"segment":9/' | secure-log prove --check
echo nonsense | secure-log prove --check
run prove 2 | secure-log prove --check --root 00
