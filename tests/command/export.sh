create_hostile() {
    quietly append door opened "by Ann" --severity warning
    quietly append app login '=HYPERLINK("http://example.org","x")'
    quietly append app said "$(printf 'one\r\ntwo "quoted"')"
    quietly append '=stream' event "$(printf 'turned \xe2\x80\xaearound')"
    quietly append door closed "by Bob"
}
create_hostile
key() { run key show checkpoint-ed25519 --name "$1" | sed -n 's/^verifier key: //p'; }
printf 'log %s\nquorum none\n' "$(key example.org/log)" >policy.txt
echo 'quorum none' >nobody.txt
about "Rows for other programs."
secure-log export --format csv --to rows.csv
tr -d '\r' <rows.csv | sed 's/\xe2\x80\xae/<U+202E>/' | cut -c 1-150
secure-log export --format ocsf --stream door --json --to door.ocsf
sed -n 1p door.ocsf | cut -c 1-160
secure-log export --format otlp --from 2 --last 3 | cut -c 1-175
about "A part of the log in its own lines is evidence."
run export --stream door >door.bundle
secure-log verify-evidence --policy policy.txt <door.bundle | head -n 4
about "The log, and the log again."
secure-log export --to copy.jsonl
cmp audit.jsonl copy.jsonl && echo "the same bytes"
secure-log import copy.jsonl --policy policy.txt --log other.jsonl
run export --log other.jsonl | cmp - copy.jsonl && echo "the same bytes"
SECURE_LOG_TRUST="$(cat policy.txt)" secure-log import - --log third.jsonl --json <copy.jsonl | cut -c 1-80
about "What does not verify is not imported."
sed 's/by Ann/by Eve/' copy.jsonl >edited.jsonl
secure-log import edited.jsonl --policy policy.txt --log none.jsonl | head -n 5
sed '/"seqno":3,/d' copy.jsonl | secure-log import - --policy policy.txt --log none.jsonl | head -n 5
secure-log import copy.jsonl --policy nobody.txt --log none.jsonl | head -n 5
ls none.jsonl* 2>/dev/null | grep -v lock
secure-log import copy.jsonl --policy nobody.txt --log none.jsonl --incomplete | head -n 5
about "What is refused."
secure-log export --to copy.jsonl
secure-log export --format xml
secure-log export --stream nobody --format csv
secure-log export --stream door --from 3
secure-log export --open
secure-log import copy.jsonl --policy policy.txt
secure-log import missing.jsonl --policy policy.txt --log fourth.jsonl
secure-log import copy.jsonl --log fourth.jsonl
