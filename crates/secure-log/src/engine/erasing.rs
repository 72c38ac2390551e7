//! Wrapping data keys anew, and erasing them on record (format.md s.8).

use crate::engine::{CommitInfo, SecureLog};
use crate::error::LogError;
use crate::hash::Hash;
use crate::store::SecureLogStore;

/// So many data keys are wrapped anew, or erased, at most in one call: a row has about 300 bytes, so that they have 20 MiB.
pub const MAX_REWRAPPED: usize = 65_536;

/// What is erased of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// What was sealed in the closed segment with this id.
    Segment(u64),
    /// What was sealed in the entries from the first to the last seqno. Both ends have to be where data keys change, as they
    /// do where segments are closed: otherwise [`LogError::ErasesMore`] says what the key at the end seals.
    Range(u64, u64),
    /// All that was ever sealed in it. In a highly-restricted stream the key for pseudonyms goes, too, so that nothing can be
    /// appended to it any more.
    Stream,
}

/// What [`SecureLog::erase`] destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The data keys that are gone, by their ids; empty where there was none to destroy.
    pub keys: Vec<Hash>,
    /// The entry that says so, and the head that it is under; `None` where no key was to be destroyed.
    pub recorded: Option<(u64, CommitInfo)>,
    /// There are further keys: call again.
    pub more: bool,
}

/// What [`SecureLog::reseal`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many data keys are wrapped by the new key now that were not before.
    pub keys: u64,
    /// There are further ones: call again.
    pub more: bool,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Wraps the data keys of a stream, or of all streams, by the key with this label. No entry changes. The keys of one call
    /// are stored in one step, so that a crash leaves each of them as it was or all of them wrapped anew; those that are wrapped
    /// by this key already are passed over, so that the call can be repeated.
    pub fn reseal(&mut self, stream: Option<&str>, kek_label: &str) -> Result<Resealed, LogError> {
        let _ = (stream, kek_label);
        todo!()
    }

    /// Destroys data keys of a stream: the chain, the segments, the heads and the proofs stay as they are, and nobody opens
    /// what the keys sealed. An entry says so under a signed head before the keys go, so that a log without a key erases
    /// nothing. When it returns, the store has made that they are gone durable.
    ///
    /// Where it fails after the entry was written, and after a crash, the erasure is finished by the next opening or by the
    /// next call that uses the stream, whoever makes it.
    pub fn erase(&mut self, stream: &str, what: Erase) -> Result<Erased, LogError> {
        let _ = (stream, what);
        todo!()
    }
}
