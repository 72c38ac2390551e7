//! What went wrong, as a problem document of RFC 9457.
//!
//! Each case of [`LogError`] has a case here, with the same facts as members; so a client branches on `type` and never reads a
//! sentence. What only the operator should know, such as paths in the errors of a store, is in the response's note alone.

use secure_log::error::LogError;
use secure_log::limits::{Invalid, Problem as Limit};
use secure_log::providers::KeyError;
use secure_log::store::StoreError;
use serde_json::{Map, Value, json};

use crate::json::text_of;
use crate::message::Response;

pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Where the cases are explained: `type` is this and the case.
pub(crate) const TYPES: &str = "/problems/";

/// Every case: its status, and what it is called.
pub const CASES: &[(&str, u16, &str)] = &[
    // Of the request itself.
    ("not-found", 404, "There is nothing at this path"),
    ("method-not-allowed", 405, "The path has no such method"),
    ("unauthorized", 401, "A bearer token is needed that is known here and has not expired"),
    ("forbidden", 403, "The token does not allow this"),
    ("too-many-requests", 429, "The token makes more requests than it may"),
    ("busy", 503, "More requests wait than may wait"),
    ("stopping", 503, "The service is being stopped"),
    ("malformed", 400, "The request is not of the form that is expected"),
    ("unsupported-media-type", 415, "The body is of another type than is read here"),
    ("body-too-large", 413, "The body is longer than it may be"),
    ("target-too-long", 414, "The path and its query are longer than they may be"),
    ("body-timeout", 408, "The body was not there in time"),
    ("headers-too-large", 431, "The headers are longer than they may be"),
    ("idempotency-key-reused", 422, "The idempotency key was used with another body"),
    ("idempotency-key-in-use", 409, "A request with this idempotency key is under way"),
    ("log-exists", 409, "There is a log of this name"),
    ("too-many-logs", 503, "More logs are open than may be"),
    // Of the log: the cases of its errors.
    ("log-not-found", 404, "There is no such log"),
    ("entry-not-found", 404, "There is no such entry, or it was pruned"),
    ("stream-not-found", 404, "There is no such stream"),
    ("stream-exists", 409, "There is a stream of this name"),
    ("stream-deprecated", 409, "The stream takes no more entries"),
    ("log-closed", 409, "The log was closed and takes no more entries"),
    ("stream-protected", 409, "What is appended to the stream has to be sealed"),
    ("stream-not-protected", 409, "Nothing is sealed in the stream"),
    ("not-sealed", 409, "The payload is not sealed"),
    ("payload-erased", 410, "The payload was erased on record"),
    ("data-key-missing", 500, "A data key is gone, and no entry says that it was erased"),
    ("data-key-refused", 500, "A data key is not what was wrapped"),
    ("payload-refused", 500, "A payload is not what was sealed"),
    ("pseudonym-key-missing", 409, "The stream's key for pseudonyms is gone"),
    ("erases-more", 409, "A data key seals more than was to be erased"),
    ("chain-broken", 500, "What the store answered does not fit the hashes"),
    ("inclusion-mismatch", 500, "A proof does not show the entry"),
    ("segment-not-found", 404, "There is no such segment"),
    ("head-not-found", 404, "There is no head of this size"),
    ("head-unsigned", 409, "The head is not signed by a key of the log"),
    ("not-covered", 404, "The entry came after the log had this size"),
    ("unprovable-sizes", 400, "Nothing can be proven between these sizes"),
    ("empty-segment", 409, "Nothing was appended to the stream since its last close"),
    ("not-implemented", 501, "This version cannot do that"),
    ("invalid", 400, "An argument breaks a limit"),
    ("conflict", 503, "Other writers were faster several times in a row; nothing was written"),
    ("rollback", 500, "The store was rolled back or cut"),
    ("fork", 500, "The store or the anchor shows another history"),
    ("anchor-missing", 500, "The anchor knows of no such log"),
    ("anchor", 503, "The anchor did not take the head"),
    ("unattested", 500, "No trusted key attests entries of the log"),
    ("policy-mismatch", 500, "The log's or a stream's rules are not those that the hashes are bound to"),
    ("invalid-record", 500, "A check of the record failed"),
    ("key-not-found", 409, "There is no such key"),
    ("unsupported-algorithm", 500, "The key is of a kind that cannot be used"),
    ("access-denied", 500, "The key may not be used"),
    ("keystore", 503, "The keystore failed"),
    ("key-ended", 500, "The key ended, and the log goes on under another one"),
    ("mac-key-missing", 500, "Entries of the keyed suite cannot be re-hashed"),
    ("random", 500, "There are no random bytes"),
    ("locked", 503, "Another writer holds the store"),
    ("corrupt", 500, "What the store holds is damaged"),
    ("later-version", 500, "A later version wrote to the log"),
    ("config", 500, "The store's configuration cannot be used"),
    ("storage", 503, "The store failed; what became of a write is unknown"),
    ("misconfigured", 503, "The service is misconfigured, and its operator is told how"),
    ("internal", 500, "A fault of the service"),
];

