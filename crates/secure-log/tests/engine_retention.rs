//! Which entries a policy lets go, taking them out on record, and what is found where a store has its own way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::reference::{Reads, Reference, agreed};
use crate::world::{Log, World, append, entry, events, hashed, signed};
use secure_log::engine::{Every, Kept, MAX_PRUNED_STREAMS, NewEntry, PrunedStream, StreamPlan};
use secure_log::entry::SigningRule;
use secure_log::error::LogError;
use secure_log::hash::Suite;
use secure_log::providers::KeyError;
use secure_log::retention::Retention;
use secure_log::store::SecureLogStore;
use secure_log::verify::{FindingCode, MissingCode, Verdict, verify_jsonl};
use secure_log_testkit::attacks::{IDENTITY, MAC_LABEL, ORIGIN, log_key, to_jsonl, trust};
use secure_log_testkit::{
    Effect, Fault, FaultStore, HostileStore, OwnedRecord, SeededRandom, TestKeystore, count, seed,
};
use serde_json::json;

const DAY: i64 = 86_400;

fn keep(text: &str) -> Retention {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Two streams, of which "a" has three closed segments of four entries each, ten days apart, and two entries in an open one.
fn ten_days_apart() -> (World, Log) {
    let world = World::new();
    let mut log = world.open().unwrap();
    for segment in 0..3u8 {
        for n in 0..4u8 {
            append(&mut log, "a", &[b'0' + segment, b'0' + n]);
            append(&mut log, "b", b"of another stream");
        }
        log.close_segment("a").unwrap();
        world.clock.advance(10 * DAY);
    }
    append(&mut log, "a", b"open");
    append(&mut log, "a", b"open too");
    (world, log)
}

/// Seqnos of the producers' entries of a stream whose content is there, and of those that were pruned.
fn there_and_gone(world: &World, stream: &str) -> (Vec<u64>, Vec<u64>) {
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for record in world.records() {
        match &record {
            OwnedRecord::Pruned { seqno, stream: name, .. } if name == stream => gone.push(*seqno),
            OwnedRecord::Entry { seqno, stream: name, .. }
                if name == stream && !record.entry().unwrap().event.starts_with("secure-log.") =>
            {
                there.push(*seqno);
            }
            _ => {}
        }
    }
    (there, gone)
}

fn plan<S: SecureLogStore>(log: &mut secure_log::SecureLog<S>, retention: &str, stream: &str) -> StreamPlan {
    log.plan_pruning_of(&keep(retention), stream).unwrap_or_else(|error| panic!("{retention}: {error}"))
}

/// What the product's verifier and the independent one say of a log that they agree on.
fn assert_both_valid(world: &World, pruned: u64) {
    let (lines, ours) = (to_jsonl(&world.records()), world.report());
    assert_eq!((&ours.verdict, ours.pruned), (&Verdict::Valid, pruned), "{ours:?}");
    let keys = json!({
        "origin": ORIGIN,
        "vkey": log_key(ORIGIN).to_string(),
        "signer": log_key(IDENTITY).to_string(),
        "witness": crate::support::json(&crate::support::golden("log.json"))["witness"],
        "hmac_key": const_hex::encode(TestKeystore::mac_secret(MAC_LABEL)),
    });
    if let Some(mut reference) = Reference::with_keys(&keys, Reads::Logs) {
        agreed(&lines, &ours, &mut reference, "a pruned log");
    }
}

#[test]
fn what_is_pruned_is_gone_and_everything_else_verifies_as_before() {
    let (world, mut log) = ten_days_apart();
    let (entries, _) = there_and_gone(&world, "a");
    let others = there_and_gone(&world, "b");
    let in_segments: Vec<_> = entries[..12].iter().map(|seqno| log.prove_in_segment(*seqno).unwrap()).collect();
    let proofs: Vec<_> = entries.iter().map(|seqno| log.tlog_proof(*seqno, None).unwrap()).collect();
    let (before, old_head) = (to_jsonl(&world.records()), log.sign_head().unwrap());
    let retention = keep("log for:25d");
    let foreseen = log.plan_pruning_of(&retention, "a").unwrap();
    assert_eq!((foreseen.up_to, foreseen.entries, foreseen.bytes), (Some(entries[3]), 4, 8));
    assert_eq!((foreseen.stays, foreseen.kept), (10, Some((entries[4], Kept::Policy))));
    assert_eq!(to_jsonl(&world.records()), before, "a plan writes nothing");

    let pruned = log.prune(&retention, "a").unwrap();
    let recorded = pruned.streams[0].recorded;
    let wanted = PrunedStream { stream: "a".into(), up_to: entries[3], entries: 4, bytes: 8, recorded };
    assert_eq!((pruned.streams, recorded, pruned.next), (vec![wanted], Some(log.size()), None));
    assert!(pruned.recorded.unwrap().signed);
    assert_eq!(there_and_gone(&world, "a"), (entries[4..].to_vec(), entries[..4].to_vec()));
    assert_eq!(there_and_gone(&world, "b"), others);
    assert!(to_jsonl(&world.records()).len() < before.len(), "there is less of it");
    for (index, seqno) in entries.iter().enumerate() {
        let read = log.read(*seqno).map(drop);
        assert_eq!(read, if index < 4 { Err(LogError::EntryNotFound(*seqno)) } else { Ok(()) });
        // What was proven once stays proven, of what is gone, too.
        assert!(proofs[index].verify(&trust()).is_ok(), "{seqno}");
    }
    for proof in &in_segments[4..] {
        log.verify_in_segment(proof, &proof.root).unwrap();
        assert_eq!(log.prove_in_segment(proof.seqno).unwrap(), *proof, "the same proof can be made anew");
    }
    log.prove_consistency(old_head.size, None).unwrap();
    for log in [&mut log, &mut world.open().unwrap()] {
        log.verify_chain("a", 1, u64::MAX).unwrap();
        log.verify_checkpoints("a").unwrap();
        let report = log.verify_log().unwrap();
        assert_eq!((&report.verdict, report.pruned), (&Verdict::Valid, 4), "{report:?}");
    }
    assert_both_valid(&world, 4);

    // And on: the open segment is closed, and a later prune takes more.
    log.close_segment("a").unwrap();
    world.clock.advance(40 * DAY);
    append(&mut log, "a", b"later");
    let size = log.size();
    assert_eq!(log.prune(&retention, "a").unwrap().streams[0].entries, 10);
    assert_eq!(
        log.prune(&retention, "a").unwrap(),
        Default::default(),
        "nothing is left to go, and nothing is written"
    );
    assert_eq!(log.size(), size + 1);
    assert_eq!(there_and_gone(&world, "a").1, entries);
    assert_both_valid(&world, 14);
}

#[test]
fn each_policy_keeps_what_it_says() {
    let (world, mut log) = ten_days_apart();
    let (e, _) = there_and_gone(&world, "a");
    let now = secure_log::providers::Clock::now(&world.clock);
    let since = |days: u64, nanos: i64| {
        let at = now.seconds_earlier(days * DAY as u64);
        secure_log::time::Timestamp::from_unix(
            at.unix_seconds() - i64::from(nanos < 0),
            ((1_000_000_000 + nanos) % 1_000_000_000) as u32,
        )
        .unwrap()
    };
    let size = log.size();
    let by_policy = |index: usize| Some((e[index], Kept::Policy));
    let open = Some((e[12], Kept::OpenSegment));
    for (policy, gone, kept) in [
        ("log never".into(), 0, by_policy(0)),
        ("log for:31d".into(), 0, by_policy(0)),
        // Exactly so old is kept; a moment older is not.
        ("log for:30d".into(), 0, by_policy(0)),
        (format!("log for:{}s", 30 * DAY - 1), 4, by_policy(4)),
        (format!("log since:{}", since(30, 0)), 0, by_policy(0)),
        (format!("log since:{}", since(30, 1)), 4, by_policy(4)),
        (format!("log since:{}", since(30, -1)), 0, by_policy(0)),
        ("log since:2026-11-30T06:07:11+02:00".into(), 4, by_policy(4)),
        ("log since:2026-11-30T04:07:11.000000001Z".into(), 8, by_policy(8)),
        ("log since:9999-12-31T23:59:59Z".into(), 12, open),
        // What was written a moment ago is no older than nothing.
        ("log for:0s".into(), 12, by_policy(12)),
        ("stream entries:14 a".into(), 0, by_policy(0)),
        ("stream entries:13 a".into(), 1, by_policy(1)),
        ("stream entries:2 a".into(), 12, by_policy(12)),
        ("stream entries:0 a".into(), 12, open),
        ("stream entries:99 a\nlog for:0s".into(), 0, by_policy(0)),
        // Of the log they are counted whosever they are.
        (format!("log entries:{}", size - e[5]), 6, by_policy(6)),
        (format!("log entries:{}", size - e[6] + 1), 6, by_policy(6)),
        (format!("log entries:{size}"), 0, by_policy(0)),
        ("log entries:0".into(), 12, open),
        ("log entries:0\nstream never a".into(), 0, by_policy(0)),
        // A floor holds whatever the policy says, by the entry's time and by that of its segment's close.
        ("log for:0s\nfloor 20d".into(), 4, Some((e[4], Kept::Floor))),
        (format!("log for:0s\nfloor {}s", 20 * DAY - 1), 8, Some((e[8], Kept::Floor))),
        ("log entries:0\nfloor 1mo".into(), 0, Some((e[0], Kept::Floor))),
        ("log for:0s\nfloor 5d\nstream-floor 15d a".into(), 8, Some((e[8], Kept::Floor))),
        ("log for:0s\nfloor 15d\nstream-floor 5d a".into(), 8, Some((e[8], Kept::Floor))),
        ("log for:0s\nstream-floor 15d b".into(), 12, by_policy(12)),
        ("log for:25d\nfloor six-years".into(), 0, Some((e[0], Kept::Floor))),
    ] {
        let plan = plan(&mut log, &policy, "a");
        assert_eq!((plan.entries as usize, plan.kept), (gone, kept), "{policy}");
        assert_eq!(plan.up_to, gone.checked_sub(1).map(|last| e[last]), "{policy}");
        assert_eq!(plan.stays as usize, e.len() - gone, "{policy}");
    }
}

#[test]
fn only_what_is_in_a_closed_segment_under_a_signed_head_goes() {
    let world = World::new();
    let mut log = world.open_with(|options| options.head_every = Every::Entries(1000)).unwrap();
    let first = append(&mut log, "a", b"1").seqno;
    let all = "log for:0s";
    world.clock.advance(1);
    assert_eq!(plan(&mut log, all, "a").kept, Some((first, Kept::OpenSegment)));
    assert!(log.prune(&keep(all), "a").unwrap().streams.is_empty());
    log.close_segment("a").unwrap();
    assert_eq!(plan(&mut log, all, "a").kept, Some((first, Kept::UnsignedHead)));
    assert!(log.prune(&keep(all), "a").unwrap().streams.is_empty());
    assert!(there_and_gone(&world, "a").1.is_empty());
    log.sign_head().unwrap();
    assert_eq!(plan(&mut log, all, "a").kept, None);
    assert_eq!(log.prune(&keep(all), "a").unwrap().streams.len(), 1);
    assert_both_valid(&world, 1);
}

/// What was written under a clock that stood decades back is as young as the close of its segment says.
#[test]
fn a_clock_that_stood_far_back_makes_no_entry_older_than_its_segment_for_the_floor() {
    let world = World::new();
    let mut log = world.open().unwrap();
    world.clock.advance(-20 * 365 * DAY);
    let first = append(&mut log, "a", b"written in 2006, it seems").seqno;
    world.clock.advance(20 * 365 * DAY);
    log.close_segment("a").unwrap();
    world.clock.advance(DAY);
    assert_eq!(plan(&mut log, "log six-years", "a").entries, 1, "a policy goes by what the entry says");
    assert_eq!(plan(&mut log, "log six-years\nfloor six-months", "a").kept, Some((first, Kept::Floor)));
    // What stands behind an entry that stays stays, however old it seems.
    let young = append(&mut log, "a", b"of today").seqno;
    world.clock.advance(-20 * 365 * DAY);
    append(&mut log, "a", b"of 2006");
    world.clock.advance(20 * 365 * DAY);
    log.close_segment("a").unwrap();
    let plan = plan(&mut log, "log one-year", "a");
    assert_eq!((plan.up_to, plan.stays, plan.kept), (Some(first), 2, Some((young, Kept::Policy))));
}

#[test]
fn the_engines_own_entries_and_streams_are_never_pruned() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("a", &signed(SigningRule::Entries)).unwrap();
    log.create_stream("keyed", &hashed(log.mac_suite().unwrap())).unwrap();
    log.create_stream("other", &hashed(Suite::Blake3)).unwrap();
    for stream in ["a", "keyed", "other"] {
        append(&mut log, stream, b"one");
        log.close_segment(stream).unwrap();
        append(&mut log, stream, b"two");
        log.deprecate_stream(stream).unwrap();
        log.close_segment(stream).unwrap();
    }
    world.clock.advance(1);
    let controls = |world: &World| {
        let events = events(world);
        events.into_iter().filter(|(_, event)| event.starts_with("secure-log.")).collect::<Vec<_>>()
    };
    let before = controls(&world);
    let all = keep("log for:0s");
    for reserved in ["secure-log", "secure-log.keys"] {
        assert!(matches!(log.prune(&all, reserved), Err(LogError::Invalid(_))), "{reserved}");
        assert!(matches!(log.plan_pruning_of(&all, reserved), Err(LogError::Invalid(_))), "{reserved}");
    }
    assert!(matches!(log.prune(&all, "absent"), Err(LogError::StreamNotFound(_))));
    let plans = log.plan_pruning(&all, 0, 100).unwrap();
    assert_eq!(plans.iter().map(|plan| plan.stream.as_str()).collect::<Vec<_>>(), ["a", "keyed", "other"]);
    let pruned = log.prune_all(&all, 0).unwrap();
    assert_eq!(pruned.streams.iter().map(|stream| stream.entries).collect::<Vec<_>>(), [2, 2, 2]);
    let after = controls(&world);
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.len(), before.len() + 3);
    assert_eq!(world.report().verdict, Verdict::Valid);
    // Who does not have the hash key can prune the others.
    let keyless = World {
        keys: TestKeystore::new().signing("checkpoint-ed25519", secure_log::sign::Algorithm::Ed25519),
        ..world.clone()
    };
    let mut log = keyless.open().unwrap();
    let plans = log.plan_pruning(&all, 0, 100).unwrap();
    assert_eq!(plans[1].kept.map(|(_, why)| why), Some(Kept::NoKey));
    assert!(matches!(log.prune(&all, "keyed"), Err(LogError::MacKeyMissing { .. })));
    assert_eq!(log.prune_all(&all, 0).unwrap(), Default::default());
}

