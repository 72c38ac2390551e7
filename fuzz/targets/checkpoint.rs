//! Bytes that decode as a checkpoint are its one encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::entry::CheckpointRef;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(checkpoint) = CheckpointRef::decode(bytes) {
        assert_eq!(checkpoint.encode(), bytes);
    }
});
