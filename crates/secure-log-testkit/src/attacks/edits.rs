//! The edits, row by row.

use secure_log::engine::SecureLog;
use secure_log::entry::{CONTROL_PRODUCER, Entry, SigningRule, Tier, checkpoint_message, entry_message};
use secure_log::error::LogError;
use secure_log::hash::{Hash, KeyId, Suite};
use secure_log::note::{self, VerifierKey};
use secure_log::providers::{CheckpointSigner, Keystore};
use secure_log::record::{HeadRow, SegmentRow, SignatureRow, StreamRow, Subject};
use secure_log::sign::Algorithm;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::tree::{CompactTree, leaf_hash};
use secure_log::verify::{FindingCode, Place, verify_jsonl};

use super::said::{Said, refusal};
use super::sample::{
    IDENTITY, ORIGIN, log_key, options, other_records, providers, sample_records, trust, unkeyed_hash,
};
use crate::forge::{Reach, rechain};
use crate::{OwnedRecord, TestKeystore, to_jsonl};

/// An edit of the sample log, and what it has to end as.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Row of the attack table.
    pub row: u8,
    /// What is done.
    pub name: &'static str,
    /// Does it.
    pub apply: fn(&mut Vec<OwnedRecord>),
    /// What a verifier says of it.
    pub answer: Answer,
}

/// What a verifier says of an edit.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Invalid for this reason, at this place; a line where there is none.
    Invalid(FindingCode, Option<Place>),
    /// Nothing is wrong, and something that says this could not be checked.
    Incomplete(&'static str),
}

/// Applies every edit, and has the verifier read the file and the engine open it through a store: the verifier answers
/// exactly what the edit says, and the engine refuses or answers the same, and never that the log is valid.
///
/// # Panics
/// When one of them does not.
pub fn no_edit_passes<S: SecureLogStore>(mut place: impl FnMut(&[OwnedRecord]) -> Result<S, StoreError>) {
    no_edit_passes_with(|records| open_and_verify(|| place(records)));
}

