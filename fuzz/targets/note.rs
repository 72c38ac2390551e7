//! Notes, heads, verifier keys and times: what is read is written back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::note::{Note, VerifierKey};
use secure_log::time::Timestamp;

fuzz_target!(|text: &str| {
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        if let Ok(head) = note.checkpoint() {
            assert_eq!(head.text(), note.text);
        }
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
        let _ = key.check_line(text, text);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string(), text);
    }
});
