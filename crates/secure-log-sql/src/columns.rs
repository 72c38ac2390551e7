//! The columns that entries are found by. No hash covers them: they are what the entry says, and can be computed of it again.

use secure_log::entry::{EntryRef, Severity};
use secure_log::record::Record;
use secure_log::store::StoreError;
use secure_log::time::Timestamp;

use crate::{Row, Values};

/// What an entry says in these columns.
#[derive(Debug, PartialEq)]
pub struct Columns<'e> {
    /// Microseconds since 1970.
    pub time: Option<i64>,
    /// From 0 on, the greatest the most serious.
    pub severity: Option<i64>,
    /// Event type, producer and session.
    pub words: [Option<&'e str>; 3],
}

impl<'e> Columns<'e> {
    const NONE: Columns<'static> = Columns { time: None, severity: None, words: [None; 3] };

    /// Those of an entry with these bytes: nothing once it is pruned. `None` where the bytes are no entry, which the verifier judges.
    pub fn of(bytes: Option<&'e [u8]>) -> Option<Columns<'e>> {
        let Some(bytes) = bytes else { return Some(Columns::NONE) };
        let entry = EntryRef::decode(bytes).ok()?;
        Some(Columns {
            time: entry.time.parse().ok().map(micros),
            severity: entry.severity.parse::<Severity>().ok().map(|severity| severity as i64),
            words: [entry.event, entry.producer, entry.session].map(Some),
        })
    }
}

/// Whoever reads all records finds out whether somebody has edited a column: those of this row begin at `at`, with words as texts.
/// Its first column is the seqno.
pub fn check<'r>(row: &Row<impl Values<'r>>, record: &Record<'_>, at: usize) -> Result<(), StoreError> {
    let word = |place: usize| row.optional_text(at + 2 + place);
    let found = Columns {
        time: row.optional_integer(at)?,
        severity: row.optional_integer(at + 1)?,
        words: [word(0)?, word(1)?, word(2)?],
    };
    let bytes = if let Record::Entry(row) = record { Some(row.bytes) } else { None };
    match Columns::of(bytes) {
        Some(said) if said != found => Err(StoreError::Corrupt {
            at: format!("entry {} in table entry", row.number(0)?),
            detail:
                "a column that it is found by is not what the entry says: no hash covers it, and reindex makes it anew"
                    .into(),
        }),
        _ => Ok(()),
    }
}

/// Microseconds since 1970.
#[inline]
pub fn micros(time: Timestamp) -> i64 {
    let epoch = Timestamp::from_unix(0, 0).expect("1970 is a year that is known");
    i64::try_from(time.nanos_since(epoch).div_euclid(1000)).expect("a year up to 9999 fits")
}

/// What the column has of entries of this severity and of what is worse. Every entry is a matter for debugging at least.
pub fn severities(least: Severity) -> Option<Vec<i64>> {
    (least > Severity::Debug)
        .then(|| Severity::ALL.iter().filter(|one| **one >= least).map(|one| *one as i64).collect())
}

#[cfg(test)]
mod tests {
    use secure_log::hash::Hash;
    use secure_log::record::{EntryRow, PrunedRow};

    use super::*;
    use crate::content::tests::entry;
    use crate::row::tests::{Cell, row};

    /// Seqno and columns as they stand in a row, the columns from the second on.
    fn cells() -> [Cell<'static>; 6] {
        [
            Cell::Integer(3),
            Cell::Integer(1_700_000_000_000_001),
            Cell::Integer(Severity::Alert as i64),
            Cell::Text("login"),
            Cell::Text("sshd"),
            Cell::Text("session-1"),
        ]
    }

    #[test]
    fn a_column_that_somebody_edited_is_found() {
        let bytes = entry().encode();
        let record = Record::Entry(EntryRow { seqno: 3, stream: "s", hash: Hash([0; 32]), bytes: &bytes });
        assert_eq!(check(&row(&cells()), &record, 1), Ok(()));
        for column in 1..6 {
            for other in [Cell::Null, if column < 3 { Cell::Integer(1) } else { Cell::Text("another") }] {
                let mut edited = cells();
                edited[column] = other;
                let StoreError::Corrupt { at, .. } = check(&row(&edited), &record, 1).unwrap_err() else { panic!() };
                assert_eq!(at, "entry 3 in table entry");
            }
        }
    }

    #[test]
    fn a_pruned_entry_has_nothing_in_its_columns() {
        let record = Record::Pruned(PrunedRow { seqno: 3, stream: "s", hash: Hash([0; 32]) });
        let empty = [Cell::Integer(3), Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Null];
        assert_eq!(check(&row(&empty), &record, 1), Ok(()));
        for column in 1..6 {
            let mut left = empty;
            left[column] = cells()[column];
            assert!(check(&row(&left), &record, 1).is_err(), "column {column}");
        }
    }

    #[test]
    fn bytes_that_are_no_entry_are_for_the_verifier() {
        let record = Record::Entry(EntryRow { seqno: 3, stream: "s", hash: Hash([0; 32]), bytes: b"none" });
        assert_eq!(check(&row(&cells()), &record, 1), Ok(()));
    }

    #[test]
    fn what_an_entry_has_no_word_for_is_in_no_column() {
        let bytes = EntryRef { time: "never", severity: "dire", ..entry() }.encode();
        let columns = Columns::of(Some(&bytes)).unwrap();
        assert_eq!((columns.time, columns.severity), (None, None));
        assert_eq!(columns.words, [Some("login"), Some("sshd"), Some("session-1")]);
    }

    #[test]
    fn times_are_rounded_down_to_microseconds() {
        let micros = |text: &str| micros(text.parse().unwrap());
        assert_eq!(micros("1970-01-01T00:00:00.000001999Z"), 1);
        assert_eq!(micros("1969-12-31T23:59:59.999999999Z"), -1);
    }

    #[test]
    fn a_severity_is_that_and_what_is_worse() {
        assert_eq!(severities(Severity::Debug), None);
        assert_eq!(severities(Severity::Info).unwrap().len(), 7);
        let worst = [Severity::Alert as i64, Severity::Emergency as i64];
        let mut found = severities(Severity::Alert).unwrap();
        found.sort_unstable();
        assert_eq!(found, worst);
    }
}
