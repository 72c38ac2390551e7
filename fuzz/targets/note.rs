//! Notes, heads, verifier keys, introductions of keys, trust policies and times: what is read is written back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::introduction::SignedIntroduction;
use secure_log::note::{Note, VerifierKey};
use secure_log::time::Timestamp;
use secure_log::verify::Trust;

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
    if let Some(introduction) = SignedIntroduction::decode(text.as_bytes()) {
        assert_eq!(introduction.encode(), text);
    }
    if let Err(error) = text.parse::<Trust>() {
        let line = text.split('\n').nth(error.line - 1).expect("the line that it names is there");
        assert!((1..=line.chars().count() + 1).contains(&error.column), "{error}");
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string(), text);
    }
});
