//! Sealed payloads: appending and opening them, the keys that they are sealed with, and erasing those on record.

mod erasing;
mod opening;
mod wrapping;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::{Log, World, append, entry};
use secure_log::SecureLog;
use secure_log::engine::{Appended, Erase, EvidenceOf, NewEntry, Opened, Providers, Resealed};
use secure_log::entry::{Entry, EntryRef, StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::limits::{MAX_PAYLOAD_BYTES, MAX_SEALING_BYTES};
use secure_log::providers::{KeyError, Keystore, WrapAlgorithm};
use secure_log::record::DataKeyRow;
use secure_log::sealed::{PseudonymOf, SealedPayload};
use secure_log::shared::SharedLog;
use secure_log::store::SecureLogStore;
use secure_log::verify::{FindingCode, MissingCode, Report, Verdict, verify_jsonl};
use secure_log_testkit::attacks::{to_jsonl, trust};
use secure_log_testkit::forge::{Reach, rechain};
use secure_log_testkit::{Effect, Fault, FaultStore, OwnedRecord, SeededRandom, TestKeystore, count};

const SECRET: &[u8] = b"the secret that nobody may see in clear";

/// A world with two keys that wrap, whose logs seal by the first.
fn sealing() -> World {
    let world = World::new();
    World { keys: world.keys.clone().wrapping("kek-1").wrapping("kek-2"), ..world }
}

/// Surroundings with randomness of their own, as each opening of a log has.
fn surroundings(world: &World) -> Providers {
    static OPENINGS: AtomicU64 = AtomicU64::new(7);
    let seed = OPENINGS.fetch_add(1, Ordering::SeqCst);
    Providers { random: Box::new(SeededRandom::new(seed)), ..world.providers() }
}

fn open_on<S: SecureLogStore>(world: &World, store: S, kek: &str) -> Result<SecureLog<S>, LogError> {
    let mut options = world.options();
    options.kek_label = Some(kek.into());
    SecureLog::open(store, surroundings(world), options)
}

fn open(world: &World) -> Log {
    open_on(world, world.store.clone(), "kek-1").unwrap()
}

fn of_tier(tier: Tier) -> StreamRules {
    StreamRules { tier, ..StreamRules::default() }
}

/// A log with a protected stream of this name.
fn protected(stream: &str) -> (World, Log) {
    let world = sealing();
    let mut log = open(&world);
    log.create_stream(stream, &of_tier(Tier::Protected)).unwrap();
    (world, log)
}

fn seal<S: SecureLogStore>(log: &mut SecureLog<S>, stream: &str, payload: &[u8]) -> Appended {
    log.append_sealed(&entry(stream, payload)).unwrap().0
}

fn opened<S: SecureLogStore>(log: &mut SecureLog<S>, seqno: u64) -> Vec<u8> {
    log.open_payload(seqno).unwrap_or_else(|error| panic!("entry {seqno}: {error}")).payload.to_vec()
}

fn keys(world: &World, stream: &str) -> Vec<DataKeyRow> {
    world.store.clone().data_keys(stream).unwrap()
}

/// What a verifier with both wrapping keys says.
fn opening_report(world: &World) -> Report {
    let mut trust = trust();
    for label in ["kek-1", "kek-2"] {
        trust.add_wrapping_key(label, world.keys.wrapping_key(label).unwrap());
    }
    verify_jsonl(&to_jsonl(&world.records())[..], &trust, |_| {}).unwrap()
}

fn assert_all_open(world: &World, payloads: u64) {
    let report = opening_report(world);
    assert_eq!((&report.verdict, report.unopened), (&Verdict::Valid, 0), "{report:?}");
    let sealed = world.report();
    assert_eq!((&sealed.verdict, sealed.unopened), (&Verdict::Valid, payloads), "{sealed:?}");
}

fn edit_keys(world: &World, mut edit: impl FnMut(&mut Vec<&mut DataKeyRow>)) {
    world.edit(|records| {
        let mut rows: Vec<&mut DataKeyRow> = records
            .iter_mut()
            .filter_map(|record| match record {
                OwnedRecord::DataKey(row) => Some(row),
                _ => None,
            })
            .collect();
        edit(&mut rows);
    });
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
