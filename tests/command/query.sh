quietly append app user.login "anna from here"
quietly append app user.login.failed "bob from there" --severity warning
quietly append door opened "by anna" --severity notice
printf 'anna \033[2J\342\200\256gpj.exe' | quietly append door $'closed\u2066' -
quietly append app user.logout "Anna left"
about "By what entries say, and by several things at once."
secure-log query --stream app
secure-log query --stream 'a*' --stream 'do?r' --event '*.failed'
secure-log query --severity notice
secure-log query --text anna --producer command --stream door
secure-log query --text anna --to 4 --from 2 --newest-first
secure-log query --since 2020-01-01T00:00:00+01:00 --before 2021-01-01T00:00:00Z
secure-log query --actor user:anna
about "What a producer wrote is shown escaped."
secure-log query --event 'closed*'
secure-log query --event 'closed*' --json
about "A page, and what follows it."
secure-log query --stream app --limit 2 >page.txt
sed 's/^next: .*/next: a cursor/' page.txt
cursor=$(sed -n 's/^next: *//p' page.txt)
secure-log query --stream app --limit 2 --cursor "$cursor"
about "What is no query."
secure-log query --stream door --cursor "$cursor"
secure-log query --cursor 00
secure-log query --text ''
secure-log query --since yesterday
secure-log query --from 3 --to 2
secure-log query --severity loud
secure-log query --actor anna
secure-log query --limit none
