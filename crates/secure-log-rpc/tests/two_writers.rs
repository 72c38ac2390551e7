//! Writers with keys of their own append to one log through one server.

use secure_log::SecureLog;
use secure_log::engine::{LogOptions, NewEntry, Providers};
use secure_log::entry::Severity;
use secure_log::error::LogError;
use secure_log::memory::MemoryStore;
use secure_log::note::VerifierKey;
use secure_log::providers::Keystore;
use secure_log::sign::Algorithm;
use secure_log::verify::{Trust, Verdict};
use secure_log_rpc::RemoteStore;
use secure_log_testkit::attacks::{ORIGIN, providers};
use secure_log_testkit::{SharedStore, TestKeystore};

use crate::support::{Here, Shared, open};

const WRITERS: [&str; 2] = ["writer-a", "writer-b"];

type Log = SecureLog<RemoteStore<Here<Shared>>>;

/// A keystore that has the key of this writer and no other.
fn keystore(writer: &str) -> TestKeystore {
    TestKeystore::new().signing(writer, Algorithm::Ed25519)
}

fn trusting(writers: &[&str]) -> Trust {
    let mut trust = Trust::new();
    trust.set_origin(ORIGIN);
    for writer in writers {
        let signer = keystore(writer).signer(writer).unwrap();
        trust.add_log_key(VerifierKey::new(ORIGIN, signer.algorithm(), signer.public_key()).unwrap());
    }
    trust
}

fn opened(place: &Shared, writer: &str, trusted: &[&str]) -> Result<Log, LogError> {
    let session = Some(format!("session of {writer}"));
    let identity = writer.into();
    let options = LogOptions {
        origin: Some(ORIGIN.into()),
        identity,
        session,
        trust: trusting(trusted),
        ..LogOptions::default()
    };
    let providers = Providers { keystore: Box::new(keystore(writer)), ..providers() };
    SecureLog::open(open(Here(place.clone())), providers, options)
}

fn append(log: &mut Log, payload: &str) -> Result<u64, LogError> {
    let (stream, event, producer, encoding) = ("shared", "test.event", "test", "text");
    let entry = NewEntry { stream, event, severity: Severity::Info, producer, encoding, payload: payload.as_bytes() };
    log.append(&entry).map(|(appended, _)| appended.seqno)
}

#[test]
fn two_writers_with_two_keys_of_one_origin_go_on_from_each_other() {
    let place = SharedStore::new(MemoryStore::new());
    let mut logs = WRITERS.map(|writer| opened(&place, writer, &WRITERS).unwrap());
    for number in 1..=20u64 {
        let turn = (number / 3 % 2) as usize;
        assert_eq!(append(&mut logs[turn], &number.to_string()).unwrap(), number);
    }
    for log in &mut logs {
        let report = log.verify_log().unwrap();
        assert_eq!(report.verdict, Verdict::Valid);
    }
}

#[test]
fn a_writer_that_does_not_trust_the_others_key_does_not_go_on_from_it() {
    let place = SharedStore::new(MemoryStore::new());
    let [a, b] = WRITERS;
    let mut trusting_both = opened(&place, a, &WRITERS).unwrap();
    append(&mut trusting_both, "first").unwrap();
    assert!(opened(&place, b, &[b]).is_err(), "it opens a log of a key that it does not trust");
    let mut other = opened(&place, b, &WRITERS).unwrap();
    let mut trusting_itself = opened(&place, a, &[a]).unwrap();
    append(&mut other, "second").unwrap();
    let refused = append(&mut trusting_itself, "third");
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(append(&mut trusting_both, "third").unwrap(), 3);
}