/// The same with an engine that stands somewhere else: `judge` has it open and verify a log of these records.
///
/// # Panics
/// When one of them does not.
pub fn no_edit_passes_with(mut judge: impl FnMut(&[OwnedRecord]) -> Said) {
    let untouched = sample_records();
    assert_eq!(read(&untouched), Said::Valid);
    assert_eq!(judge(&untouched), Said::Valid, "nobody edited it");
    let mut wrong = Vec::new();
    for Edit { row, name, apply, answer } in edits() {
        let mut records = untouched.clone();
        apply(&mut records);
        assert!(records != untouched, "row {row}, {name}: the edit does nothing");
        let mut note = |how, complaint: Option<String>| {
            wrong.extend(complaint.map(|complaint| format!("row {row}, {name}, {how}: {complaint}")));
        };
        note("read as a file", answer.unlike(&read(&records)));
        let said = judge(&records);
        note(
            "through the engine",
            match (&answer, &said) {
                // A refusal is as good as a finding.
                (_, Said::Refused(_)) => None,
                // The engine may have recorded on opening that nobody attested what it found.
                (Answer::Incomplete(_), Said::Incomplete { .. }) => None,
                _ => answer.unlike(&said),
            },
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the engine says of the log in a store.
pub fn open_and_verify<S: SecureLogStore>(place: impl FnOnce() -> Result<S, StoreError>) -> Said {
    let verify = || Ok(Said::from(&SecureLog::open(place()?, providers(), options())?.verify_log()?));
    verify().unwrap_or_else(|error: LogError| Said::Refused(refusal(&error)))
}

fn read(records: &[OwnedRecord]) -> Said {
    Said::from(&verify_jsonl(&to_jsonl(records)[..], &trust(), |_| {}).expect("reading from memory does not fail"))
}

impl Answer {
    /// Says how what was said differs from this answer.
    fn unlike(&self, said: &Said) -> Option<String> {
        let alike = match (self, said) {
            (Answer::Invalid(expected, place), Said::Invalid { code, at }) => {
                let there = match place {
                    Some(place) => *at == place.to_string(),
                    None => at.starts_with("line "),
                };
                *code == expected.as_str() && there
            }
            (Answer::Incomplete(text), Said::Incomplete { missing }) => {
                missing.iter().any(|missing| missing.contains(text))
            }
            _ => false,
        };
        (!alike).then(|| format!("expected {self:?}, found {said:?}"))
    }
}

/// Every edit.
pub fn edits() -> Vec<Edit> {
    let groups = [row_1(), row_2(), rows_3_and_4(), row_8(), row_9(), row_15(), row_16(), row_17(), row_19()];
    groups.into_iter().flatten().collect()
}

fn invalid(row: u8, name: &'static str, code: FindingCode, at: Place, apply: fn(&mut Vec<OwnedRecord>)) -> Edit {
    Edit { row, name, apply, answer: Answer::Invalid(code, Some(at)) }
}

fn incomplete(row: u8, name: &'static str, missing: &'static str, apply: fn(&mut Vec<OwnedRecord>)) -> Edit {
    Edit { row, name, apply, answer: Answer::Incomplete(missing) }
}

const UNCOVERED: &str = "covered by no trusted tree head";

fn row_1() -> Vec<Edit> {
    use FindingCode::{ChainBroken, Downgrade, Gap, HashMismatch};
    use Place::Seqno;
    vec![
        invalid(1, "payload", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.payload[0] ^= 1)),
        invalid(1, "time", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.time.replace_range(18..19, "9"))),
        invalid(1, "event", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.event.push('x'))),
        invalid(1, "severity", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.severity = "error".into())),
        invalid(1, "producer", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.producer.clear())),
        invalid(1, "encoding", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.encoding = "json".into())),
        invalid(1, "session", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.session.push('x'))),
        invalid(1, "boot", HashMismatch, Seqno(5), |r| field(r, 5, |e| e.boot.push('x'))),
        invalid(1, "payload of a control entry", HashMismatch, Seqno(12), |r| field(r, 12, |e| e.payload[0] ^= 1)),
        invalid(1, "hash", HashMismatch, Seqno(5), |r| set_hash(r, 5, |hash| hash.0[31] ^= 1)),
        invalid(1, "prev", ChainBroken, Seqno(5), |r| field(r, 5, |e| e.prev.0[0] ^= 1)),
        invalid(1, "stream", ChainBroken, Seqno(5), |r| field(r, 5, |e| e.stream = "files".into())),
        invalid(1, "seqno", Gap, Seqno(50), |r| field(r, 5, |e| e.seqno = 50)),
        invalid(1, "version", Downgrade, Seqno(5), |r| field(r, 5, |e| e.version = 2)),
    ]
}

fn row_2() -> Vec<Edit> {
    use FindingCode::{Gap, HashMismatch, HeadMismatch, SegmentMismatch, Truncated};
    use Place::{Head, Segment, Seqno};
    vec![
        invalid(2, "delete an entry", Gap, Seqno(8), |r| remove(r, 7)),
        invalid(2, "delete a segment's first producer's entry", Gap, Seqno(6), |r| remove(r, 5)),
        invalid(2, "delete the entry before a head", Truncated, Head(25), |r| remove(r, 25)),
        invalid(2, "delete a whole commit", SegmentMismatch, Segment(2), |r| {
            drop_all(r, |record| matches!(record.seqno(), Some(13..=16)) || is_head(record, 16));
        }),
        invalid(2, "delete an entry and count anew", Truncated, Head(16), |r| {
            remove(r, 16);
            rechain(r, Reach::Entries);
        }),
        invalid(2, "the same before a keyed entry, which only the key can hash", HashMismatch, Seqno(8), |r| {
            remove(r, 7);
            rechain(r, Reach::Entries);
        }),
        invalid(2, "insert an entry", Gap, Seqno(7), |r| slip_in(r, 6)),
        invalid(2, "insert an entry and count anew", HeadMismatch, Head(16), |r| {
            slip_in(r, 16);
            rechain(r, Reach::Entries);
        }),
        invalid(2, "duplicate an entry", Gap, Seqno(6), |r| {
            let at = entry(r, 6);
            r.insert(at, r[at].clone());
        }),
        invalid(2, "duplicate the last entry", Gap, Seqno(25), |r| {
            let at = entry(r, 25);
            r.insert(at, r[at].clone());
        }),
        invalid(2, "say that an entry is of an unknown kind", Gap, Seqno(8), |r| {
            let at = entry(r, 7);
            r[at] = OwnedRecord::Unknown("mystery".into());
        }),
        incomplete(2, "insert a record of an unknown kind", "unknown record 'mystery'", |r| {
            let at = entry(r, 7);
            r.insert(at, OwnedRecord::Unknown("mystery".into()));
        }),
        invalid(2, "swap two entries", Gap, Seqno(6), |r| swap(r, 5, 6)),
        invalid(2, "swap entries of two streams and count anew", HeadMismatch, Head(16), |r| {
            swap(r, 13, 14);
            rechain(r, Reach::Entries);
        }),
        incomplete(2, "append entries under a head of one's own", UNCOVERED, |r| {
            append(r, "auth", "test.event", "forged");
        }),
        incomplete(2, "append an entry under no head", "a commit that was never finished", |r| {
            append(r, "auth", "test.event", "forged");
            r.pop();
        }),
    ]
}

