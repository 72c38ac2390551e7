//! A small log with a bit of everything that the engine writes.

use secure_log::engine::{DEFAULT_IDENTITY, LogOptions, NewEntry, Providers, SecureLog};
use secure_log::entry::{Severity, SigningRule, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::{Hash, HmacKey, Suite};
use secure_log::memory::MemoryStore;
use secure_log::note::VerifierKey;
use secure_log::providers::{Keystore, NoAnchor};
use secure_log::sign::Algorithm;
use secure_log::store::SecureLogStore;
use secure_log::verify::{Signer, Trust};

use crate::{ManualClock, OwnedRecord, SeededRandom, TestKeystore, records_of};

/// The origin of the sample log.
pub const ORIGIN: &str = "log.example";
/// Who signs its heads, segments and entries.
pub const IDENTITY: &str = DEFAULT_IDENTITY;
/// Label of the key of its keyed stream.
pub const MAC_LABEL: &str = "mac";

/// The keys that the sample log is written with.
pub fn keystore() -> TestKeystore {
    TestKeystore::new().signing(IDENTITY, Algorithm::Ed25519).keyed_hashing(MAC_LABEL)
}

/// Surroundings in which the sample log can be opened again.
pub fn providers() -> Providers {
    seeded(1, ManualClock::new())
}

fn seeded(seed: u64, clock: ManualClock) -> Providers {
    Providers {
        keystore: Box::new(keystore()),
        anchor: Box::new(NoAnchor),
        clock: Box::new(clock),
        random: Box::new(SeededRandom::new(seed)),
    }
}

/// How the sample log is opened.
pub fn options() -> LogOptions {
    LogOptions {
        origin: Some(ORIGIN.into()),
        mac_label: Some(MAC_LABEL.into()),
        session: Some("session-1".into()),
        boot: Some("boot-1".into()),
        ..LogOptions::default()
    }
}

/// The verifier key that signs the heads of a log of this origin with the key of [`IDENTITY`].
pub fn log_key(origin: &str) -> VerifierKey {
    let signer = keystore().signer(IDENTITY).expect("the test keystore has this key");
    VerifierKey::new(origin, signer.algorithm(), signer.public_key()).expect("its public key is one")
}

/// The key of the keyed suite, which a verifier may hold.
pub fn hmac_key() -> HmacKey {
    HmacKey::new(TestKeystore::mac_secret(MAC_LABEL))
}

/// What a verifier of the sample log trusts.
pub fn trust() -> Trust {
    let mut trust = Trust::new();
    trust.set_origin(ORIGIN);
    trust.add_log_key(log_key(ORIGIN));
    let signer = Signer::from_verifier_key(&log_key(IDENTITY), 1..=u64::MAX).expect("it is no witness's key");
    trust.add_signer(signer);
    trust.add_hmac_key(hmac_key());
    trust
}

/// Writes the sample log through the engine.
///
/// | seqno | stream | what |
/// |---|---|---|
/// | 1 to 4 | auth, files, keyed, vault | `created`; auth signs segments, vault entries; files is blake3, keyed hmac-sha-256 |
/// | 5 to 11 | auth 2, files 2, keyed, vault, plain | one batch |
/// | 12 | auth | segment 1 closed: 1, 5, 6 |
/// | 13 to 16 | auth, files, keyed, plain | one batch |
/// | 17 | files | segment 2 closed: 2, 7, 8, 14 |
/// | 18, 19 | auth, vault | one batch |
/// | 20, 21 | plain | changed to blake3, and used so |
/// | 22 | auth | segment 3 closed: 12, 13, 18 |
/// | 23, 24 | old | one entry, deprecated |
/// | 25 | files | the last |
pub fn sample_log<S: SecureLogStore>(store: S) -> Result<SecureLog<S>, LogError> {
    write(store, 1)
}

fn write<S: SecureLogStore>(store: S, seed: u64) -> Result<SecureLog<S>, LogError> {
    let clock = ManualClock::new();
    let mut log = SecureLog::open(store, seeded(seed, clock.clone()), options())?;
    let keyed = log.mac_suite()?;
    let rules = |suite, sign, description: Option<&str>| StreamRules {
        suite,
        sign,
        description: description.map(String::from),
        ..StreamRules::default()
    };
    let step = |log: &mut SecureLog<S>, entries: &[(&str, &[u8])]| {
        clock.advance(1);
        let entries: Vec<NewEntry<'_>> = entries.iter().map(|(stream, payload)| entry(stream, payload)).collect();
        if entries.is_empty() { Ok(()) } else { log.append_batch(&entries).map(|_| ()) }
    };
    log.create_stream("auth", &rules(Suite::Sha256, SigningRule::Segments, Some("who logged in")))?;
    log.create_stream("files", &rules(Suite::Blake3, SigningRule::None, None))?;
    log.create_stream("keyed", &rules(keyed, SigningRule::None, None))?;
    log.create_stream("vault", &rules(Suite::Sha256, SigningRule::Entries, None))?;
    step(
        &mut log,
        &[
            ("auth", b"alice"),
            ("auth", b"bob \"the\"\nbuilder"),
            ("files", b"/etc/passwd"),
            ("files", b"\x00\xff\x07binary"),
            ("keyed", b"card 4711"),
            ("vault", b"opened"),
            ("plain", "\u{e9}t\u{e9}".as_bytes()),
        ],
    )?;
    log.close_segment("auth")?;
    step(&mut log, &[("auth", b"carol"), ("files", b""), ("keyed", b"card 4712"), ("plain", b"2")])?;
    log.close_segment("files")?;
    step(&mut log, &[("auth", b"dave"), ("vault", b"closed")])?;
    log.change_suite("plain", Suite::Blake3)?;
    step(&mut log, &[("plain", b"3")])?;
    log.close_segment("auth")?;
    step(&mut log, &[("old", b"last words")])?;
    log.deprecate_stream("old")?;
    step(&mut log, &[("files", b"/tmp")])?;
    Ok(log)
}

fn entry<'a>(stream: &'a str, payload: &'a [u8]) -> NewEntry<'a> {
    let encoding = if core::str::from_utf8(payload).is_ok() { "text" } else { "application/octet-stream" };
    NewEntry { stream, event: "test.event", severity: Severity::Info, producer: "test", encoding, payload }
}

/// The records of the sample log.
pub fn sample_records() -> Vec<OwnedRecord> {
    records(1)
}

/// The records of another log with the same origin, key and streams.
pub(super) fn other_records() -> Vec<OwnedRecord> {
    records(2)
}

fn records(seed: u64) -> Vec<OwnedRecord> {
    let log = write(MemoryStore::new(), seed).expect("a store in memory takes the sample log");
    records_of(&mut log.into_store()).expect("a store in memory can be read")
}

/// The hash of an entry's bytes under a suite that needs no key.
pub(super) fn unkeyed_hash(version: u64, bytes: &[u8]) -> Hash {
    if version == 2 { Hash(blake3::hash(bytes).into()) } else { Hash::sha256(bytes) }
}
