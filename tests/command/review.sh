# What passes between two commands differs from run to run, and so does which gap is larger.
without_gaps() { sed -E '/^  -?[0-9]+\.[0-9]{9} s, /d; s/"gaps":.*,"signers"/"gaps":<gaps>,"signers"/'; }
quietly append app user.login anna
quietly append app user.logout anna --severity warning
quietly append door opened "by anna" --producer "$(printf 'gate\342\200\256')"
quietly close app
quietly sign 1
about "The log, and one of its streams."
secure-log review | without_gaps
secure-log review door | without_gaps
secure-log review app --json | without_gaps
about "A stream that is not there."
secure-log review nobody
about "An action without an end."
quietly audit begin work '{"action":{"kind":"file-delete","path":"/a"},"actor":{"kind":"user","id":"anna"},"authorization":{"kind":"not-required"}}'
run review | sed -n '/^Entries by actor/,/^$/p; /^Actions/,$p'
about "An edited entry: what was counted is not to be trusted."
sed '/user.logout/s/"warning"/"notice"/' audit.jsonl >edited.jsonl
secure-log review --log edited.jsonl | without_gaps
secure-log review --log edited.jsonl --json | without_gaps
about "A line that is none, which keeps the log from being opened or read."
sed '4s/.*/nonsense/' audit.jsonl >nonsense.jsonl
secure-log review --log nonsense.jsonl | without_gaps