fn rows_3_and_4() -> Vec<Edit> {
    use FindingCode::{HeadMismatch, SegmentMismatch, SignatureInvalid};
    use Place::{Head, Segment};
    fn rewrite(records: &mut [OwnedRecord], seqno: u64, reach: Reach) {
        field(records, seqno, |entry| entry.payload = b"nobody".into());
        if reach == Reach::Heads {
            heads(records).for_each(|head| head.sigs.clear());
        }
        rechain(records, reach);
    }
    vec![
        invalid(3, "rewrite an entry and what hashes it", HeadMismatch, Head(11), |r| rewrite(r, 6, Reach::Entries)),
        invalid(3, "the same, and the heads, without their signatures", SegmentMismatch, Segment(1), |r| {
            let kept = segment(r, 1).clone();
            rewrite(r, 6, Reach::Heads);
            *segment(r, 1) = kept;
        }),
        invalid(4, "the same, and the segment", SignatureInvalid, Segment(1), |r| rewrite(r, 6, Reach::Heads)),
        invalid(4, "the same, with the heads' signatures", SignatureInvalid, Head(11), |r| {
            let signed: Vec<HeadRow> = heads(r).map(|head| head.clone()).collect();
            rewrite(r, 6, Reach::Heads);
            heads(r).zip(signed).for_each(|(head, signed)| head.sigs = signed.sigs);
        }),
        invalid(4, "rewrite a signed entry", SignatureInvalid, Place::Entry(10), |r| rewrite(r, 10, Reach::Heads)),
        incomplete(4, "rewrite what no signature but the heads' covers", UNCOVERED, |r| rewrite(r, 7, Reach::Heads)),
    ]
}

fn row_8() -> Vec<Edit> {
    use FindingCode::{SegmentMissing, Unsigned};
    use Place::{Entry, Segment, Seqno};
    fn strip(records: &mut Vec<OwnedRecord>, gone: impl Fn(Subject) -> bool) {
        drop_all(records, |record| matches!(record, OwnedRecord::Signature(row) if gone(row.of)));
    }
    vec![
        invalid(8, "strip all signatures", Unsigned, Entry(4), |r| strip(r, |_| true)),
        invalid(8, "strip the signatures of segments", Unsigned, Segment(1), |r| {
            strip(r, |of| matches!(of, Subject::Segment(_)));
        }),
        invalid(8, "strip the signature of one entry", Unsigned, Entry(10), |r| {
            strip(r, |of| of == Subject::Entry(10))
        }),
        invalid(8, "strip signatures and those of heads", Unsigned, Segment(3), |r| {
            strip(r, |of| of == Subject::Segment(3));
            heads(r).for_each(|head| head.sigs.clear());
        }),
        invalid(8, "strip a segment and its signature", SegmentMissing, Seqno(12), |r| {
            strip(r, |of| of == Subject::Segment(1));
            drop_all(r, |record| matches!(record, OwnedRecord::Segment(row) if row.id == 1));
        }),
        incomplete(8, "strip a segment and all that speaks of it", UNCOVERED, |r| {
            strip(r, |of| of == Subject::Segment(3));
            drop_all(r, |record| matches!(record, OwnedRecord::Segment(row) if row.id == 3));
            remove(r, 22);
            drop_all(r, |record| is_head(record, 22));
            heads(r).for_each(|head| head.sigs.clear());
            rechain(r, Reach::Heads);
        }),
    ]
}