#[test]
fn a_log_without_a_key_is_not_pruned() {
    let world = World::keyless();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"1");
    log.close_segment("a").unwrap();
    world.clock.advance(1);
    let before = world.records();
    for refused in [log.prune(&keep("log for:0s"), "a"), log.prune_all(&keep("log for:0s"), 0)] {
        assert!(matches!(refused, Err(LogError::Key(KeyError::NotFound(_)))), "{refused:?}");
    }
    assert_eq!(plan(&mut log, "log for:0s", "a").kept, Some((1, Kept::UnsignedHead)));
    assert_eq!(world.records(), before);
}

/// Many streams go in one commit and in one step of the store, and more than one call takes in a second one.
#[test]
fn many_streams_are_pruned_at_once_and_more_in_a_second_call() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let names: Vec<String> = (0..MAX_PRUNED_STREAMS + 10).map(|n| format!("session/{n}")).collect();
    for names in names.chunks(512) {
        let entries: Vec<NewEntry<'_>> = names.iter().map(|name| entry(name, b"once")).collect();
        log.append_batch(&entries).unwrap();
    }
    names.iter().for_each(|name| drop(log.close_segment(name).unwrap()));
    world.clock.advance(1);
    let all = keep("log for:0s");
    assert_eq!(log.plan_pruning(&all, 0, 3).unwrap().len(), 3);
    assert_eq!(log.plan_pruning(&all, names.len() as u64 - 2, 300).unwrap().len(), 2);
    let heads = world.heads().len();
    let first = log.prune_all(&all, 0).unwrap();
    assert_eq!(first.streams.len(), MAX_PRUNED_STREAMS);
    assert_eq!(world.heads().len(), heads + 1);
    let second = log.prune_all(&all, first.next.unwrap()).unwrap();
    assert_eq!((second.streams.len(), second.next), (10, None));
    let report = world.report();
    assert_eq!((&report.verdict, report.pruned), (&Verdict::Valid, names.len() as u64), "{report:?}");
}

