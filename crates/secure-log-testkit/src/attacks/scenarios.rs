//! Rows 21 to 23 and 27: what is done to a store while a log uses it; rows 10 to 14 come from `proofs`, row 17 from `pruned`, and
//! those that need an anchor from `anchored`.

use secure_log::entry::{SigningRule, StreamRules, Tier};
use secure_log::hash::Suite;
use secure_log::record::{HeadRow, LogRow, StreamRow};

use super::proofs::{self, Prover};
use super::said::Said;
use crate::fault::{Effect, Fault};
use crate::forge::append_unattested;
use crate::hand::{LIES, Lie};
use crate::{OwnedRecord, SeededRandom, count, seed};

/// What an operation of a log answers; the error is its name in `wit/log.wit` (see [`super::refusal`]).
pub type Answered<T> = Result<T, String>;

/// A log with the keys and options of the sample log, and whoever has its store in hand: natively, or composed of
/// components.
///
/// The second half is what the store's owner does, and panics where that cannot be done.
pub trait Subject: Prover + Sized {
    /// The process starts anew: an open log is let go of, the store works and is honest again, and the log is opened.
    fn open(&mut self) -> Answered<()>;
    /// Somebody else who can open the same store, and did not yet.
    fn twin(&mut self) -> Self;
    /// Makes a stream.
    fn create_stream(&mut self, stream: &str, rules: &StreamRules) -> Answered<()>;
    /// Appends an entry of text, and answers its seqno.
    fn append(&mut self, stream: &str, payload: &str) -> Answered<u64>;
    /// Closes the open segment of a stream.
    fn close(&mut self, stream: &str) -> Answered<()>;
    /// Closes a stream to producers.
    fn deprecate(&mut self, stream: &str) -> Answered<()>;
    /// Prunes all streams by this retention.
    fn prune(&mut self, retention: &str) -> Answered<()>;
    /// The payload of an entry.
    fn read(&mut self, seqno: u64) -> Answered<Vec<u8>>;
    /// Has the log verify itself.
    fn verify(&mut self) -> Said;

    /// From the next opening on, the log is under an anchor, or is not; what the anchor knows stays.
    fn anchored(&mut self, anchored: bool);
    /// Takes away all that the anchor knows.
    fn forget_anchor(&mut self);
    /// The same as `open`, by an operator who chose to begin anew at an anchor that knows nothing of the log.
    fn reanchor(&mut self) -> Answered<()>;

    /// What the store holds.
    fn records(&mut self) -> Vec<OwnedRecord>;
    /// Puts other records in their place, behind the log's back.
    fn lay(&mut self, records: &[OwnedRecord]);
    /// Has the store hold what that of the twin holds, where the two are not the same anyway.
    fn catch_up(&mut self, _twin: &mut Self) {}
    /// [`crate::Hand::tell`].
    fn tell(&mut self, lie: Lie);
    /// [`crate::Hand::keep_leaves`].
    fn keep_leaves(&mut self);
    /// [`crate::Hand::refuse_commits_over`].
    fn refuse_commits_over(&mut self, old: &[OwnedRecord]);
    /// [`crate::Faults::arm`].
    fn arm(&mut self, fault: Fault);
    /// [`crate::Faults::is_armed`].
    fn is_armed(&mut self) -> bool;
}

/// Something that is done to a store while a log uses it.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<S> {
    /// Row of the attack table.
    pub row: u8,
    /// What is done, and how it has to end.
    pub name: &'static str,
    /// Does it, to logs that begin empty, and panics where it ends otherwise.
    pub run: fn(&mut dyn FnMut() -> S),
}

/// A line of a list of scenarios.
pub(super) fn scenario<S>(row: u8, name: &'static str, run: fn(&mut dyn FnMut() -> S)) -> Scenario<S> {
    Scenario { row, name, run }
}

/// Every scenario.
pub fn scenarios<S: Subject>() -> Vec<Scenario<S>> {
    let mut all = proofs::scenarios();
    all.extend([
        scenario(21, "two writers in turn never fork and lose nothing", two_writers),
        scenario(22, "a commit without its head is no part of the log", torn),
        scenario(22, "a crash at any write loses nothing that was acknowledged", crash),
        scenario(23, "a call of the store that fails is a storage error, and nothing is lost", failing),
        scenario(23, "opening fails with the store, and succeeds after it", failing_to_open),
        scenario(27, "rows after the last signed head are refused after a restart", forged_tail),
        scenario(27, "rows that are put there while the log is open are refused", forged_under_an_open_log),
        scenario(27, "an old signed head in a conflict answer is refused", old_head),
        scenario(27, "an entry slipped into an open segment is never sealed", open_segment),
        scenario(27, "other rules for a stream are refused", other_rules),
        scenario(27, "another log under an open one is refused", other_log),
    ]);
    all.extend(super::pruned::scenarios());
    all.extend(super::anchored::scenarios());
    all
}