fn row_9() -> Vec<Edit> {
    use FindingCode::SignatureInvalid;
    use Place::{Entry, Head, Segment};
    let nobody_known = "segment 1: no signature by a signer of the trust policy";
    vec![
        invalid(9, "re-sign a segment and name the key", SignatureInvalid, Segment(1), |r| {
            resign(r, Subject::Segment(1), |row| row.key = mallory().public_key().into());
        }),
        invalid(9, "re-sign a segment and keep the key's name", SignatureInvalid, Segment(1), |r| {
            resign(r, Subject::Segment(1), |_| {});
        }),
        incomplete(9, "re-sign a segment under another name", nobody_known, |r| {
            resign(r, Subject::Segment(1), |row| {
                row.key = mallory().public_key().into();
                row.identity = "mallory".into();
            });
        }),
        invalid(9, "re-sign an entry", SignatureInvalid, Entry(10), |r| {
            resign(r, Subject::Entry(10), |row| row.key = mallory().public_key().into());
        }),
        invalid(9, "an entry's signature as another's", SignatureInvalid, Entry(10), |r| {
            let first = signature(r, Subject::Entry(4)).sig.clone();
            signature(r, Subject::Entry(10)).sig = first;
        }),
        incomplete(9, "re-sign all heads", UNCOVERED, |r| {
            heads(r).for_each(|head| head.sigs = vec![mallory_line(head)]);
        }),
        invalid(9, "re-sign the last head in the key's name", SignatureInvalid, Head(25), |r| {
            let Some(head) = heads(r).last() else { return };
            let text = note::text(ORIGIN, head.size, &head.root);
            let sig = mallory().sign(text.as_bytes()).expect("the test key signs");
            head.sigs = vec![log_key(ORIGIN).signature_line(&sig).expect("a signature of the right length has a line")];
        }),
    ]
}

fn row_15() -> Vec<Edit> {
    use FindingCode::{ChainBroken, Downgrade, HeadMismatch, PolicyMismatch};
    use Place::{Segment, Seqno, Stream};
    fn again(records: &mut Vec<OwnedRecord>, name: &str, edit: impl Fn(&mut StreamRow)) {
        let mut row = stream(records, name).clone();
        edit(&mut row);
        let at = records.len() - 1;
        records.insert(at, OwnedRecord::Stream(row));
    }
    let mut edits = vec![
        invalid(15, "suite", ChainBroken, Seqno(1), |r| stream(r, "auth").rules.suite = Suite::Blake3),
        invalid(15, "suite of a blake3 stream", ChainBroken, Seqno(2), |r| {
            stream(r, "files").rules.suite = Suite::Sha256;
        }),
        invalid(15, "key of a keyed stream", ChainBroken, Seqno(3), |r| {
            stream(r, "keyed").rules.suite = Suite::HmacSha256(KeyId([7; 8]));
        }),
        invalid(15, "tier", ChainBroken, Seqno(1), |r| stream(r, "auth").rules.tier = Tier::Protected),
        invalid(15, "signing rule", ChainBroken, Seqno(1), |r| stream(r, "auth").rules.sign = SigningRule::None),
        invalid(15, "signing rule from entries to segments", ChainBroken, Seqno(4), |r| {
            stream(r, "vault").rules.sign = SigningRule::Segments;
        }),
        invalid(15, "signing rule of a default stream", ChainBroken, Seqno(11), |r| {
            stream(r, "plain").rules.sign = SigningRule::Segments;
        }),
        invalid(15, "description", ChainBroken, Seqno(1), |r| {
            stream(r, "auth").rules.description = Some("who logged out".into());
        }),
        invalid(15, "no description", ChainBroken, Seqno(1), |r| stream(r, "auth").rules.description = None),
        invalid(15, "creation", ChainBroken, Seqno(1), |r| {
            stream(r, "auth").created = "2020-01-01T00:00:00.000000000Z".into();
        }),
        invalid(15, "log id", ChainBroken, Seqno(1), |r| {
            if let OwnedRecord::Log(row) = &mut r[0] {
                row.id[0] ^= 1;
            }
        }),
        invalid(15, "log creation", ChainBroken, Seqno(1), |r| {
            if let OwnedRecord::Log(row) = &mut r[0] {
                row.created = "2020-01-01T00:00:00.000000000Z".into();
            }
        }),
        invalid(15, "origin", HeadMismatch, Place::Origin, |r| {
            if let OwnedRecord::Log(row) = &mut r[0] {
                row.origin = "other.example".into();
            }
        }),
        invalid(15, "an entry under a weaker suite", Downgrade, Seqno(7), |r| {
            field(r, 7, |entry| entry.version = 1);
            rehash(r, 7);
        }),
        invalid(15, "an entry after a change of suite under the old one", Downgrade, Seqno(21), |r| {
            field(r, 21, |entry| entry.version = 1);
            rehash(r, 21);
        }),
        invalid(15, "rules in a segment", PolicyMismatch, Segment(1), |r| segment(r, 1).policy = Hash([1; 32])),
        invalid(15, "take a deprecation back", PolicyMismatch, Stream("old".into()), |r| {
            drop_all(r, |record| matches!(record, OwnedRecord::Stream(row) if row.deprecated.is_some()));
        }),
        invalid(15, "deprecate without saying so", PolicyMismatch, Stream("plain".into()), |r| {
            again(r, "plain", |row| row.deprecated = Some(row.created.clone()));
        }),
    ];
    edits.push(Edit {
        row: 15,
        name: "other rules later",
        apply: |r| again(r, "auth", |row| row.rules.sign = SigningRule::None),
        answer: Answer::Invalid(PolicyMismatch, None),
    });
    edits
}