/// Another writer appends to the stream, closes it and prunes it, while this one has a plan.
#[test]
fn a_prune_among_other_writers_counts_what_they_wrote() {
    let (world, mut log) = ten_days_apart();
    let mut other = world.open().unwrap();
    let (e, _) = there_and_gone(&world, "a");
    // `log` knows nothing of these.
    append(&mut other, "a", b"by another");
    append(&mut other, "c", b"by another");
    assert_eq!(log.prune(&keep("log for:25d"), "a").unwrap().streams[0].up_to, e[3]);
    // And `other` knows nothing of that.
    assert_eq!(other.prune(&keep("log for:15d"), "a").unwrap().streams[0].up_to, e[7]);
    assert_eq!(log.prune(&keep("log for:25d"), "a").unwrap().streams, []);
    assert_both_valid(&world, 8);
    // Between the plan and the record: the store refuses the first commit, as somebody has appended meanwhile.
    let racing = world.clone();
    let raced = AtomicBool::new(false);
    let store = HostileStore::new(world.store.clone()).intercept_commits(move |_, _| {
        if !raced.swap(true, Ordering::SeqCst) {
            append(&mut racing.open().unwrap(), "a", b"in between");
        }
        None
    });
    let mut slow = world.open_on(store, |_| ()).unwrap();
    world.clock.advance(20 * DAY);
    assert_eq!(slow.prune(&keep("log for:15d"), "a").unwrap().streams[0].up_to, e[11]);
    assert_both_valid(&world, 12);
}

