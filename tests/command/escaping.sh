about "Colours, cursor movements, bells, marks of direction and line separators, in a payload and in names."
printf 'plain \033[2J\033[31mred\a \177 \302\233 \342\200\256gpj.exe \342\201\246 \342\200\250 \\n end\n' | secure-log append $'app\u202e' $'e\u2066' - --producer $'p\u200f'
secure-log read 1
secure-log list entries
secure-log list streams
secure-log head $'app\u202e'
secure-log read 1 --json
secure-log list entries --json
secure-log close $'app\u202e'
secure-log list segments
about "In errors."
secure-log $'ver\eb'
secure-log read $'1\e[31m'
secure-log read --$'o\e[31m'
secure-log head $'nothing\e[31m\u202e'
secure-log head $'nothing\e[31m\u202e' --json
secure-log append app e --severity $'\u202e'
secure-log append app e --producer $'a\eb'
secure-log verify --stream $'app\u202e'
secure-log status --log $'no\e/such'
about "In what a tampered file says."
sed 's/"event":"e[^"]*"/"event":"\x1b[31m"/' audit.jsonl >tampered.jsonl
secure-log verify --log tampered.jsonl
sed '$s/^/{"t":"\xe2\x80\xae"}\n/' audit.jsonl >tampered.jsonl
secure-log verify --log tampered.jsonl
secure-log append app e --log tampered.jsonl
