//! The table of routes. The router and the OpenAPI document are both made of it, so that they cannot differ.

use crate::problem::Problem;
use crate::token::Scope;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table says what each does")]
pub enum Operation {
    Health,
    Ready,
    Metrics,
    OpenApi,
    ExplainProblem,
    CreateLog,
    ListLogs,
    ShowLog,
    Append,
    QueryRecords,
    ReadRecord,
    ListStreams,
    ListSegments,
    ProveInclusion,
    ProveConsistency,
    TlogProof,
    SignCheckpoint,
    ReadCheckpoint,
    Export,
    Tail,
    Verify,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Anybody.
    Nothing,
    /// Who has a token with this scope, for the log that the path names, or for all logs where it names none.
    Scope(Scope),
    /// Who has a token with this scope, for the log that the body names.
    ScopeOfPosted(Scope),
    /// Who has any token. What is answered is cut down to its logs.
    Token,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Place {
    Path,
    Query,
    Header,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name of a log.
    LogId,
    /// A number from this one on.
    Number(u64),
    /// A number from 1 to what a page has at most.
    Limit,
    /// Text that is not empty, of so many bytes at most.
    Text(usize),
    /// The same, and it may be empty.
    AnyText(usize),
    /// An idempotency key.
    Key,
    /// A part of a payload, of so many bytes at most.
    Payload(usize),
    /// A time of RFC 3339.
    Time,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The name of a case of a problem.
    Case,
    /// A kind and an id.
    Actor,
    /// What a page before gave out.
    Cursor,
}

/// A parameter of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Param {
    pub name: &'static str,
    pub place: Place,
    pub kind: Kind,
    pub required: bool,
    pub repeated: bool,
    pub about: &'static str,
}

/// What is posted to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Posted {
    Nothing,
    Records,
    NewLog,
    Signing,
}

/// A method of a path.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub operation: Operation,
    pub needs: Needs,
    pub params: &'static [Param],
    pub posted: Posted,
    pub status: u16,
    pub answers: &'static [&'static str],
    /// Problems that are its own, beside those of every route.
    pub problems: &'static [u16],
    pub about: &'static str,
}

const fn query(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { name, place: Place::Query, kind, required: false, repeated: false, about }
}

const fn repeated(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { repeated: true, ..query(name, kind, about) }
}

const fn required(param: Param) -> Param {
    Param { required: true, ..param }
}

const fn header(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { place: Place::Header, ..query(name, kind, about) }
}

const fn path(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { place: Place::Path, required: true, ..query(name, kind, about) }
}

const ID: Param = path("id", Kind::LogId, "The name of the log.");
const SEQNO: Param = path("seqno", Kind::Number(1), "The place of the entry in the log.");
const AFTER: Param = query("after", Kind::Number(0), "Where the page before ended.");
const LIMIT: Param = query("limit", Kind::Limit, "So many at most; 100 if nothing is said.");

const FILTER: [Param; 15] = [
    ID,
    repeated("stream", Kind::Text(255), "Only of such a stream; `*` stands for any run of characters."),
    repeated("event", Kind::Text(255), "Only of such an event type, likewise."),
    query("producer", Kind::AnyText(255), "Only what this one reported."),
    query("severity", Kind::Word(&SEVERITIES), "Only what is as serious, or more."),
    query("session", Kind::AnyText(255), "Only what was written in this session."),
    query("actor", Kind::Actor, "Only what this one did, or was done on its behalf."),
    query("since", Kind::Time, "Only what was written then or later."),
    query("before", Kind::Time, "Only what was written before."),
    query("from", Kind::Number(0), "Only entries from this seqno on."),
    query("to", Kind::Number(0), "Only entries up to this seqno."),
    query("text", Kind::Payload(255), "Only payloads that hold this text."),
    query("order", Kind::Word(&["asc", "desc"]), "The oldest entry first, or the newest."),
    LIMIT,
    query("cursor", Kind::Cursor, "`next` of the page before, with the same filter and order."),
];