/// A problem: a case, what can be said of it, and facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    case: &'static str,
    status: u16,
    title: &'static str,
    detail: Option<String>,
    facts: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
    note: Option<String>,
}

impl Problem {
    /// One of [`CASES`].
    pub(crate) fn new(case: &str) -> Problem {
        let found = CASES.iter().find(|(name, ..)| *name == case);
        let (case, status, title) = *found.expect("each case that is named in this crate is in the table");
        Problem { case, status, title, detail: None, facts: Map::new(), headers: Vec::new(), note: None }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn fact(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.facts.insert(name.into(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Problem {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Problem {
        self.note = Some(note.into());
        self
    }

    /// Says when to try again.
    pub(crate) fn retry_after(self, seconds: u64) -> Problem {
        self.header("retry-after", seconds.to_string())
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new("malformed").detail(detail)
    }

    /// Which case it is.
    pub fn case(&self) -> &'static str {
        self.case
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Response {
        let Problem { case, status, title, detail, facts, headers, note } = problem;
        let mut document = Map::new();
        document.insert("type".into(), format!("{TYPES}{case}").into());
        document.insert("title".into(), title.into());
        document.insert("status".into(), status.into());
        if let Some(detail) = detail {
            document.insert("detail".into(), detail.into());
        }
        document.extend(facts);
        let mut response = Response::of(status, PROBLEM_JSON, text_of(&Value::Object(document)));
        response.headers.extend(headers);
        response.note = note;
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Problem {
        let problem = Problem::new("invalid").detail(invalid.to_string()).fact("field", invalid.field);
        match invalid.problem {
            Limit::TooLong { limit, found } | Limit::TooMany { limit, found } => {
                problem.fact("limit", limit).fact("found", found)
            }
            _ => problem,
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Problem {
        let said = error.to_string();
        let of = |case: &str| Problem::new(case).detail(said.clone());
        match error {
            // The origin is in the detail.
            LogError::LogNotFound { .. } => of("log-not-found"),
            LogError::EntryNotFound(seqno) => of("entry-not-found").fact("seqno", seqno),
            LogError::StreamNotFound(name) => of("stream-not-found").fact("stream", name),
            LogError::StreamExists(name) => of("stream-exists").fact("stream", name),
            LogError::StreamDeprecated(name) => of("stream-deprecated").fact("stream", name),
            LogError::LogClosed { size } => of("log-closed").fact("size", size),
            LogError::StreamProtected(name) => of("stream-protected").fact("stream", name),
            LogError::StreamNotProtected(name) => of("stream-not-protected").fact("stream", name),
            LogError::NotSealed(seqno) => of("not-sealed").fact("seqno", seqno),
            LogError::PayloadErased(seqno) => of("payload-erased").fact("seqno", seqno),
            LogError::DataKeyMissing(seqno) => of("data-key-missing").fact("seqno", seqno),
            LogError::DataKeyRefused { id, kek } => {
                of("data-key-refused").fact("data_key", id.to_hex()).fact("key", kek)
            }
            LogError::PayloadRefused(seqno) => of("payload-refused").fact("seqno", seqno),
            LogError::PseudonymKeyMissing(name) => of("pseudonym-key-missing").fact("stream", name),
            LogError::ErasesMore { first, last } => of("erases-more").fact("first", first).fact("last", last),
            LogError::ChainBroken { seqno, reason } => of("chain-broken").fact("seqno", seqno).fact("reason", reason),
            LogError::InclusionMismatch { seqno, segment } => {
                of("inclusion-mismatch").fact("seqno", seqno).fact("segment", segment)
            }
            LogError::SegmentNotFound(id) => of("segment-not-found").fact("segment", id),
            LogError::HeadNotFound(size) => of("head-not-found").fact("size", size),
            LogError::HeadUnsigned(size) => of("head-unsigned").fact("size", size),
            LogError::NotCovered { seqno, size } => of("not-covered").fact("seqno", seqno).fact("size", size),
            LogError::UnprovableSizes { old, new } => of("unprovable-sizes").fact("first", old).fact("second", new),
            LogError::EmptySegment(name) => of("empty-segment").fact("stream", name),
            LogError::NotImplemented(_) => of("not-implemented"),
            LogError::Invalid(invalid) => invalid.into(),
            LogError::Conflict => of("conflict").retry_after(1),
            LogError::Rollback { expected, found } => of("rollback").fact("expected", expected).fact("found", found),
            LogError::Fork { expected, found } => of("fork").fact("expected", expected).fact("found", found),
            LogError::AnchorMissing { size } => of("anchor-missing").fact("size", size),
            LogError::Unattested { first, last } => of("unattested").fact("first", first).fact("last", last),
            LogError::PolicyMismatch(what) => of("policy-mismatch").fact("what", what),
            LogError::InvalidRecord(finding) => {
                of("invalid-record").fact("code", finding.code.as_str()).fact("at", finding.at.to_string())
            }
            LogError::KeyEnded { identity, last, successor } => {
                of("key-ended").fact("identity", identity).fact("last", last).fact("successor", successor)
            }
            LogError::MacKeyMissing { stream, configured } => of("mac-key-missing")
                .fact("stream", stream)
                .fact("configured", configured.map_or(Value::Null, |id| json!(const_hex::encode(id.0)))),
            // What follows may name paths and addresses.
            LogError::Anchor(_) => Problem::new("anchor").retry_after(1).note(said),
            LogError::Key(error) => key(&error).note(said),
            LogError::Random(_) => Problem::new("random").note(said),
            LogError::Store(error) => store(&error).note(said),
            _ => Problem::new("internal").note(said),
        }
    }
}

/// The variables that a signing key comes from.
pub(crate) const KEY_VARIABLES: &str = "set SECURE_LOG_KEYSTORE_DIR to a folder of key files, or SECURE_LOG_KEYSTORE_SEED \
     to 32 random bytes in hex, and SECURE_LOG_HEAD_IDENTITY to the label of the key, and start the server again";

fn key(error: &KeyError) -> Problem {
    match error {
        KeyError::NotFound(_) => {
            Problem::new("key-not-found").detail(format!("the server has no such key: {KEY_VARIABLES}"))
        }
        KeyError::UnsupportedAlgorithm(_) => Problem::new("unsupported-algorithm"),
        KeyError::AccessDenied(_) => Problem::new("access-denied"),
        _ => Problem::new("keystore").retry_after(1),
    }
}

fn store(error: &StoreError) -> Problem {
    match error {
        StoreError::Conflict { .. } => Problem::new("conflict").retry_after(1),
        StoreError::Locked { .. } => Problem::new("locked").retry_after(1),
        StoreError::Corrupt { .. } => Problem::new("corrupt"),
        StoreError::LaterVersion { .. } => Problem::new("later-version"),
        StoreError::Config(_) => Problem::new("config"),
        _ => Problem::new("storage").retry_after(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Body;
    use secure_log::hash::Hash;
    use secure_log::providers::{AnchorError, RandomError};

    fn document(problem: Problem) -> Value {
        let response = Response::from(problem);
        assert_eq!(response.header("content-type"), Some(PROBLEM_JSON));
        let Body::Bytes(bytes) = response.body else { panic!("a document") };
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn cases_are_told_apart_and_keep_their_facts() {
        let names: std::collections::BTreeSet<_> = CASES.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), CASES.len());
        let found = document(LogError::ChainBroken { seqno: 7, reason: "other" }.into());
        assert_eq!(found["type"], "/problems/chain-broken");
        assert_eq!((&found["status"], &found["seqno"], &found["reason"]), (&json!(500), &json!(7), &json!("other")));
        let invalid = Invalid { field: "stream", problem: Limit::TooLong { limit: 255, found: 300 } };
        let found = document(LogError::Invalid(invalid).into());
        assert_eq!((&found["field"], &found["limit"], &found["found"]), (&json!("stream"), &json!(255), &json!(300)));
        let found = document(LogError::DataKeyRefused { id: Hash::ZERO, kek: "k".into() }.into());
        assert_eq!((&found["data_key"], &found["key"]), (&json!("00".repeat(32)), &json!("k")));
    }

    #[test]
    fn what_may_name_a_path_is_the_operators_alone() {
        let secret = || String::from("/srv/audit/log.jsonl");
        for error in [
            LogError::Store(StoreError::Io { operation: secret(), detail: secret() }),
            LogError::Store(StoreError::Corrupt { at: secret(), detail: secret() }),
            LogError::Store(StoreError::Config(secret())),
            LogError::Store(StoreError::Locked { detail: secret() }),
            LogError::Store(StoreError::LaterVersion { at: secret(), what: secret() }),
            LogError::Key(KeyError::NotFound(secret())),
            LogError::Key(KeyError::AccessDenied(secret())),
            LogError::Key(KeyError::Backend(secret())),
            LogError::Key(KeyError::UnsupportedAlgorithm(secret())),
            LogError::Anchor(AnchorError::Unavailable(secret())),
            LogError::Random(RandomError(secret())),
        ] {
            let response = Response::from(Problem::from(error.clone()));
            assert!(response.note.as_ref().is_some_and(|note| note.contains(&secret())), "{error:?}");
            assert!(!format!("{:?} {:?}", response.body, response.headers).contains("/srv"), "{error:?}");
        }
    }

    #[test]
    fn a_missing_key_names_what_to_set() {
        let found = document(LogError::Key(KeyError::NotFound("x".into())).into());
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.contains("SECURE_LOG_KEYSTORE_DIR") && detail.contains("SECURE_LOG_HEAD_IDENTITY"), "{detail}");
    }
}
