//! Whole files: any bytes get one of the three answers, the same whether they come in one piece or in many.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::hash::HmacKey;
use secure_log::verify::{LogVerifier, Trust, verify_jsonl};

fuzz_target!(|bytes: &[u8]| {
    let mut trust = Trust::new();
    trust.add_hmac_key(HmacKey::new(core::array::from_fn(|i| i as u8)));
    let whole = verify_jsonl(bytes, &trust, |_| {}).expect("reading from memory does not fail");
    let mut pieces = LogVerifier::new(trust).expect("one key makes sense");
    let step = bytes.first().map_or(1, |first| usize::from(*first % 64) + 1);
    for piece in bytes.chunks(step) {
        if !pieces.push(piece) {
            break;
        }
    }
    assert_eq!(pieces.finish(), whole);
});