const QUERY: [Param; 16] = {
    let mut params = [query("proofs", Kind::Flag, "The page is one that can be checked without the log."); 16];
    let mut at = 0;
    while at < FILTER.len() {
        params[at] = FILTER[at];
        at += 1;
    }
    params
};

const SEVERITIES: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

const JSON: &[&str] = &["application/json"];
const TEXT: &[&str] = &["text/plain; charset=utf-8"];

/// Every route.
pub static ROUTES: [Route; 21] = [
    Route {
        method: "GET",
        path: "/healthz",
        operation: Operation::Health,
        needs: Needs::Nothing,
        params: &[],
        posted: Posted::Nothing,
        status: 200,
        answers: TEXT,
        problems: &[],
        about: "Whether the server is there.",
    },
    Route {
        method: "GET",
        path: "/readyz",
        operation: Operation::Ready,
        needs: Needs::Nothing,
        params: &[],
        posted: Posted::Nothing,
        status: 200,
        answers: TEXT,
        problems: &[503],
        about: "Whether it takes requests: its store answers, and it is not being stopped.",
    },
    Route {
        method: "GET",
        path: "/metrics",
        operation: Operation::Metrics,
        needs: Needs::Scope(Scope::Read),
        params: &[],
        posted: Posted::Nothing,
        status: 200,
        answers: &["text/plain; version=0.0.4; charset=utf-8"],
        problems: &[],
        about: "What it counts, for Prometheus.",
    },
    Route {
        method: "GET",
        path: "/openapi.json",
        operation: Operation::OpenApi,
        needs: Needs::Nothing,
        params: &[],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[],
        about: "This document.",
    },
    Route {
        method: "GET",
        path: "/problems/{case}",
        operation: Operation::ExplainProblem,
        needs: Needs::Nothing,
        params: &[path("case", Kind::Case, "The last part of the `type` of a problem.")],
        posted: Posted::Nothing,
        status: 200,
        answers: TEXT,
        problems: &[404],
        about: "What a problem is.",
    },
    Route {
        method: "POST",
        path: "/v1/logs",
        operation: Operation::CreateLog,
        needs: Needs::ScopeOfPosted(Scope::Admin),
        params: &[],
        posted: Posted::NewLog,
        status: 201,
        answers: JSON,
        problems: &[409],
        about: "Makes a log. The token has to be for that log.",
    },
    Route {
        method: "GET",
        path: "/v1/logs",
        operation: Operation::ListLogs,
        needs: Needs::Token,
        params: &[query("after", Kind::LogId, "`next` of the page before."), LIMIT],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[],
        about: "The names of the logs that the token is for.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}",
        operation: Operation::ShowLog,
        needs: Needs::Scope(Scope::Read),
        params: &[ID],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "What is known of a log: its size and root, up to where it is attested, and where its last head is.",
    },
    Route {
        method: "POST",
        path: "/v1/logs/{id}/records",
        operation: Operation::Append,
        needs: Needs::Scope(Scope::Append),
        params: &[
            ID,
            header(
                "idempotency-key",
                Kind::Key,
                "Makes the request safe to repeat: the same key with the same body is appended once.",
            ),
        ],
        posted: Posted::Records,
        status: 201,
        answers: JSON,
        problems: &[404, 409, 415, 422],
        about: "Appends all records or none, durably.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/records",
        operation: Operation::QueryRecords,
        needs: Needs::Scope(Scope::Read),
        params: &QUERY,
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404, 409],
        about: "A page of the entries that are like this.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/records/{seqno}",
        operation: Operation::ReadRecord,
        needs: Needs::Scope(Scope::Read),
        params: &[ID, SEQNO],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "An entry, with its hash.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/streams",
        operation: Operation::ListStreams,
        needs: Needs::Scope(Scope::Read),
        params: &[ID, AFTER, LIMIT],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "The streams, in the order in which they were made.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/segments",
        operation: Operation::ListSegments,
        needs: Needs::Scope(Scope::Read),
        params: &[ID, required(query("stream", Kind::Text(255), "The stream.")), AFTER, LIMIT],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "The closed segments of a stream.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/inclusion/{seqno}",
        operation: Operation::ProveInclusion,
        needs: Needs::Scope(Scope::Read),
        params: &[
            ID,
            SEQNO,
            query("size", Kind::Number(1), "Under the head of this size; the log's own if nothing is said."),
        ],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "Proves that an entry stands at its place in the log tree.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/consistency/{first}",
        operation: Operation::ProveConsistency,
        needs: Needs::Scope(Scope::Read),
        params: &[
            ID,
            path("first", Kind::Number(1), "The smaller size."),
            query("second", Kind::Number(1), "The larger size; the log's own if nothing is said."),
        ],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "Proves that the log of one size begins with that of a smaller one.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/proof/{seqno}",
        operation: Operation::TlogProof,
        needs: Needs::Scope(Scope::Read),
        params: &[ID, SEQNO, query("size", Kind::Number(1), "Under the signed head of this size, and not the newest.")],
        posted: Posted::Nothing,
        status: 200,
        answers: TEXT,
        problems: &[404, 409],
        about: "An entry with its proof and a signed head, to be checked with the log's key alone: a C2SP tlog-proof.",
    },
    Route {
        method: "POST",
        path: "/v1/logs/{id}/checkpoint",
        operation: Operation::SignCheckpoint,
        needs: Needs::Scope(Scope::Sign),
        params: &[ID],
        posted: Posted::Signing,
        status: 200,
        answers: JSON,
        problems: &[404, 409, 415],
        about: "Has the head signed as it stands now, and given to the anchor.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/checkpoint",
        operation: Operation::ReadCheckpoint,
        needs: Needs::Scope(Scope::Read),
        params: &[ID],
        posted: Posted::Nothing,
        status: 200,
        answers: TEXT,
        problems: &[404, 409],
        about: "The newest signed head, as a C2SP signed note.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/export",
        operation: Operation::Export,
        needs: Needs::Scope(Scope::Read),
        params: &[
            ID,
            query("format", Kind::Word(&["jsonl", "csv", "ocsf", "otlp"]), "The form; jsonl if nothing is said."),
            query("stream", Kind::Text(255), "Only entries of this stream."),
            query("from", Kind::Number(1), "The first seqno."),
            query("to", Kind::Number(1), "The last seqno."),
        ],
        posted: Posted::Nothing,
        status: 200,
        answers: &["application/x-ndjson", "text/csv; charset=utf-8"],
        problems: &[404, 409],
        about: "Entries in a form that other programs read.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/tail",
        operation: Operation::Tail,
        needs: Needs::Scope(Scope::Read),
        params: &[
            ID,
            repeated("topic", Kind::Text(511), "Only entries with such a topic: `eu/+/user/login/#`."),
            query("from", Kind::Number(1), "The first seqno; what is appended from now on if nothing is said."),
            header("last-event-id", Kind::Number(0), "Goes on behind this seqno, whatever `from` says."),
        ],
        posted: Posted::Nothing,
        status: 200,
        answers: &["text/event-stream"],
        problems: &[404],
        about: "Entries as soon as they are durable, as server-sent events.",
    },
    Route {
        method: "GET",
        path: "/v1/logs/{id}/verify",
        operation: Operation::Verify,
        needs: Needs::Scope(Scope::Admin),
        params: &[ID],
        posted: Posted::Nothing,
        status: 200,
        answers: JSON,
        problems: &[404],
        about: "Verifies all of the log, with what is appended meanwhile.",
    },
];

