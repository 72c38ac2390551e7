//! Evidence bundles: any bytes get one of the three answers, the same whether they come in one piece or in many, and none is
//! valid to whoever trusts nobody. A line that is one is its one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::bundle::{BundleVerifier, verify_bundle};
use secure_log::hash::HmacKey;
use secure_log::jsonl::{BundleLine, parse_bundle_line, write_bundle_line};
use secure_log::verify::{Trust, Verdict};

fuzz_target!(|bytes: &[u8]| {
    let mut trust = Trust::new();
    trust.add_hmac_key(HmacKey::new(core::array::from_fn(|i| i as u8)));
    let whole = verify_bundle(bytes, &trust).expect("reading from memory does not fail");
    assert_ne!(whole.report.verdict, Verdict::Valid);
    let mut pieces = BundleVerifier::new(trust).expect("one key makes sense");
    let step = bytes.first().map_or(1, |first| usize::from(*first % 64) + 1);
    bytes.chunks(step).all(|piece| pieces.push(piece));
    assert_eq!(pieces.finish(), whole);
    for line in bytes.split(|b| *b == b'\n') {
        match parse_bundle_line(line) {
            Err(_) | Ok(BundleLine::Record(_) | BundleLine::OtherVersion(_)) => {}
            Ok(own) => {
                let mut written = Vec::new();
                write_bundle_line(&own, &mut written).expect("what was read can be written");
                assert_eq!(written.strip_suffix(b"\n"), Some(line));
            }
        }
    }
});