/// What may be seen at any moment of a prune, whatever fails: nothing has happened; or it is on record, and what it names goes
/// with the next opening, or with the next call where something was written since.
#[test]
fn a_fault_at_every_step_of_pruning_leaves_it_done_or_not_begun_or_finished_by_the_next() {
    let all = keep("log for:0s");
    let (mut unfinished, mut done_after_all) = (0, 0);
    for effect in Effect::ALL {
        for follows in [false, true] {
            for step in 1..400 {
                let (world, mut log) = ten_days_apart();
                log.close_segment("b").unwrap();
                let (store, faults) = FaultStore::new(world.store.clone());
                let mut log = world.open_on(store, |_| ()).unwrap();
                let mut other = world.open().unwrap();
                faults.arm(Fault::on_call(step, effect));
                let done = log.prune_all(&all, 0);
                if done.is_ok() && faults.is_armed() {
                    assert!(step > 10);
                    break;
                }
                faults.restart();
                let records = events(&world).iter().filter(|(_, event)| event == "secure-log.pruned").count();
                let gone = |world: &World| (there_and_gone(world, "a").1.len(), there_and_gone(world, "b").1.len());
                let at = format!("{effect:?} at {step}, follows: {follows}: {done:?}");
                assert!(records == 0 || records == 2, "{at}: {records} are on record");
                assert!(
                    gone(&world) == (0, 0) || (records == 2 && gone(&world) == (12, 12)),
                    "{at}: {:?}",
                    gone(&world)
                );
                assert!(done.is_err() || gone(&world) == (12, 12), "{at}");
                unfinished += u64::from(records == 2 && gone(&world) == (0, 0));
                done_after_all += u64::from(done.is_err() && gone(&world) == (12, 12));
                if follows {
                    // Somebody who had the log open writes on first.
                    append(&mut other, "c", b"x");
                }
                let mut log = world.open().unwrap();
                if !follows {
                    assert_eq!(gone(&world) == (12, 12), records == 2, "{at}: opening the log finishes it");
                }
                let left = if gone(&world) == (0, 0) { 24 } else { 0 };
                let plans = log.plan_pruning(&keep("log never"), 0, 10).unwrap();
                let on_record = plans.iter().map(|plan| plan.on_record).sum::<u64>();
                assert_eq!(
                    on_record,
                    if records == 2 { left } else { 0 },
                    "{at}: what is on record goes, whatever is kept"
                );
                let again = log.prune_all(&all, 0).unwrap();
                assert_eq!(again.streams.iter().map(|stream| stream.entries).sum::<u64>(), left, "{at}");
                assert_eq!(again.recorded.is_some(), records == 0, "{at}: it is not recorded twice");
                assert_eq!(gone(&world), (12, 12), "{at}");
                assert_eq!(world.report().verdict, Verdict::Valid, "{at}");
                assert!(step < 399, "a fault that never came to be");
            }
        }
    }
    assert!(unfinished > 0 && done_after_all > 0, "{unfinished} {done_after_all}");
}

