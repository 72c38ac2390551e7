about "Two commands append to one log at the same time: both finish, and no line is lost."
quietly open
seq 300 | quietly append app one --lines --batch 10 &
seq 300 | quietly append app two --lines --batch 10 &
wait
run list entries | cut -f 5 | sort | uniq -c
run verify | head -n 3