fn row_16() -> Vec<Edit> {
    use FindingCode::{ChainBroken, CheckpointBroken, Gap, HeadMismatch, SegmentMismatch, Truncated};
    use Place::{Head, Segment, Seqno};
    vec![
        invalid(16, "an entry in another stream, as it would fit there", ChainBroken, Seqno(6), |r| {
            let prev = hash(r, 2);
            field(r, 5, |entry| {
                (entry.stream, entry.version, entry.prev) = ("files".into(), 2, prev);
            });
            rehash(r, 5);
        }),
        invalid(16, "an entry of another log", ChainBroken, Seqno(5), |r| {
            let at = entry(r, 5);
            let others = other_records();
            r[at] = others[entry(&others, 5)].clone();
        }),
        invalid(16, "a segment in another stream", SegmentMismatch, Segment(1), |r| {
            segment(r, 1).stream = "files".into();
        }),
        invalid(16, "a segment of another log", SegmentMismatch, Segment(1), |r| {
            *segment(r, 1) = segment(&mut other_records(), 1).clone();
        }),
        invalid(16, "another segment's number", Gap, Segment(2), |r| segment(r, 1).id = 2),
        invalid(16, "another segment before it", CheckpointBroken, Segment(3), |r| {
            segment(r, 3).prev = segment(r, 2).checkpoint().hash();
        }),
        invalid(16, "a head of another log", HeadMismatch, Head(11), |r| {
            let others = heads(&mut other_records()).find(|head| head.size == 11).expect("it has one").clone();
            heads(r).filter(|head| head.size == 11).for_each(|head| *head = others.clone());
        }),
        invalid(16, "a later head", Truncated, Head(12), |r| {
            let later = heads(r).find(|head| head.size == 12).expect("there is one").clone();
            heads(r).filter(|head| head.size == 11).for_each(|head| *head = later.clone());
        }),
        invalid(16, "an earlier head", HeadMismatch, Head(11), |r| {
            let earlier = heads(r).find(|head| head.size == 11).expect("there is one").clone();
            heads(r).filter(|head| head.size == 12).for_each(|head| *head = earlier.clone());
        }),
    ]
}