// ---- row 21

fn two_writers<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut first = fresh();
    first.open().unwrap();
    let mut second = first.twin();
    second.catch_up(&mut first);
    second.open().unwrap();
    let mut random = SeededRandom::new(seed());
    let mut acknowledged = Vec::new();
    for n in 0..count(40, 1000) {
        if random.below(2) == 0 {
            core::mem::swap(&mut first, &mut second);
            first.catch_up(&mut second);
        }
        let stream = *random.pick(&["one", "two"]);
        if random.below(6) == 0 {
            match first.close(stream) {
                Err(refusal) if !["empty-segment", "stream-not-found"].contains(&refusal.as_str()) => {
                    panic!("close {n}: {refusal}")
                }
                _ => {}
            }
        } else {
            acknowledged.push((first.append(stream, &n.to_string()).unwrap(), n));
        }
    }
    for (seqno, n) in &acknowledged {
        assert_eq!(first.read(*seqno).unwrap(), n.to_string().as_bytes());
    }
    let records = first.records();
    let produced = records.iter().filter_map(OwnedRecord::entry).filter(|entry| entry.producer != "secure-log");
    assert_eq!(produced.count(), acknowledged.len(), "each is there once");
    assert_eq!(first.verify(), Said::Valid);
}

// ---- rows 22 and 23

fn torn<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = fresh();
    log.open().unwrap();
    log.append("a", "kept").unwrap();
    log.append("a", "torn").unwrap();
    let mut records = log.records();
    assert!(matches!(records.pop(), Some(OwnedRecord::Head(_))));
    log.lay(&records);
    log.open().unwrap();
    let said = log.verify();
    if said == Said::no_log_at_all() {
        // A database holds whole commits: rows behind its last head were put there, and nothing goes on from them.
        let refused = log.append("a", "next").unwrap_err();
        return assert!(["conflict", "corrupt"].contains(&refused.as_str()) && log.verify() == said, "{refused}");
    }
    assert!(matches!(&said, Said::Incomplete { missing } if missing[0].contains("never finished")), "{said:?}");
    match log.append("a", "next") {
        Ok(seqno) => assert_eq!(seqno, 2),
        // A store in memory is never torn: this one was laid so. It takes nothing more, and loses nothing.
        Err(refused) => return assert_eq!((refused.as_str(), log.records()), ("conflict", records)),
    }
    assert_eq!((log.read(1).unwrap(), log.read(2).unwrap()), (b"kept".to_vec(), b"next".to_vec()));
    assert_eq!(log.verify(), Said::Valid);
}

/// A step of a log's life.
type Step<S> = fn(&mut S) -> Answered<()>;

/// Those that write.
fn writes<S: Subject>() -> [(&'static str, Step<S>); 5] {
    [
        ("append to an old stream", |log| log.append("a", "2").map(drop)),
        ("append to a new stream", |log| log.append("new", "2").map(drop)),
        ("create a stream", |log| log.create_stream("signed", &signed(SigningRule::Entries))),
        ("close a segment", |log| log.close("a")),
        ("deprecate", |log| log.deprecate("a")),
    ]
}

/// Those that do not.
fn reads<S: Subject>() -> [(&'static str, Step<S>); 2] {
    [
        ("read", |log| log.read(1).map(drop)),
        ("verify", |log| match log.verify() {
            Said::Refused(refusal) => Err(refusal),
            Said::Valid => Ok(()),
            said => panic!("{said:?}"),
        }),
    ]
}

/// An open log with something in it.
fn begun<S: Subject>(fresh: &mut dyn FnMut() -> S) -> S {
    let mut log = fresh();
    log.open().unwrap();
    log.append("a", "0").unwrap();
    log.append("b", "0").unwrap();
    log.close("a").unwrap();
    log.append("a", "1").unwrap();
    log
}

fn crash<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for (what, step) in writes::<S>() {
        for effect in [Effect::CrashNotStored, Effect::CrashButStored] {
            let mut log = begun(fresh);
            let before = size(&mut log);
            log.arm(Fault::on_write(1, effect));
            for _ in 0..2 {
                assert_eq!(step(&mut log), Err("storage".into()), "{what}, {effect:?}");
            }
            let stored = size(&mut log);
            assert_eq!(
                stored > before,
                effect == Effect::CrashButStored,
                "{what}: a commit is there as a whole or not"
            );
            log.open().unwrap();
            goes_on(&mut log, stored, &format!("{what}, {effect:?}"));
        }
    }
}

fn failing<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for (what, step) in writes::<S>().into_iter().chain(reads()) {
        for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
            for at in 1.. {
                let what = format!("{what}, call {at}, {effect:?}");
                let mut log = begun(fresh);
                log.arm(Fault::on_call(at, effect));
                let outcome = step(&mut log);
                if log.is_armed() {
                    assert!(outcome.is_ok() && at > 1, "{what}: {outcome:?}");
                    break;
                }
                assert_eq!(outcome, Err("storage".into()), "{what}");
                // The state is read again, and everything goes on from what is really there.
                let stored = size(&mut log);
                goes_on(&mut log, stored, &what);
            }
        }
    }
}

