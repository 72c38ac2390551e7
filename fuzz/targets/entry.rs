//! Bytes that decode as an entry are its one encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::entry::EntryRef;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = EntryRef::decode(bytes) {
        assert_eq!(entry.encode(), bytes);
        assert_eq!(entry.to_entry().as_ref(), entry);
    }
});