#[test]
fn a_record_that_nobody_attests_takes_nothing_out() {
    let (world, mut log) = ten_days_apart();
    let intact = world.records();
    log.prune(&keep("log for:25d"), "a").unwrap();
    let said = world.records();
    // The store shows the record under no signed head, with the content still there.
    let mut shown = intact.clone();
    shown.extend(said[said.len() - 2..].iter().cloned().map(|record| match record {
        OwnedRecord::Head(head) => OwnedRecord::Head(secure_log::record::HeadRow { sigs: Vec::new(), ..head }),
        other => other,
    }));
    world.put(&shown);
    assert!(matches!(world.open(), Err(LogError::Unattested { .. })));
    assert!(there_and_gone(&world, "a").1.is_empty());
    let mut forged = shown.clone();
    for record in &mut forged {
        if let OwnedRecord::Entry { seqno: 1, stream, hash, .. } = record {
            *record = OwnedRecord::Pruned { seqno: 1, stream: stream.clone(), hash: *hash };
        }
    }
    let report = verify_jsonl(&to_jsonl(&forged)[..], &trust(), |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(report.missing.iter().any(|missing| missing.code == MissingCode::PruningUncovered), "{report:?}");
}

/// Attack row 17, over a log that the engine pruned.
#[test]
fn a_store_that_prunes_more_than_is_on_record_is_found() {
    let (world, mut log) = ten_days_apart();
    let (e, _) = there_and_gone(&world, "a");
    log.prune(&keep("log for:25d"), "a").unwrap();
    let prune = |records: &mut Vec<OwnedRecord>, seqno: u64, to: &str| {
        let record = records.iter_mut().find(|record| record.seqno() == Some(seqno)).unwrap();
        let (OwnedRecord::Entry { hash, .. } | OwnedRecord::Pruned { hash, .. }) = record else { panic!("{record:?}") };
        *record = OwnedRecord::Pruned { seqno, stream: to.into(), hash: *hash };
    };
    let intact = world.records();
    for (what, seqno, to, code) in [
        ("more than was said", e[4], "a", FindingCode::PruneUnauthorized),
        ("an entry of a stream that was never pruned", 2, "b", FindingCode::PruneUnauthorized),
        ("a pruned line that is moved to another stream", e[1], "b", FindingCode::ChainBroken),
        ("the record itself", log.size(), "a", FindingCode::PruneUnauthorized),
    ] {
        let mut records = intact.clone();
        prune(&mut records, seqno, to);
        let found = verify_jsonl(&to_jsonl(&records)[..], &trust(), |_| {}).unwrap().verdict;
        assert!(matches!(&found, Verdict::Invalid(finding) if finding.code == code), "{what}: {found:?}");
        world.put(&records);
        let opened = world.open().and_then(|mut log| log.prune(&keep("log for:0s"), to).map(drop));
        assert!(opened.is_err(), "{what}: the engine went on");
        world.put(&intact);
    }
}

/// What the engine signs of a stream is what was proven of it: a store that leaves something out, or that shows other times, does
/// not have more pruned than the policy says, nor a log made that nobody can verify.
#[test]
fn a_store_that_lies_while_it_is_pruned_gets_nothing_signed() {
    let (world, mut log) = ten_days_apart();
    let (e, _) = there_and_gone(&world, "a");
    log.prune(&keep("log for:25d"), "a").unwrap();
    let before = world.records();
    type Lie = Box<dyn FnMut(&mut OwnedRecord) -> bool + Send>;
    let leave_out = |seqno: u64| -> Lie { Box::new(move |record| record.seqno() != Some(seqno)) };
    let last = log.size();
    let lies: Vec<(&str, Lie)> = vec![
        ("an entry is left out", leave_out(e[5])),
        ("a pruned one is left out", leave_out(e[1])),
        ("a close is left out", leave_out(e[3] + 2)),
        ("the record of the prune is left out", leave_out(last)),
        (
            "one that is there is shown as pruned",
            Box::new({
                let target = e[4];
                move |record| {
                    if let OwnedRecord::Entry { seqno, stream, hash, .. } = record
                        && *seqno == target
                    {
                        *record = OwnedRecord::Pruned { seqno: *seqno, stream: stream.clone(), hash: *hash };
                    }
                    true
                }
            }),
        ),
        (
            "another time is shown, with a hash that fits",
            Box::new({
                let target = e[8];
                move |record| {
                    if let OwnedRecord::Entry { seqno, hash, bytes, .. } = record
                        && *seqno == target
                    {
                        let at = bytes.windows(4).position(|four| four == b"2026").unwrap();
                        bytes[at..at + 4].copy_from_slice(b"1999");
                        *hash = secure_log::hash::Hash::sha256(bytes);
                    }
                    true
                }
            }),
        ),
    ];
    for (what, mut lie) in lies {
        let lying = Arc::new(AtomicBool::new(false));
        let on = Arc::clone(&lying);
        let store = HostileStore::new(world.store.clone())
            .rewrite_rows(move |record| !on.load(Ordering::SeqCst) || lie(record));
        let mut log = world.open_on(store, |_| ()).unwrap();
        lying.store(true, Ordering::SeqCst);
        for retention in ["log for:5d", "stream entries:3 a", "log entries:5"] {
            let pruned = log.prune(&keep(retention), "a");
            assert!(pruned.is_err(), "{what}: {pruned:?}");
        }
        assert_eq!(world.records(), before, "{what}: nothing was written or taken out");
    }
}

/// Random logs under random policies: what goes is what a plain reading of the policy says, and the log verifies.
#[test]
fn random_prunes_take_what_a_plain_reading_of_the_policy_says() {
    let mut random = SeededRandom::new(seed());
    for _ in 0..count(6, 400) {
        let world = World::new();
        let mut log = world.open().unwrap();
        // Of each stream: seqno, time and whether it is closed; the clock never runs back here.
        let mut model: BTreeMap<&str, Vec<(u64, i64, bool)>> = BTreeMap::new();
        let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
        let mut time = 0i64;
        for _ in 0..60 {
            let stream = *random.pick(&["a", "b", "c"]);
            match random.below(10) {
                0..6 => {
                    let seqno = append(&mut log, stream, b"x").seqno;
                    model.entry(stream).or_default().push((seqno, time, false));
                }
                6 => {
                    if log.close_segment(stream).is_ok() {
                        model.entry(stream).or_default().iter_mut().for_each(|entry| entry.2 = true);
                    }
                }
                7..9 => {
                    let step = random.below(5) as i64;
                    world.clock.advance(step);
                    time += step;
                }
                _ => {
                    let amount = random.below(12);
                    let (text, by_time) = if random.below(2) == 0 {
                        (format!("for:{amount}s"), true)
                    } else {
                        (format!("entries:{amount}"), false)
                    };
                    let retention = keep(&format!("stream {text} {stream}"));
                    let Some(entries) = model.get(stream).filter(|entries| !entries.is_empty()) else { continue };
                    let goes = |index: usize, entry: &(u64, i64, bool)| {
                        entry.2
                            && if by_time {
                                entry.1 < time - amount as i64
                            } else {
                                (entries.len() - index) as u64 > amount
                            }
                    };
                    let wanted =
                        entries.iter().enumerate().take_while(|(index, entry)| goes(*index, entry)).count() as u64;
                    let pruned = log.prune(&retention, stream).unwrap();
                    let already = gone.entry(stream).or_default();
                    let now: u64 = pruned.streams.iter().map(|stream| stream.entries).sum();
                    assert_eq!(*already + now, wanted.max(*already), "{text} of {stream}");
                    *already += now;
                }
            }
        }
        for (stream, count) in &gone {
            assert_eq!(there_and_gone(&world, stream).1.len() as u64, *count);
        }
        let report = log.verify_log().unwrap();
        assert_eq!((&report.verdict, report.pruned), (&Verdict::Valid, gone.values().sum()), "{report:?}");
    }
}
