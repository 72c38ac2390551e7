# A PostgreSQL server of a script's own, with the programs of Debian's package or those on the PATH. Sourced, never run, after lib.sh
# and with $work set to a folder that the script removes at its end.
#
#   have_postgres                  whether there are such programs
#   start_postgres                 begins a server in $work/postgres; postgres_config names it
#   stop_postgres                  ends it
#
# PostgreSQL refuses to run as root: as root it gets the rights of the user postgres, or nobody.

postgres_bin=$({ compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb || :; } | sort -V | tail -1)
postgres_bin=${postgres_bin%/initdb}
postgres_process=
# What a program is begun with, to have other rights than root's.
postgres_rights=(env)

have_postgres() { [ -n "$postgres_bin" ] && [ -x "$postgres_bin/postgres" ]; }

start_postgres() {
    local folder=$work/postgres
    mkdir -p "$folder"
    printf 'secret' >"$folder/password"
    if [ "$(id -u)" = 0 ]; then
        local user=postgres
        id -u "$user" >/dev/null 2>&1 || user=nobody
        postgres_rights=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
        # Only the way to it, and nothing else in $work.
        chmod a+x "$work"
        chown -R "$user" "$folder"
    fi
    (
        cd /
        exec "${postgres_rights[@]}" "$postgres_bin/initdb" --auth=scram-sha-256 --username=postgres \
            --pwfile="$folder/password" --encoding=UTF8 --locale=C --no-sync -D "$folder/data"
    ) >"$folder/initdb.said" 2>&1 || { cat "$folder/initdb.said"; fail "initdb failed"; }
    postgres_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    # The process that is remembered becomes the server.
    (
        cd /
        exec "${postgres_rights[@]}" "$postgres_bin/postgres" -D "$folder/data" -p "$postgres_port" \
            -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 "$@"
    ) >"$folder/said" 2>&1 &
    postgres_process=$!
    local tries=0
    until psql_there "SELECT 1" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || { cat "$folder/said"; fail "PostgreSQL does not begin"; }
        sleep 0.1
    done
}

stop_postgres() {
    [ -z "$postgres_process" ] || { kill -INT "$postgres_process" 2>/dev/null && wait "$postgres_process" 2>/dev/null; } || :
    postgres_process=
}

# postgres_config <log>: a connection string for a log.
postgres_config() { printf 'postgresql://postgres:secret@127.0.0.1:%s/postgres?sslmode=disable&log=%s' "$postgres_port" "$1"; }

psql_there() {
    PGPASSWORD=secret "$postgres_bin/psql" --no-psqlrc -qtA -h 127.0.0.1 -p "$postgres_port" -U postgres -d postgres \
        -v ON_ERROR_STOP=1 -c "$1"
}