fn failing_to_open<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
        for at in 1.. {
            let mut log = fresh();
            log.arm(Fault::on_call(at, effect));
            let opened = log.open();
            if log.is_armed() {
                assert!(opened.is_ok() && at > 1, "call {at}, {effect:?}: {opened:?}");
                break;
            }
            assert_eq!(opened, Err("storage".into()), "call {at}, {effect:?}");
            log.open().unwrap();
            goes_on(&mut log, 0, &format!("call {at}, {effect:?}"));
        }
    }
}

/// Expects the log to hold all that it held and to take the next entry.
fn goes_on<S: Subject>(log: &mut S, size: u64, what: &str) {
    assert_eq!(log.append("next", "next"), Ok(size + 1), "{what}");
    assert_eq!(log.read(size + 1), Ok(b"next".to_vec()), "{what}");
    if size > 0 {
        assert_eq!(log.read(1), Ok(b"0".to_vec()), "{what}");
    }
    assert_eq!(log.verify(), Said::Valid, "{what}");
}

// ---- row 27

fn forged_tail<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = fresh();
    log.open().unwrap();
    log.append("a", "1").unwrap();
    log.append("a", "2").unwrap();
    let mut records = log.records();
    append_unattested(&mut records, "a", b"forged 3");
    append_unattested(&mut records, "a", b"forged 4");
    log.lay(&records);
    assert_eq!(log.open(), Err("unattested 3 to 4".into()));
    assert_eq!(log.records(), records, "nothing was written");
}

fn forged_under_an_open_log<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = fresh();
    log.open().unwrap();
    log.append("a", "1").unwrap();
    let mut records = log.records();
    append_unattested(&mut records, "a", b"forged 2");
    log.lay(&records);
    let refused = "unattested 2 to 2".to_string();
    assert_eq!(log.append("a", "2"), Err(refused.clone()));
    assert_eq!(log.close("a"), Err(refused.clone()));
    assert_eq!(log.records(), records, "nothing was signed over them");
    // Nor does it help to take the signatures away that are there.
    for record in &mut records {
        if let OwnedRecord::Head(head) = record {
            head.sigs.clear();
        }
    }
    log.lay(&records);
    assert_eq!(log.append("a", "2"), Err(refused.clone()), "a signed log does not become a keyless one");
    assert_eq!(log.read(1), Err(refused));
    assert_eq!(log.records(), records, "nothing was signed");
}

fn old_head<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for keep in [1, 2, 3] {
        let mut log = fresh();
        log.open().unwrap();
        log.append("a", "1").unwrap();
        log.append("a", "2").unwrap();
        let all = log.records();
        let heads: Vec<usize> =
            all.iter().enumerate().filter(|(_, record)| is_head(record)).map(|(at, _)| at).collect();
        let old = &all[..=heads[keep - 1]];
        log.open().unwrap();
        log.refuse_commits_over(old);
        let refused = log.append("a", "3").unwrap_err();
        let expected: &[&str] = match keep {
            // The newest head, over a store that holds what it did: nothing to refuse but the answer.
            3 => &["conflict"],
            _ => &["fork", "rollback"],
        };
        assert!(expected.contains(&refused.as_str()), "the first {keep} heads: {refused}");
        assert_eq!(log.records(), old, "nothing was signed");
    }
}

