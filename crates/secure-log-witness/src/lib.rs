//! Both ends of C2SP tlog-witness.
//!
//! A witness remembers the last head of a log that it saw and cosigns a later one only if that continues it. Whoever trusts
//! the witness knows by its cosignature that nobody was shown another history of that log.
//!
//! **In scope**: [`Witness`], which judges, remembers and cosigns; [`Endpoint`], what it answers to HTTP requests;
//! [`Witnesses`], the client, which is an [`Anchor`](secure_log::providers::Anchor) of the log. It follows docs/format.md s.6 and C2SP `tlog-witness`, `tlog-cosignature`,
//! `tlog-checkpoint`, `signed-note` and `tlog-policy`.
//!
//! **Out of scope**: carrying requests, which `components/witness` and `components/anchor-witness` do over `wasi:http`, and
//! tests in their own ways; keys, which a keystore holds; and the trust policy, which `secure_log::verify` reads.
//!
//! # Example
//!
//! ```
//! use secure_log::note::Note;
//! use secure_log::providers::Keystore as _;
//! use secure_log::record::HeadRow;
//! use secure_log::{note::VerifierKey, sign::Algorithm, tree::empty_root};
//! use secure_log_disk::OsDisk;
//! use secure_log_testkit::TestKeystore;
//! use secure_log_witness::{AddCheckpoint, Records, Witness};
//!
//! let keys = TestKeystore::with_all().signing("witness", Algorithm::Ed25519);
//! let log = keys.signer("checkpoint-ed25519").unwrap();
//! let log_key = VerifierKey::new("log.example/1", Algorithm::Ed25519, log.public_key()).unwrap();
//!
//! let folder = tempfile::tempdir().unwrap();
//! let records = Records::new(OsDisk, folder.path());
//! let witness = Witness::new("witness.example/w", keys.signer("witness").unwrap(), vec![log_key.clone()], records).unwrap();
//!
//! let mut head = HeadRow { size: 0, root: empty_root(), sigs: Vec::new() };
//! let text = Note::of_head("log.example/1", &head).text;
//! head.sigs.push(log_key.signature_line(&log.sign(text.as_bytes()).unwrap()).unwrap());
//! let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: Note::of_head("log.example/1", &head) };
//! let line = witness.add_checkpoint(&request, 1_790_000_000).unwrap();
//! assert_eq!(witness.key().check_line(&line, &text), Ok(true));
//! ```
#![forbid(unsafe_code)]

mod client;
mod config;
mod cosignature;
mod endpoint;
mod head;
mod record;
mod request;
mod witness;
mod witnesses;

pub use client::{AnsweredPost, MAX_ANSWER_BYTES, Post, RemoteWitness, Unwitnessed};
pub use config::{
    ANCHOR_VARIABLE, ConfigError, LABEL_VARIABLE, LOGS_VARIABLE, NAME_VARIABLE, RemoteWitnesses, STATE_VARIABLE,
    TRUST_VARIABLE, WitnessConfig, remote_witnesses,
};
pub use cosignature::{CosignError, cosign};
pub use endpoint::{
    ADD_CHECKPOINT_PATH, Endpoint, HEALTH_PATH, Request, Response, Route, SIZE_TYPE, VERIFIER_KEY_PATH,
};
pub use head::Head;
pub use record::{Record, RecordError, Records};
pub use request::{AddCheckpoint, MAX_PROOF_LINES, MAX_REQUEST_BYTES, RequestError};
pub use witness::{Refusal, Witness};
pub use witnesses::Witnesses;
