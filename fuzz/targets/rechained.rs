//! Logs that an attacker made fit again, hashes, segments, heads and all, and whose signatures pass: what the verifier says
//! of what is written in them. Any of them gets one of the three answers, the same in one piece, in many, and on two threads.
#![no_main]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use libfuzzer_sys::fuzz_target;
use secure_log::hash::HmacKey;
use secure_log::verify::{LogVerifier, Trust, verify_jsonl_on};
use secure_log_testkit::forge::{Reach, rechain};
use secure_log_testkit::{OwnedRecord, from_jsonl, to_jsonl};

/// The keys of vectors/secure-log/log.json, so that the golden logs are good seeds.
const POLICY: &str = "\
log secure-log/000102030405060708090a0b0c0d0e0f+2ee628c3+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4
witness W1 witness.example/w1+0c3205e6+BNdZeTu8E6KBmoJ8dq22+6ikmu4Af0ny0JktmbglrSxI
quorum none
signers
attest attest+763157a1+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4
";

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut records) = from_jsonl(bytes) else { return };
    let Some(OwnedRecord::Log(_)) = records.first() else { return };
    keep_what_has_a_stream(&mut records);
    rechain(&mut records, Reach::Heads);
    let log = to_jsonl(&records);

    let mut trust: Trust = POLICY.parse().expect("it is a policy");
    trust.add_hmac_key(HmacKey::new(core::array::from_fn(|i| i as u8)));
    let on = |threads| {
        let threads = NonZeroUsize::new(threads).expect("one at least");
        verify_jsonl_on(threads, &log[..], &trust, |_| {}).expect("reading from memory does not fail")
    };
    let whole = on(1);
    assert_eq!(on(2), whole);
    let mut pieces = LogVerifier::new(trust.clone()).expect("the keys make sense together");
    let step = usize::from(bytes[bytes.len() / 2] % 64) + 1;
    log.chunks(step).all(|piece| pieces.push(piece));
    assert_eq!(pieces.finish(), whole);
    let lines = whole.to_json(None) + &whole.to_text(None);
    assert!(!lines.chars().any(|c| c.is_control() && c != '\n'), "what is shown of it disturbs no terminal");
});

fn keep_what_has_a_stream(records: &mut Vec<OwnedRecord>) {
    let mut streams = BTreeSet::new();
    records.retain(|record| {
        let record = record.as_record();
        if let secure_log::record::Record::Stream(row) = record {
            streams.insert(row.name.clone());
        }
        record.stream().is_none_or(|stream| streams.contains(stream))
    });
}
