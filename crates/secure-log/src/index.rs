//! The index: under which keys an entry is found.
//!
//! A key is derived from an entry's payload by a function that everybody can compute, the same for ever. So the index is no
//! part of the log: no line of it says a key, whoever has the entries can build it anew, and a full verification computes
//! every key again and compares ([`crate::engine::SecureLog::verify_log`]).
//!
//! **In scope**: the keys of the events of the audit profile (docs/audit.md): who acted, and on whose behalf. **Out of scope**:
//! reading events, which is the work of the crate `secure-log-audit`; keeping rows, which is a store's; and payloads that are
//! sealed, which have no keys, as an index must not show what is sealed.
//!
//! ```
//! use secure_log::index::{actor_key, keys};
//!
//! let payload = br#"{"action":{},"actor":{"id":"agent-7","kind":"agent","on_behalf_of":{"id":"alice","kind":"user"}}}"#;
//! let found: Vec<_> = keys("secure-log.audit.v1+json", payload).collect();
//! assert_eq!(found, [actor_key("agent", "agent-7"), actor_key("user", "alice")]);
//! assert_eq!(keys("application/json", payload).count(), 0);
//! ```

use core::fmt;

use crate::entry::EntryRef;
use crate::hash::Hash;

mod scan;

pub(crate) use scan::{Actor, Principal, Told, spelled_actor};

/// A key of the index: the first 16 bytes of a hash of what it stands for, so that stores need no collation and no name
/// stands where only a pseudonym should.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IndexKey(pub [u8; 16]);

impl fmt::Display for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An entry under one of its keys. Rows are ordered by key and then by seqno.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IndexRow {
    /// The key.
    pub key: IndexKey,
    /// The entry.
    pub seqno: u64,
}

/// Hashed before everything else, so that a key is no other hash of the log.
const LABEL: &str = "secure-log/v1/index\n";

/// The key of who acted, or on whose behalf: what it is, such as `user`, and its id.
///
/// Neither has a line feed in an event, so that no two of them have one key.
pub fn actor_key(kind: &str, id: &str) -> IndexKey {
    let hash = Hash::sha256(&[LABEL.as_bytes(), b"actor\n", kind.as_bytes(), b"\n", id.as_bytes()].concat());
    let mut key = IndexKey::default();
    key.0.copy_from_slice(&hash.0[..16]);
    key
}

/// The keys of an entry with this payload, each once.
///
/// Only payloads of the audit profile have any, and of those only what says who acted in the one spelling that the profile
/// has for it: a verification of the profile finds every other one.
pub fn keys(encoding: &str, payload: &[u8]) -> impl Iterator<Item = IndexKey> + use<> {
    Recent::default().keys(encoding, payload)
}

/// The keys of one entry after the other. Those of the last one are remembered, as most have their actor in common with it.
#[derive(Default)]
pub(crate) struct Recent {
    spelled: Vec<u8>,
    keys: [Option<IndexKey>; 2],
}

impl Recent {
    /// The same as [`keys`].
    pub(crate) fn keys(&mut self, encoding: &str, payload: &[u8]) -> impl Iterator<Item = IndexKey> + use<> {
        let spelled = if is_audit(encoding) { spelled_actor(payload) } else { None };
        let keys = spelled.map(|spelled| {
            if self.spelled != spelled {
                self.keys = keys_of(spelled);
                spelled.clone_into(&mut self.spelled);
            }
            self.keys
        });
        keys.into_iter().flatten().flatten()
    }
}

/// The keys of an actor that is spelled so.
fn keys_of(spelled: &[u8]) -> [Option<IndexKey>; 2] {
    let key = |principal: Principal<'_>| actor_key(&principal.kind, &principal.id);
    let Some(Actor { who, on_behalf_of }) = Actor::read(spelled) else { return [None; 2] };
    let who = key(who);
    [Some(who), on_behalf_of.map(key).filter(|other| *other != who)]
}

/// The rows of an entry with these canonical bytes. Bytes that are no entry have none.
pub fn rows(bytes: &[u8]) -> impl Iterator<Item = IndexRow> + use<> {
    let (seqno, keys) = match EntryRef::decode(bytes) {
        Ok(entry) => (entry.seqno, Some(keys(entry.encoding, entry.payload))),
        Err(_) => (0, None),
    };
    keys.into_iter().flatten().map(move |key| IndexRow { key, seqno })
}

/// Whether it names a version of the audit profile's events.
pub(crate) fn is_audit(encoding: &str) -> bool {
    let version = encoding.strip_prefix("secure-log.audit.v").and_then(|rest| rest.strip_suffix("+json"));
    version.is_some_and(|version| !version.is_empty() && version.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_change() {
        assert_eq!(actor_key("user", "alice").to_string(), "7f2b11880ddb19c75ab450408e37705f");
        assert_ne!(actor_key("user", "alice"), actor_key("agent", "alice"));
    }

    #[test]
    fn only_versions_of_the_profile_that_are_not_sealed_have_keys() {
        let payload = br#"{"actor":{"id":"alice","kind":"user"}}"#;
        let count = |encoding: &str| keys(encoding, payload).count();
        for encoding in ["secure-log.audit.v1+json", "secure-log.audit.v20+json"] {
            assert_eq!(count(encoding), 1, "{encoding}");
        }
        for encoding in [
            "secure-log.audit.v+json",
            "secure-log.audit.v1",
            "secure-log.audit.v1a+json",
            "secure-log.audit.v1+json+aead-xchacha20poly1305-v1",
            "secure-log.audit.v-1+json",
            "application/json",
            "",
        ] {
            assert_eq!(count(encoding), 0, "{encoding}");
        }
    }

    #[test]
    fn what_is_remembered_is_never_the_key_of_another() {
        let event = |id: &str| format!(r#"{{"actor":{{"id":"{id}","kind":"user"}}}}"#);
        let [alice, bob] = [event("alice"), event("bob")];
        let nobody = r#"{"actor":{"id":"alice"}}"#;
        let mut recent = Recent::default();
        for payload in [&alice, &alice, &bob, nobody, &alice, "{}", &alice, nobody, nobody, &bob] {
            for encoding in ["secure-log.audit.v1+json", "application/json"] {
                let found: Vec<_> = recent.keys(encoding, payload.as_bytes()).collect();
                assert_eq!(found, keys(encoding, payload.as_bytes()).collect::<Vec<_>>(), "{encoding} {payload}");
            }
        }
    }

    #[test]
    fn who_acts_for_themselves_has_one_row() {
        let payload = br#"{"actor":{"id":"alice","kind":"user","on_behalf_of":{"id":"alice","kind":"user"}}}"#;
        assert_eq!(keys("secure-log.audit.v1+json", payload).count(), 1);
    }
}
