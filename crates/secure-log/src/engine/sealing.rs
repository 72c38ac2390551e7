//! Appending sealed payloads, and opening them (format.md s.8).

use core::fmt;

use zeroize::Zeroizing;

use crate::engine::{Appended, CommitInfo, NewEntry, SecureLog};
use crate::entry::Entry;
use crate::error::LogError;
use crate::store::SecureLogStore;

/// What was sealed. It is zeroed when dropped, and printed without what it holds.
pub struct Opened {
    /// What happened; in a highly-restricted stream what its pseudonym stands for.
    pub event: Zeroizing<String>,
    /// Who reported it; in a highly-restricted stream what its pseudonym stands for.
    pub producer: Zeroizing<String>,
    /// What the payload is.
    pub encoding: String,
    /// The payload.
    pub payload: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}

/// Which field of an entry a pseudonym stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PseudonymOf {
    /// The event type.
    EventType,
    /// The producer.
    Producer,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Appends one entry with its payload sealed, durably. A stream that is public or not there is
    /// [`LogError::StreamNotProtected`]: what is to be secret is never written in clear.
    pub fn append_sealed(&mut self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_sealed_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, in one durable commit, with their payloads sealed.
    pub fn append_sealed_batch(&mut self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        let _ = entries;
        todo!()
    }

    /// Opens the payload of an entry, which is read and proven as [`SecureLog::read`] does.
    pub fn open_payload(&mut self, seqno: u64) -> Result<Opened, LogError> {
        let _ = seqno;
        todo!()
    }

    /// The entries of a stream that [`SecureLog::read_page`] answers, with what was sealed in each: one that does not open says
    /// why, and keeps no other from being opened. Each data key is unwrapped once.
    pub fn open_page(
        &mut self,
        stream: &str,
        from: u64,
        to: u64,
        limit: u32,
    ) -> Result<Vec<(Entry, Result<Opened, LogError>)>, LogError> {
        let _ = (stream, from, to, limit);
        todo!()
    }

    /// What stands in a highly-restricted stream for this event type or producer: entries that have it can be searched for.
    pub fn pseudonym(&mut self, stream: &str, of: PseudonymOf, value: &str) -> Result<String, LogError> {
        let _ = (stream, of, value);
        todo!()
    }
}
