//! Whole files: any bytes get one of the three answers, the same whether they come in one piece or in many; and what is imported
//! of them is what was found right, to the byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::hash::HmacKey;
use secure_log::import::{ImportError, ImportOptions, import_jsonl};
use secure_log::jsonl::export;
use secure_log::memory::MemoryStore;
use secure_log::store::SecureLogStore;
use secure_log::verify::{LogVerifier, Trust, Verdict, verify_jsonl};

fuzz_target!(|bytes: &[u8]| {
    let mut trust = Trust::new();
    trust.add_hmac_key(HmacKey::new(core::array::from_fn(|i| i as u8)));
    let whole = verify_jsonl(bytes, &trust, |_| {}).expect("reading from memory does not fail");
    let mut pieces = LogVerifier::new(trust.clone()).expect("one key makes sense");
    let step = bytes.first().map_or(1, |first| usize::from(*first % 64) + 1);
    for piece in bytes.chunks(step) {
        if !pieces.push(piece) {
            break;
        }
    }
    assert_eq!(pieces.finish(), whole);
    let mut store = MemoryStore::new();
    match import_jsonl(&mut store, bytes, ImportOptions { trust, incomplete: true }, |_| {}) {
        Ok(report) => {
            assert!(!matches!(report.verdict, Verdict::Invalid(_)));
            let mut again = Vec::new();
            export(&mut store, &mut again).expect("what was imported has lines");
            assert_eq!((report, &*again), (whole, bytes));
        }
        Err(ImportError::Refused(report)) => {
            assert_eq!(*report, whole);
            assert!(store.log().expect("memory does not fail").is_none());
        }
        Err(other) => panic!("{other}"),
    }
});
