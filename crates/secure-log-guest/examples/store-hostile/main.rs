//! A store component in the hands of a test: it stands between the log and the store that it is composed with, and does
//! to the log what a host tells it to through the interface `hand`.
//!
//! What it does is the testkit's [`Hand`], as in native tests. Out of scope: deciding anything. Built and composed by
//! scripts/test-attacks.sh.
// The names of a component's exports are none for a native linker, which `cargo test` calls on every example.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively nothing is exported"))]

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;

use bindings::exports::secure_log::attacks::hand::{Effect as WireEffect, Guest};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_guest::{ImportedStore, StoreProvider};
use secure_log_testkit::{
    AnyStore, Effect, Fault, Hand, Lie, OwnedRecord, flip_stored_bit, from_jsonl, store_from, to_jsonl,
};

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "hostile", path: "examples/store-hostile/wit" });

    #[cfg(target_family = "wasm")]
    export!(Hostile with_types_in self);

    #[cfg(target_family = "wasm")]
    use super::Hostile;
}

thread_local! {
    /// The one store of this component instance.
    static HAND: RefCell<Option<Hand>> = const { RefCell::new(None) };
}

struct Hostile;

impl StoreProvider for Hostile {
    fn open(config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
        let hand = match HAND.with_borrow(Clone::clone) {
            Some(hand) => hand,
            None => take(config)?,
        };
        Ok(Box::new(hand.store()))
    }
}

fn take(config: &str) -> Result<Hand, StoreError> {
    let (store, config) = (ImportedStore::open(config)?, config.to_owned());
    let hand = Hand::new(AnyStore::new(store), move |records| lay(&config, records));
    HAND.set(Some(hand.clone()));
    Ok(hand)
}

/// A file is rewritten under the imported store, as somebody would who controls the disk. A store in memory cannot be
/// reached from outside, so another one like it takes its place; it takes that of a database in a conflict answer, too, where
/// the host is not asked, which lays all other records into the file.
fn lay(config: &str, records: &[OwnedRecord]) -> Result<AnyStore, StoreError> {
    if !config.ends_with(".jsonl") {
        return Ok(AnyStore::new(store_from(records)));
    }
    let failed = |error: std::io::Error| StoreError::Io { operation: "lay".into(), detail: error.to_string() };
    match fs::remove_dir_all(format!("{config}.idx")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::write(config, to_jsonl(records)).map_err(failed)?;
    ImportedStore::open(config).map(AnyStore::new)
}

fn with_hand<T>(call: impl FnOnce(&Hand) -> Result<T, StoreError>) -> Result<T, String> {
    let hand = HAND.with_borrow(Clone::clone).ok_or("hold has not succeeded yet")?;
    call(&hand).map_err(|error| error.to_string())
}

impl Guest for Hostile {
    fn hold(config: String) -> Result<(), String> {
        take(&config).map(drop).map_err(|error| error.to_string())
    }

    fn records() -> Result<Vec<u8>, String> {
        with_hand(|hand| Ok(to_jsonl(&hand.records()?)))
    }

    fn lay(lines: Vec<u8>) -> Result<(), String> {
        let records = from_jsonl(&lines)?;
        with_hand(|hand| hand.lay(&records))
    }

    fn flip(seqno: u64, bit: u64) -> Result<(), String> {
        with_hand(|hand| {
            let mut records = hand.records()?;
            flip_stored_bit(&mut records, seqno, bit);
            hand.lay(&records)
        })
    }

    fn tell(lie: String) -> Result<(), String> {
        let lie = Lie::named(&lie).ok_or_else(|| format!("there is no lie '{lie}'"))?;
        with_hand(|hand| {
            hand.tell(Some(lie));
            Ok(())
        })
    }

    fn keep_leaves() -> Result<(), String> {
        with_hand(Hand::keep_leaves)
    }

    fn refuse_commits_over(lines: Vec<u8>) -> Result<(), String> {
        let records = from_jsonl(&lines)?;
        with_hand(|hand| {
            hand.refuse_commits_over(records);
            Ok(())
        })
    }

    fn arm(at: u64, writes_only: bool, effect: WireEffect) -> Result<(), String> {
        let effect = match effect {
            WireEffect::FailsNotStored => Effect::FailsNotStored,
            WireEffect::FailsButStored => Effect::FailsButStored,
            WireEffect::CrashNotStored => Effect::CrashNotStored,
            WireEffect::CrashButStored => Effect::CrashButStored,
        };
        with_hand(|hand| {
            hand.faults().arm(Fault { at, writes_only, effect });
            Ok(())
        })
    }

    fn is_armed() -> Result<bool, String> {
        with_hand(|hand| Ok(hand.faults().is_armed()))
    }
}

#[cfg(target_family = "wasm")]
secure_log_guest::export_store!(Hostile);
