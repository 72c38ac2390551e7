//! Rows of an index that are not what the entries say, in any store.

use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::index::{IndexKey, IndexRow, actor_key};
use secure_log::store::{Commit, CommitRow, SecureLogStore};
use secure_log::verify::{Finding, FindingCode, Place, Verdict};

use super::{options, providers};
use crate::HostileStore;

/// What somebody does to the rows of one commit, and the entry at which it is found.
struct Change {
    what: &'static str,
    edit: fn(&mut Vec<IndexRow>),
    found_at: u64,
}

/// Events of the log that is attacked: nothing else is in it, and each has two keys.
const EVENTS: u64 = 40;

/// The commit whose rows are changed brings these events.
const CHANGED: [u64; 4] = [21, 22, 23, 24];

const OTHER: IndexKey = IndexKey([0x77; 16]);

/// Every way to change one row of a commit with the events [`CHANGED`], which have two rows each.
const CHANGES: &[Change] = &[
    Change { what: "a row is dropped", edit: |rows| _ = rows.remove(0), found_at: 21 },
    Change { what: "the last row is dropped", edit: |rows| _ = rows.pop(), found_at: 24 },
    Change { what: "all rows are dropped", edit: Vec::clear, found_at: 21 },
    Change { what: "a bit of a key is flipped", edit: |rows| rows[2].key.0[15] ^= 1, found_at: 22 },
    Change { what: "a row is moved to another key", edit: |rows| rows[5].key = OTHER, found_at: 23 },
    Change { what: "a row is moved to an entry before", edit: |rows| rows[2].seqno = 3, found_at: 3 },
    Change { what: "a row is moved beyond the log", edit: |rows| rows[2].seqno = 1 << 40, found_at: 1 << 40 },
    Change { what: "a row is moved to no entry", edit: |rows| rows[2].seqno = 0, found_at: 0 },
    Change { what: "a row is added", edit: |rows| rows.push(IndexRow { key: OTHER, seqno: 24 }), found_at: 24 },
    Change {
        what: "a row of somebody else's entry is added",
        edit: |rows| rows.push(IndexRow { key: rows[0].key, seqno: 22 }),
        found_at: 22,
    },
    Change {
        what: "two entries change places",
        edit: |rows| (rows[0].seqno, rows[2].seqno) = (rows[2].seqno, rows[0].seqno),
        found_at: 21,
    },
];

/// Writes logs of events into fresh places, each with one row of the index changed on its way into the store, and holds the
/// verification to finding it where it is and for what it is, and to finding nothing once the index is built anew.
///
/// `fresh` makes a place, which is a function that opens it, again and again.
pub fn no_changed_row_of_an_index_passes<S: SecureLogStore, O: FnMut() -> S>(mut fresh: impl FnMut() -> O) {
    let honest = written(fresh(), |_| ());
    assert_eq!(honest.1, Verdict::Valid, "the log is a good one");
    for Change { what, edit, found_at } in CHANGES {
        let (mut open, verdict) = written(fresh(), *edit);
        match verdict {
            Verdict::Invalid(Finding { code: FindingCode::IndexMismatch, at, .. }) => {
                assert_eq!(at, Place::Seqno(*found_at), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        let mut log = SecureLog::open(open(), providers(), options()).expect("an index keeps no log from being opened");
        log.reindex().expect("an index can be built anew");
        assert_eq!(log.verify_log().expect("it is read").verdict, Verdict::Valid, "{what}, and built anew");
        drop(log);
        let mut log = SecureLog::open(open(), providers(), options()).expect("the log is opened");
        assert_eq!(log.verify_log().expect("it is read").verdict, Verdict::Valid, "{what}, and opened anew");
        for who in 0..7 {
            let found = log.read_indexed(actor_key("agent", &format!("agent-{who}")), 1, u64::MAX, 1000);
            let seqnos: Vec<u64> =
                found.expect("what the index names is there").iter().map(|entry| entry.seqno).collect();
            assert_eq!(seqnos, (1..=EVENTS).filter(|seqno| seqno % 7 == who).collect::<Vec<_>>(), "{what}");
        }
    }
}

/// A log of events in a place, and what a verification says of it.
fn written<S: SecureLogStore, O: FnMut() -> S>(mut open: O, edit: fn(&mut Vec<IndexRow>)) -> (O, Verdict) {
    let changing = HostileStore::new(open()).intercept_commits(move |commit, store| {
        let changed = commit.index.first().is_some_and(|row| row.seqno == CHANGED[0]);
        changed.then(|| store.insert(&with_index(commit, edit)))
    });
    let mut log = SecureLog::open(changing, providers(), options()).expect("the log is made");
    append(&mut log, 1..=20).expect("events are stored");
    append(&mut log, CHANGED).expect("events are stored");
    append(&mut log, 25..=EVENTS).expect("events are stored");
    let direct = log.verify_log().expect("it is read").verdict;
    drop(log);
    let mut log = SecureLog::open(open(), providers(), options()).expect("an index keeps no log from being opened");
    let verdict = log.verify_log().expect("it is read").verdict;
    assert_eq!(verdict, direct, "opened anew");
    drop(log);
    (open, verdict)
}

fn append<S: SecureLogStore>(log: &mut SecureLog<S>, seqnos: impl IntoIterator<Item = u64>) -> Result<(), LogError> {
    let payloads: Vec<String> = seqnos
        .into_iter()
        .map(|seqno| {
            let (who, other) = (seqno % 7, seqno % 3);
            format!(
                r#"{{"actor":{{"id":"agent-{who}","kind":"agent","on_behalf_of":{{"id":"user-{other}","kind":"user"}}}}}}"#
            )
        })
        .collect();
    let entries: Vec<NewEntry<'_>> = payloads
        .iter()
        .map(|payload| NewEntry {
            stream: "session/a",
            event: "file-read.success",
            severity: Severity::Info,
            producer: "test",
            encoding: "secure-log.audit.v1+json",
            payload: payload.as_bytes(),
        })
        .collect();
    log.append_batch(&entries).map(drop)
}

/// The same commit with other rows of the index.
pub fn with_index(commit: &Commit, edit: fn(&mut Vec<IndexRow>)) -> Commit {
    let mut changed = Commit::of_packed(commit.expected, commit.streams().to_vec(), commit.packed_bytes().to_vec());
    for row in commit.rows() {
        match row {
            CommitRow::Entry(entry) => changed.push_packed(entry).expect("it is in place where it comes from"),
            CommitRow::Record(record) => changed.push(record),
        }
    }
    changed.nodes = commit.nodes.clone();
    changed.index = commit.index.clone();
    edit(&mut changed.index);
    changed
}