fn open_segment<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = fresh();
    log.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Segments)).unwrap();
    log.append("b", "1").unwrap();
    log.append("a", "1").unwrap();
    log.append("a", "2").unwrap();
    let honest = log.records();
    for lie in LIES {
        log.open().unwrap();
        log.tell(lie);
        assert_eq!(log.close("a"), Err("chain-broken".into()), "{}", lie.name);
        assert_eq!(log.records(), honest, "{}: nothing was signed", lie.name);
    }
    // An entry more, between restart and close: it fits what is before it, and what follows does not fit it.
    log.open().unwrap();
    log.keep_leaves();
    let mut records = honest.clone();
    let at = records.iter().position(|record| record.seqno() == Some(3)).expect("there is an entry 3");
    let mut forged = records[at].clone();
    let OwnedRecord::Entry { hash: prev, .. } = forged else { unreachable!("it has a seqno") };
    forged.edit_entry(|entry| (entry.seqno, entry.prev, entry.payload) = (4, prev, b"forged".into()));
    forged.rehash();
    records.insert(at + 1, forged);
    log.lay(&records);
    let refused = log.close("a").unwrap_err();
    // Over a store that counts what it holds there seems to be another writer, for ever.
    assert!(["chain-broken", "conflict"].contains(&refused.as_str()), "an entry more: {refused}");
    // A database has one row of a seqno: there, the entry more moved the last one behind the head, and nobody reads on.
    if log.verify() != Said::no_log_at_all() {
        assert_eq!(log.records(), records, "nothing was signed");
    }
    log.lay(&honest);
    log.open().unwrap();
    log.close("a").unwrap();
    assert_eq!(log.verify(), Said::Valid);
}

fn other_rules<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = fresh();
    log.open().unwrap();
    let rules = StreamRules { description: Some("rules".into()), ..signed(SigningRule::Segments) };
    log.create_stream("a", &rules).unwrap();
    log.append("plain", "1").unwrap();
    let honest = log.records();
    type Edit = (&'static str, &'static str, fn(&mut StreamRules));
    let edits: [Edit; 6] = [
        ("signing rule", "a", |rules| rules.sign = SigningRule::None),
        ("suite", "a", |rules| rules.suite = Suite::Blake3),
        ("description", "a", |rules| rules.description = None),
        ("tier", "a", |rules| rules.tier = Tier::Protected),
        ("signing rule of a default stream", "plain", |rules| rules.sign = SigningRule::Entries),
        ("suite of a default stream", "plain", |rules| rules.suite = Suite::Blake3),
    ];
    for (what, name, edit) in edits {
        let mut records = honest.clone();
        rows(&mut records).filter(|row| row.name == name).for_each(|row| edit(&mut row.rules));
        log.lay(&records);
        log.open().unwrap();
        for refused in [log.append(name, "2").map(drop), log.close(name), log.deprecate(name)] {
            assert_eq!(refused, Err("policy-mismatch".into()), "{what}");
        }
        log.append("other", "1").unwrap();
        let said = log.verify();
        assert!(matches!(&said, Said::Invalid { code, .. } if code == "chain-broken"), "{what}: {said:?}");
    }
}

fn other_log<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let edits: [fn(&mut LogRow); 3] = [
        |row| row.id[0] ^= 1,
        |row| row.origin = "other.example".into(),
        |row| row.created = "2020-01-01T00:00:00.000000000Z".into(),
    ];
    let mut log = fresh();
    log.open().unwrap();
    log.append("a", "1").unwrap();
    let before = log.records();
    for edit in edits {
        let mut records = before.clone();
        // It has moved on, so that the engine reads it again.
        append_unattested(&mut records, "a", b"2");
        if let OwnedRecord::Log(row) = &mut records[0] {
            edit(row);
        }
        log.lay(&records);
        assert_eq!(log.append("a", "2"), Err("policy-mismatch".into()));
        assert_eq!(log.records(), records, "nothing was signed");
    }
}

fn signed(sign: SigningRule) -> StreamRules {
    StreamRules { sign, ..StreamRules::default() }
}

pub(super) fn is_head(record: &OwnedRecord) -> bool {
    matches!(record, OwnedRecord::Head(_))
}

fn rows(records: &mut [OwnedRecord]) -> impl Iterator<Item = &mut StreamRow> {
    records.iter_mut().filter_map(|record| match record {
        OwnedRecord::Stream(row) => Some(row),
        _ => None,
    })
}

/// The size that the store's last head has.
fn size<S: Subject>(log: &mut S) -> u64 {
    let head = |record: &OwnedRecord| match record {
        OwnedRecord::Head(HeadRow { size, .. }) => Some(*size),
        _ => None,
    };
    log.records().iter().rev().find_map(head).unwrap_or(0)
}