/// The route of a request, and what stands in the places of its path.
pub(crate) struct Matched<'p> {
    pub(crate) route: &'static Route,
    pub(crate) captures: Vec<(&'static str, &'p str)>,
}

impl Matched<'_> {
    pub(crate) fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }
}

/// Why there is no route.
pub(crate) enum Unmatched {
    Path,
    /// The path has these methods.
    Method {
        allowed: String,
        asked: bool,
    },
}

impl From<Unmatched> for Problem {
    fn from(unmatched: Unmatched) -> Problem {
        match unmatched {
            Unmatched::Path => Problem::new("not-found"),
            Unmatched::Method { allowed, .. } => Problem::new("method-not-allowed").header("allow", allowed),
        }
    }
}

impl Route {
    /// The route that does this.
    pub fn of(operation: Operation) -> &'static Route {
        ROUTES.iter().find(|route| route.operation == operation).expect("each operation has a route")
    }

    /// What stands in the places of the path, if it is of this form.
    fn captures<'p>(&self, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
        let mut captures = Vec::new();
        let mut parts = path.split('/');
        for expected in self.path.split('/') {
            let part = parts.next()?;
            match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !part.is_empty() => captures.push((name, part)),
                None if part == expected => {}
                _ => return None,
            }
        }
        parts.next().is_none().then_some(captures)
    }

    /// Finds the route of a request. `HEAD` is a `GET` whose body is not sent.
    pub(crate) fn find<'p>(method: &str, path: &'p str) -> Result<Matched<'p>, Unmatched> {
        let wanted = if method == "HEAD" { "GET" } else { method };
        let mut allowed: Vec<&str> = Vec::new();
        for route in &ROUTES {
            if let Some(captures) = route.captures(path) {
                if route.method == wanted {
                    return Ok(Matched { route, captures });
                }
                allowed.push(route.method);
                if route.method == "GET" {
                    allowed.push("HEAD");
                }
            }
        }
        if allowed.is_empty() {
            return Err(Unmatched::Path);
        }
        allowed.push("OPTIONS");
        Err(Unmatched::Method { allowed: allowed.join(", "), asked: method == "OPTIONS" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_found_by_its_own_path_and_names_its_captures() {
        for route in &ROUTES {
            let path =
                route.path.replace("{id}", "a").replace("{seqno}", "1").replace("{first}", "1").replace("{case}", "x");
            let found = Route::find(route.method, &path).unwrap_or_else(|_| panic!("{path}"));
            assert_eq!(found.route.operation, route.operation, "{path}");
            for (name, _) in found.captures {
                assert!(route.params.iter().any(|param| param.place == Place::Path && param.name == name), "{path}");
            }
            let places = route.params.iter().filter(|param| param.place == Place::Path).count();
            assert_eq!(places, route.path.matches('{').count(), "{}", route.path);
            assert_eq!(Route::of(route.operation).path, route.path, "an operation has one route");
        }
        assert_eq!(QUERY.map(|param| param.name)[13..], ["limit", "cursor", "proofs"]);
    }

    #[test]
    fn what_has_no_route_says_why() {
        for path in [
            "",
            "/",
            "//",
            "/v1",
            "/v1/logs/",
            "/v1/logs/a/",
            "/v1/logs//records",
            "/v1/logs/a/records/1/2",
            "/V1/logs",
        ] {
            assert!(matches!(Route::find("GET", path), Err(Unmatched::Path)), "{path}");
        }
        let Err(Unmatched::Method { allowed, asked: false }) = Route::find("DELETE", "/v1/logs/a/records") else {
            panic!()
        };
        assert_eq!(allowed, "POST, GET, HEAD, OPTIONS");
        assert!(matches!(Route::find("OPTIONS", "/v1/logs"), Err(Unmatched::Method { asked: true, .. })));
        assert!(matches!(Route::find("get", "/v1/logs"), Err(Unmatched::Method { asked: false, .. })));
        assert!(Route::find("HEAD", "/v1/logs").is_ok());
    }

    #[test]
    fn the_documentation_shows_each_route() {
        let page = include_str!("../../../docs/http.md").split_whitespace().collect::<Vec<_>>().join(" ");
        for route in &ROUTES {
            let shown = route.path.replace("{id}", "app").replace("{seqno}", "3").replace("{first}", "3");
            let shown = shown.replace("{case}", "<case>");
            let found = page.match_indices(&format!("{} {shown}", route.method)).any(|(at, found)| {
                // Not one that only begins like it.
                !page[at + found.len()..].starts_with(['/', '-'])
            });
            assert!(found, "{} {shown}", route.method);
            for param in route.params.iter().filter(|param| param.place == Place::Query) {
                assert!(page.contains(&format!("{}=", param.name)), "{} {shown}: {}", route.method, param.name);
            }
        }
    }
}
