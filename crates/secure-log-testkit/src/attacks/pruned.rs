//! Row 17, of a log that the engine pruned: its store takes out more, or something else, than is on record.

use super::said::Said;
use super::scenarios::{Scenario, Subject, scenario};
use crate::OwnedRecord;

pub(super) fn scenarios<S: Subject>() -> Vec<Scenario<S>> {
    vec![
        scenario(17, "what is gone beyond what is on record is found", found_when_opened),
        scenario(17, "a log of which more is gone than is on record is not pruned further", not_pruned_further),
    ]
}

/// What is done to the records of [`pruned`], and as what it is found.
type Edit = (&'static str, &'static str, fn(&mut Vec<OwnedRecord>));

const EDITS: [Edit; 6] = [
    ("an entry of the same stream", "prune-unauthorized", |records| prune(records, 8)),
    ("an entry of a stream without a record", "prune-unauthorized", |records| prune(records, 1)),
    ("the record itself", "prune-unauthorized", |records| prune(records, 9)),
    ("the entry that closed the segment", "segment-missing", |records| prune(records, 7)),
    ("another hash of what is gone", "head-mismatch", |records| {
        if let OwnedRecord::Pruned { hash, .. } = at(records, 5) {
            hash.0[0] ^= 1;
        }
    }),
    ("another stream of what is gone", "segment-mismatch", |records| {
        if let OwnedRecord::Pruned { stream, .. } = at(records, 5) {
            *stream = "kept".into();
        }
    }),
];

/// A log of which the entries 4 to 6 are gone, of the stream `old`. The entry 7 closed their segment, 8 stays in that stream, 1 and 2
/// are of the stream `kept`, whose segment 3 closed, and 9 is the record.
fn pruned<S: Subject>(fresh: &mut dyn FnMut() -> S) -> S {
    let mut log = fresh();
    log.open().unwrap();
    for (stream, payloads) in [("kept", &["1", "2"][..]), ("old", &["4", "5", "6"])] {
        payloads.iter().for_each(|payload| assert!(log.append(stream, payload).is_ok()));
        log.close(stream).unwrap();
    }
    log.append("old", "8").unwrap();
    log.prune("stream entries:1 old").unwrap();
    let gone = log.records().iter().filter(|record| matches!(record, OwnedRecord::Pruned { .. })).count();
    assert_eq!((gone, log.verify()), (3, Said::Valid));
    log
}

fn found_when_opened<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for (what, code, edit) in EDITS {
        let mut log = pruned(fresh);
        let mut records = log.records();
        edit(&mut records);
        log.lay(&records);
        let said = log.open().map_or_else(Said::Refused, |()| log.verify());
        let found = match &said {
            Said::Invalid { code, .. } | Said::Refused(code) => code.as_str(),
            _ => "",
        };
        assert_eq!(found, code, "{what}: {said:?}");
    }
}

fn not_pruned_further<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for (what, _, edit) in EDITS {
        let mut log = pruned(fresh);
        let mut records = log.records();
        edit(&mut records);
        log.lay(&records);
        let refused = log.prune("log entries:0");
        assert!(refused.is_err(), "{what}");
        assert_eq!(log.records(), records, "{what}: nothing was written or taken out");
    }
}

fn prune(records: &mut [OwnedRecord], seqno: u64) {
    let record = at(records, seqno);
    if let OwnedRecord::Entry { seqno, stream, hash, .. } = record {
        *record = OwnedRecord::Pruned { seqno: *seqno, stream: stream.clone(), hash: *hash };
    }
}

fn at(records: &mut [OwnedRecord], seqno: u64) -> &mut OwnedRecord {
    records.iter_mut().find(|record| record.seqno() == Some(seqno)).expect("the log has this entry")
}