fn row_17() -> Vec<Edit> {
    use FindingCode::{ChainBroken, PruneMismatch, PruneUnauthorized, SegmentMissing};
    use Place::{Segment, Seqno};
    let unsaid = "this record of a pruning is covered by no trusted tree head";
    fn prune(records: &mut [OwnedRecord], seqno: u64) {
        let at = entry(records, seqno);
        let stream = records[at].entry().expect("it is an entry").stream;
        records[at] = OwnedRecord::Pruned { seqno, stream, hash: hash(records, seqno) };
    }
    fn forge(records: &mut Vec<OwnedRecord>, last: u64, produced: &[u64]) {
        let mut tree = CompactTree::new();
        produced.iter().for_each(|seqno| tree.push(leaf_hash(&hash(records, *seqno))));
        let payload = format!("{last} {} {}", tree.size(), tree.root());
        append(records, "auth", "secure-log.pruned", &payload);
    }
    vec![
        invalid(17, "prune what no entry allows", PruneUnauthorized, Seqno(5), |r| prune(r, 5)),
        invalid(17, "prune the entry that closes a segment", SegmentMissing, Segment(1), |r| prune(r, 12)),
        incomplete(17, "forge the entry that allows it", unsaid, |r| {
            forge(r, 6, &[5, 6, 13, 18]);
            prune(r, 5);
            prune(r, 6);
        }),
        invalid(17, "prune more than it says", PruneUnauthorized, Seqno(6), |r| {
            forge(r, 5, &[5, 6, 13, 18]);
            prune(r, 5);
            prune(r, 6);
        }),
        invalid(17, "say another count", PruneMismatch, Seqno(26), |r| {
            forge(r, 6, &[5, 6, 13]);
            prune(r, 5);
            prune(r, 6);
        }),
        invalid(17, "prune a control entry, too", PruneMismatch, Seqno(26), |r| {
            forge(r, 6, &[5, 6, 13, 18]);
            [1, 5, 6].into_iter().for_each(|seqno| prune(r, seqno));
        }),
        invalid(17, "move a pruned line to another stream", ChainBroken, Seqno(6), |r| {
            forge(r, 6, &[5, 6, 13, 18]);
            prune(r, 5);
            let at = entry(r, 5);
            if let OwnedRecord::Pruned { stream, .. } = &mut r[at] {
                *stream = "files".into();
            }
        }),
    ]
}

fn row_19() -> Vec<Edit> {
    use FindingCode::HashMismatch;
    vec![
        invalid(19, "edit a keyed entry", HashMismatch, Place::Seqno(9), |r| field(r, 9, |e| e.payload[0] ^= 1)),
        invalid(19, "edit a keyed entry and hash it without the key", HashMismatch, Place::Seqno(9), |r| {
            field(r, 9, |entry| entry.payload[0] ^= 1);
            rehash(r, 9);
        }),
    ]
}

/// Where the entry with this seqno stands.
fn entry(records: &[OwnedRecord], seqno: u64) -> usize {
    records.iter().position(|record| record.seqno() == Some(seqno)).expect("the sample log has this entry")
}

fn field(records: &mut [OwnedRecord], seqno: u64, edit: impl FnOnce(&mut Entry)) {
    let at = entry(records, seqno);
    records[at].edit_entry(edit);
}

fn hash(records: &[OwnedRecord], seqno: u64) -> Hash {
    match &records[entry(records, seqno)] {
        OwnedRecord::Entry { hash, .. } | OwnedRecord::Pruned { hash, .. } => *hash,
        other => unreachable!("{other:?} has no seqno"),
    }
}

fn set_hash(records: &mut [OwnedRecord], seqno: u64, edit: impl FnOnce(&mut Hash)) {
    let at = entry(records, seqno);
    if let OwnedRecord::Entry { hash, .. } = &mut records[at] {
        edit(hash);
    }
}

/// Hashes an edited entry anew, as far as that needs no key.
fn rehash(records: &mut [OwnedRecord], seqno: u64) {
    let at = entry(records, seqno);
    let version = records[at].entry().expect("it is an entry").version;
    if let OwnedRecord::Entry { hash, bytes, .. } = &mut records[at] {
        *hash = unkeyed_hash(version, bytes);
    }
}

fn remove(records: &mut Vec<OwnedRecord>, seqno: u64) {
    let at = entry(records, seqno);
    records.remove(at);
}

fn swap(records: &mut [OwnedRecord], a: u64, b: u64) {
    let (a, b) = (entry(records, a), entry(records, b));
    records.swap(a, b);
}

fn drop_all(records: &mut Vec<OwnedRecord>, gone: impl Fn(&OwnedRecord) -> bool) {
    records.retain(|record| !gone(record));
}

