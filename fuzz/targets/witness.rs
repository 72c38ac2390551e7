//! What a witness reads of strangers, and what its client reads of witnesses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::hash::Hash;
use secure_log::note::{Note, VerifierKey, text};
use secure_log_witness::{AddCheckpoint, AnsweredPost, Head, Post, RemoteWitness};

/// A witness that answers this, whatever it is asked.
struct Answering(AnsweredPost);

impl Post for Answering {
    fn post(&mut self, _: &str, _: &str, _: usize) -> Result<AnsweredPost, String> {
        Ok(self.0.clone())
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes);
        if let Ok(head) = Head::parse(&request.note.text) {
            assert_eq!(head.origin, Head::origin_of(&request.note.text));
        }
    }
    // The base point: a key with which one would have to compute to sign.
    let public = core::array::from_fn::<u8, 32, _>(|index| if index == 0 { 0x58 } else { 0x66 });
    let key = VerifierKey::new_witness("w", &public).expect("it is a point");
    let witness = RemoteWitness { name: "w".into(), key, url: "http://w/".into() };
    let note = Note { text: text("log", 7, &Hash([7; 32])), sigs: Vec::new() };
    for status in [200, 409] {
        let answer = AnsweredPost { status, content_type: Some("text/x.tlog.size".into()), body: bytes.into() };
        let cosigned = witness.cosign(&mut Answering(answer), &note, 3, &[]);
        // Where signatures are not checked, whatever has the form of one passes.
        assert!(cosigned.is_err() || cfg!(secure_log_unchecked_signatures), "nobody computes that from the input");
    }
});
