//! Rows 5 to 7, 16, 27 and 29: what is done to a store, or to an anchor, while the other one remembers.

use super::said::Said;
use super::scenarios::{Scenario, Subject, is_head, scenario};
use crate::OwnedRecord;
use crate::forge::append_unattested;

/// Those scenarios.
pub(super) fn scenarios<S: Subject>() -> Vec<Scenario<S>> {
    vec![
        scenario(5, "a tail that was cut is refused against the anchor", cut_tail),
        scenario(6, "an earlier copy of the store is refused against the anchor", earlier_copy),
        scenario(7, "a log that was cut and continued is refused against the anchor", cut_and_continued),
        scenario(16, "another log of the same name and key is refused against the anchor", other_log),
        scenario(27, "rows after the last signed head are refused under an anchor, too", unattested),
        scenario(29, "an empty store is refused against the anchor", emptied_store),
        scenario(29, "an anchor that was emptied is missed, until an operator begins anew on record", emptied_anchor),
    ]
}

/// A log under an anchor, with something in it.
fn begun<S: Subject>(fresh: &mut dyn FnMut() -> S) -> S {
    let mut log = fresh();
    log.anchored(true);
    log.open().unwrap();
    log.append("a", "1").unwrap();
    log.append("b", "2").unwrap();
    log.close("a").unwrap();
    log.append("a", "4").unwrap();
    log
}

/// Expects the log not to open for this reason, nor to be written to.
fn is_refused<S: Subject>(log: &mut S, laid: &[OwnedRecord], refusal: &str, what: &str) {
    log.lay(laid);
    assert_eq!(log.open(), Err(refusal.into()), "{what}");
    assert_eq!(log.records(), laid, "{what}: nothing was written");
}

fn cut_tail<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = begun(fresh);
    let all = log.records();
    let heads: Vec<usize> = all.iter().enumerate().filter(|(_, record)| is_head(record)).map(|(at, _)| at).collect();
    for head in &heads[..heads.len() - 1] {
        is_refused(&mut log, &all[..=*head], "rollback", &format!("cut after record {head}"));
    }
    log.lay(&all);
    log.open().unwrap();
    log.append("a", "goes on").unwrap();
    assert_eq!(log.verify(), Said::Valid);
}

fn earlier_copy<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = begun(fresh);
    let copy = log.records();
    for n in 0..20 {
        log.append("a", &n.to_string()).unwrap();
    }
    is_refused(&mut log, &copy, "rollback", "an earlier copy");
    // Nothing is wrong with the copy: without the anchor nobody could tell.
    log.anchored(false);
    log.open().unwrap();
    assert_eq!(log.verify(), Said::Valid);
}

fn cut_and_continued<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    for (more, refusal) in [(0, "rollback"), (1, "fork"), (5, "fork")] {
        let mut log = begun(fresh);
        let copy = log.records();
        log.append("a", "5").unwrap();
        log.lay(&copy);
        log.anchored(false);
        log.open().unwrap();
        for n in 0..more {
            log.append("a", &format!("another {n}")).unwrap();
        }
        let continued = log.records();
        log.anchored(true);
        is_refused(&mut log, &continued, refusal, &format!("continued by {more}"));
    }
}

fn other_log<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut other = fresh();
    other.open().unwrap();
    for n in 0..9 {
        other.append("a", &n.to_string()).unwrap();
    }
    let mut log = begun(fresh);
    is_refused(&mut log, &other.records(), "fork", "another log");
}

fn unattested<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = begun(fresh);
    let mut records = log.records();
    append_unattested(&mut records, "a", b"forged");
    is_refused(&mut log, &records, "unattested 5 to 5", "an entry that nobody signed");
}

fn emptied_store<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = begun(fresh);
    is_refused(&mut log, &[], "rollback", "an empty store");
}

fn emptied_anchor<S: Subject>(fresh: &mut dyn FnMut() -> S) {
    let mut log = begun(fresh);
    let records = log.records();
    log.open().unwrap();
    log.forget_anchor();
    is_refused(&mut log, &records, "anchor-missing", "an empty anchor");
    log.reanchor().unwrap();
    assert_eq!(log.read(5).unwrap(), b"1 4");
    log.append("a", "goes on").unwrap();
    let said = log.verify();
    assert!(matches!(&said, Said::Incomplete { missing } if missing[0].contains("1 to 4")), "{said:?}");
    log.open().unwrap();
    let cut = records.len();
    let all = log.records();
    is_refused(&mut log, &all[..cut], "rollback", "it remembers again");
}
