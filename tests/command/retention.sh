quietly append door opened "by Ann"
quietly append door closed "by Bob"
quietly close door
quietly append door opened "by Carl"
quietly append "board minutes" decided "nothing"
quietly close "board minutes"
about "Presets are periods with names."
secure-log retention presets
secure-log retention presets --json
about "A dry run says what would go, and why the rest would not. Nothing is written."
secure-log retention plan --keep never
secure-log retention plan --keep entries:0
secure-log retention plan --keep entries:0 --stream door --json
secure-log retention plan --keep entries:0 --floor one-year
secure-log retention plan --keep for:90d --stream "board minutes"
run status | grep '^size'
about "What one stream keeps, a file says."
printf 'log entries:0\nstream never board minutes\n' >retention.txt
secure-log retention plan --retention retention.txt
secure-log retention prune --retention retention.txt --json
secure-log retention prune --retention retention.txt
secure-log read 1
secure-log list entries door
run verify | grep -E '^(verdict|pruned)'
about "What is no policy, and what cannot be pruned."
secure-log retention plan
secure-log retention prune --floor 1y
secure-log retention prune --keep "never floor"
secure-log retention prune --keep forever
secure-log retention prune --keep for:5m
secure-log retention prune --keep never --retention retention.txt
secure-log retention prune --keep entries:0 --stream secure-log
secure-log retention prune --keep entries:0 --stream absent
secure-log retention list --keep never
