//! What is in an entry that is to be stored.

use secure_log::entry::{EntryRef, Severity};
use secure_log::record::EntryRow;
use secure_log::store::StoreError;
use secure_log::time::Timestamp;

use crate::columns::micros;

/// What is found in an entry's bytes, for the columns that it is found by.
#[derive(Debug)]
pub struct Content<'c> {
    /// Microseconds since 1970.
    pub time: i64,
    /// From 0 on, the greatest the most serious.
    pub severity: i64,
    /// Event type, producer and session.
    pub words: [&'c str; 3],
}

impl<'c> Content<'c> {
    /// That of the entry of a commit, whose bytes are those of an entry of its stream and seqno.
    #[inline]
    pub fn of(row: EntryRow<'c>) -> Result<Content<'c>, Refused> {
        let entry = EntryRef::decode(row.bytes).map_err(|error| Refused(error.to_string()))?;
        if (entry.seqno, entry.stream) != (row.seqno, row.stream) {
            return Err(refused("the entry's bytes are not those of its stream and seqno"));
        }
        let severity: Severity = entry.severity.parse().map_err(|_| refused("the entry has no severity"))?;
        let time: Timestamp = entry.time.parse().map_err(|_| refused("the entry has no time"))?;
        let words = [entry.event, entry.producer, entry.session];
        Ok(Content { time: micros(time), severity: severity as i64, words })
    }
}

/// Why a record breaks the contract.
#[derive(Debug)]
pub struct Refused(pub String);

impl Refused {
    /// The record with this number.
    pub fn at(self, number: u64) -> StoreError {
        StoreError::Corrupt { at: format!("record {number} of the commit"), detail: self.0 }
    }
}

/// A number that the tables cannot hold.
impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        match error {
            StoreError::Corrupt { detail, .. } => Refused(detail),
            other => Refused(other.to_string()),
        }
    }
}

/// Why one does, in these words.
pub fn refused(detail: &str) -> Refused {
    Refused(detail.into())
}

#[cfg(test)]
pub(crate) mod tests {
    use secure_log::hash::Hash;

    use super::*;

    pub(crate) fn entry() -> EntryRef<'static> {
        EntryRef {
            version: 1,
            stream: "s",
            session: "session-1",
            boot: "boot",
            seqno: 3,
            time: "2023-11-14T22:13:20.000001500Z",
            event: "login",
            severity: "alert",
            producer: "sshd",
            encoding: "text",
            payload: b"somebody came",
            prev: &[0; 32],
        }
    }

    fn of(entry: &EntryRef<'_>) -> Result<(i64, i64, [String; 3]), String> {
        let bytes = entry.encode();
        let row = EntryRow { seqno: 3, stream: "s", hash: Hash([0; 32]), bytes: &bytes };
        Content::of(row)
            .map(|content| (content.time, content.severity, content.words.map(str::to_owned)))
            .map_err(|refused| refused.at(9).to_string())
    }

    #[test]
    fn an_entry_says_what_it_is_found_by() {
        let words = ["login", "sshd", "session-1"].map(str::to_owned);
        assert_eq!(of(&entry()), Ok((1_700_000_000_000_001, Severity::Alert as i64, words)));
    }

    #[test]
    fn what_is_not_the_entry_of_its_row_is_refused_for_its_own_reason() {
        let entry = entry();
        for (other, reason) in [
            (EntryRef { seqno: 4, ..entry }, "not those of its stream and seqno"),
            (EntryRef { stream: "t", ..entry }, "not those of its stream and seqno"),
            (EntryRef { severity: "dire", ..entry }, "no severity"),
            (EntryRef { time: "never", ..entry }, "no time"),
        ] {
            let refused = of(&other).unwrap_err();
            assert!(refused.contains(reason) && refused.contains("record 9 of the commit"), "{refused}");
        }
        let row = EntryRow { seqno: 3, stream: "s", hash: Hash([0; 32]), bytes: b"none" };
        assert!(Content::of(row).is_err());
    }
}