/// Slips an entry that fits in after this one.
fn slip_in(records: &mut Vec<OwnedRecord>, after: u64) {
    let (at, prev) = (entry(records, after), hash(records, after));
    let mut forged = records[at].clone();
    forged.edit_entry(|entry| (entry.seqno, entry.prev, entry.payload) = (after + 1, prev, b"forged".into()));
    forged.rehash();
    records.insert(at + 1, forged);
}

/// Appends an entry to a SHA-256 stream, under a head that nobody signed.
fn append(records: &mut Vec<OwnedRecord>, stream: &str, event: &str, payload: &str) {
    let last = records.iter().rposition(|record| record.entry().is_some_and(|entry| entry.stream == stream));
    let mut forged = records[last.expect("the stream has an entry")].clone();
    let seqno = records.iter().filter_map(OwnedRecord::seqno).max().map_or(1, |last| last + 1);
    let OwnedRecord::Entry { hash: prev, .. } = forged else { unreachable!("it is an entry") };
    forged.edit_entry(|entry| {
        (entry.seqno, entry.prev, entry.payload) = (seqno, prev, payload.into());
        (entry.event, entry.producer, entry.encoding) = (event.into(), CONTROL_PRODUCER.into(), "text".into());
    });
    forged.rehash();
    records.push(forged);
    let mut tree = CompactTree::new();
    for record in records.iter() {
        if let OwnedRecord::Entry { hash, .. } | OwnedRecord::Pruned { hash, .. } = record {
            tree.push(leaf_hash(hash));
        }
    }
    records.push(OwnedRecord::Head(HeadRow { size: tree.size(), root: tree.root(), sigs: Vec::new() }));
}

fn heads(records: &mut [OwnedRecord]) -> impl DoubleEndedIterator<Item = &mut HeadRow> {
    records.iter_mut().filter_map(|record| match record {
        OwnedRecord::Head(head) => Some(head),
        _ => None,
    })
}

fn is_head(record: &OwnedRecord, size: u64) -> bool {
    matches!(record, OwnedRecord::Head(head) if head.size == size)
}

fn segment(records: &mut [OwnedRecord], id: u64) -> &mut SegmentRow {
    let found = records.iter_mut().find_map(|record| match record {
        OwnedRecord::Segment(row) if row.id == id => Some(row),
        _ => None,
    });
    found.expect("the sample log has this segment")
}

fn stream<'r>(records: &'r mut [OwnedRecord], name: &str) -> &'r mut StreamRow {
    let found = records.iter_mut().find_map(|record| match record {
        OwnedRecord::Stream(row) if row.name == name => Some(row),
        _ => None,
    });
    found.expect("the sample log has this stream")
}

fn signature(records: &mut [OwnedRecord], of: Subject) -> &mut SignatureRow {
    let found = records.iter_mut().find_map(|record| match record {
        OwnedRecord::Signature(row) if row.of == of => Some(row),
        _ => None,
    });
    found.expect("the sample log has this signature")
}

/// The key of somebody who is not the log.
fn mallory() -> Box<dyn CheckpointSigner + Send> {
    let keys = TestKeystore::new().signing("mallory", Algorithm::Ed25519);
    keys.signer("mallory").expect("the test keystore has this key")
}

/// Signs what `of` names anew, with a key that is not the log's.
fn resign(records: &mut [OwnedRecord], of: Subject, edit: impl FnOnce(&mut SignatureRow)) {
    let message = match of {
        Subject::Entry(seqno) => entry_message(&hash(records, seqno)).to_vec(),
        Subject::Segment(id) => checkpoint_message(&segment(records, id).checkpoint().hash()).to_vec(),
    };
    let row = signature(records, of);
    assert_eq!(row.identity, IDENTITY);
    row.sig = mallory().sign(&message).expect("the test key signs");
    edit(row);
}

fn mallory_line(head: &HeadRow) -> String {
    let text = note::text(ORIGIN, head.size, &head.root);
    let (key, sig) = (mallory(), mallory().sign(text.as_bytes()).expect("the test key signs"));
    let named = VerifierKey::new(ORIGIN, key.algorithm(), key.public_key()).expect("the test key is one");
    named.signature_line(&sig).expect("it is a signature")
}
