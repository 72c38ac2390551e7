# Tests an HTTP service against a client that is made of its OpenAPI document: schemathesis sends what the document allows and what
# it does not, and holds every answer against it. Sourced after lib.sh by scripts that have a folder $work and a service at $url with
# the log app, in which there are entries, and whose token is $token.

# by_openapi [option of schemathesis]..
by_openapi() {
    describe
    # A tail has no end, and is tested over sockets.
    (cd "$work" && "$tools/schemathesis/bin/schemathesis" run openapi.json --url "$url" --header "Authorization: Bearer $token" \
        --exclude-path '/v1/logs/{id}/tail' "$@")
}

# describe: the document, in which the only log is the one that there is; and what cannot be said in a schema.
describe() {
    curl --silent --fail "$url/openapi.json" | python3 -c '
import json, sys
document = json.load(sys.stdin)
for methods in document["paths"].values():
    for operation in methods.values():
        for parameter in operation["parameters"]:
            if (parameter["in"], parameter["name"]) == ("path", "id"):
                parameter["schema"] = {"enum": ["app"]}
json.dump(document, sys.stdout)' >"$work/openapi.json"
    cat >"$work/schemathesis.toml" <<'END'
# A cursor is what a page gave out, and a range ends behind its beginning.
[[operations]]
include-name = "GET /v1/logs/{id}/records"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "GET /v1/logs/{id}/consistency/{first}"
checks.positive_data_acceptance.enabled = false

# A part of the log in its own lines is a stream from its first entry on, or a range that is there.
[[operations]]
include-name = "GET /v1/logs/{id}/export"
checks.positive_data_acceptance.enabled = false

# Names of the log's own are refused, lengths are of bytes and not of characters, and a key is used once.
[[operations]]
include-name = "POST /v1/logs/{id}/records"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "422"]
END
}
