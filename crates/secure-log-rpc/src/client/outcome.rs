//! Appending a commit, and finding out what became of one whose answer was lost (docs/decisions/0014).

use secure_log::record::{HeadRow, Record, WitnessRow};
use secure_log::store::{Commit, CommitRow, SecureLogStore, StoreError};

use super::{RemoteStore, Unreadable, failed, is_locked, value};
use crate::MAX_REQUEST_BYTES;
use crate::method::Method;
use crate::transport::{Transport, TransportError};
use crate::wire::{encode_commit, encode_load};

/// So many heads are looked through for the commit's own, newest first: as many commits of others may stand above it.
const MAX_PAGES: usize = 64;
const PAGE: u32 = 256;

/// Where a commit is.
enum Whereabouts {
    /// In the store.
    Stored,
    /// Not in the store, which holds what the commit expects. It may still be on its way.
    NotYet,
    /// Not in the store, and it never will be, as the store holds something else than it expects.
    Overtaken(Vec<HeadRow>),
}

fn check_length(params: &str) -> Result<(), StoreError> {
    if params.len() > MAX_REQUEST_BYTES {
        let detail = format!("a commit of {} bytes is longer than {MAX_REQUEST_BYTES}, the longest call", params.len());
        return Err(StoreError::Config(detail));
    }
    Ok(())
}

impl<T: Transport> RemoteStore<T> {
    /// Hands on a part of a log that is loaded. One whose answer is lost is not sent again: who loads begins anew.
    pub(super) fn load_rows(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        let params = encode_load(after, rows, done);
        check_length(&params)?;
        let answer = self.once(Method::Load, &params).map_err(|error| failed(Method::Load, error))?;
        match value(&answer) {
            Ok(()) => Ok(()),
            Err(Unreadable::Error(error)) => Err(error),
            Err(Unreadable::Malformed(malformed)) => {
                Err(failed(Method::Load, TransportError::Unknown(malformed.to_string())))
            }
        }
    }

    /// Appends the commit, and comes back when it is known what became of it, or after the last attempt to find out.
    pub(super) fn append(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let params = encode_commit(commit);
        check_length(&params)?;
        let retry = self.retry;
        let mut pauses = retry.pauses();
        let mut trouble = loop {
            match self.once(Method::Insert, &params) {
                Ok(answer) => match value(&answer) {
                    Ok(()) => return Ok(()),
                    Err(Unreadable::Error(error)) => match (is_locked(&error), pauses.next()) {
                        // Nothing was written.
                        (true, Some(pause)) => retry.wait(pause),
                        _ => return Err(error),
                    },
                    // It says nothing about the commit.
                    Err(Unreadable::Malformed(malformed)) => break malformed.to_string(),
                },
                Err(TransportError::Unknown(detail)) => break detail,
                Err(refused) => return Err(failed(Method::Insert, refused)),
            }
        };
        for pause in pauses {
            retry.wait(pause);
            match self.whereabouts(commit) {
                Ok(Whereabouts::Stored) => return Ok(()),
                Ok(Whereabouts::Overtaken(heads)) => return Err(StoreError::Conflict { heads }),
                Ok(Whereabouts::NotYet) if excludes_itself(commit) => match self.once(Method::Insert, &params) {
                    Ok(answer) => match value(&answer) {
                        Ok(()) => return Ok(()),
                        // Neither is stored from now on. One may have been before.
                        Err(Unreadable::Error(StoreError::Conflict { heads })) => match self.whereabouts(commit) {
                            Ok(Whereabouts::Stored) => return Ok(()),
                            Ok(_) => return Err(StoreError::Conflict { heads }),
                            Err(error) => trouble = error.to_string(),
                        },
                        // Of two that are on their way one may have been stored, whatever is said of the other.
                        Err(Unreadable::Error(error)) => trouble = error.to_string(),
                        Err(Unreadable::Malformed(malformed)) => trouble = malformed.to_string(),
                    },
                    Err(error) => trouble = error.to_string(),
                },
                Ok(Whereabouts::NotYet) => {}
                Err(error) => trouble = error.to_string(),
            }
        }
        let operation = "find out whether the remote store has the commit".into();
        Err(StoreError::Io { operation, detail: trouble })
    }

    fn whereabouts(&mut self, commit: &Commit) -> Result<Whereabouts, StoreError> {
        let retry = core::mem::replace(&mut self.retry, super::Retry::NEVER);
        let found = self.look_for(commit);
        self.retry = retry;
        found
    }

    fn look_for(&mut self, commit: &Commit) -> Result<Whereabouts, StoreError> {
        let Some(own) = commit.head() else { return Ok(Whereabouts::NotYet) };
        let newest = self.heads(None, PAGE)?;
        let rows_tell = !has_entries(commit);
        let same = |head: &HeadRow| match rows_tell {
            true => head == own,
            false => (head.size, head.root) == (own.size, own.root),
        };
        let mut page = newest.clone();
        for _ in 0..MAX_PAGES {
            if page.iter().any(|row| same(&row.head)) {
                if !rows_tell || self.has_rows(commit)? {
                    return Ok(Whereabouts::Stored);
                }
                break;
            }
            match page.last() {
                Some(oldest) if oldest.head.size >= own.size && oldest.number > 1 => {
                    page = self.heads(Some(oldest.number), PAGE)?;
                }
                _ => break,
            }
        }
        let expected = commit.expected.map(|expected| (expected.size, expected.root));
        if newest.first().map(|row| (row.head.size, row.head.root)) == expected {
            return Ok(Whereabouts::NotYet);
        }
        Ok(Whereabouts::Overtaken(newest.into_iter().take(CONFLICT_HEADS).map(|row| row.head).collect()))
    }

    /// Whether each row but the head is in the store. No head tells of these, as no entry is among them.
    fn has_rows(&mut self, commit: &Commit) -> Result<bool, StoreError> {
        for record in commit.records() {
            let found = match record {
                Record::Log(row) => self.log()?.as_ref() == Some(row),
                Record::Stream(row) => self.stream(&row.name)?.is_some_and(|state| state.row == *row),
                Record::DataKey(row) => self.data_keys(&row.stream)?.contains(row),
                Record::Signature(row) => self.signatures(row.of)?.contains(row),
                Record::Segment(row) => self.segment(row.id)?.as_ref() == Some(row),
                Record::Witness(row) => self.has_witness(row)?,
                Record::Head(_) => true,
                Record::Entry(_) | Record::Pruned(_) | Record::Unknown(_) => false,
            };
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether an answer of a witness is among the newest ones.
    fn has_witness(&mut self, row: &WitnessRow) -> Result<bool, StoreError> {
        let newest = self.witnesses(None, MAX_PAGES as u32 * PAGE)?;
        Ok(newest.iter().any(|witness| witness.row == *row))
    }
}

/// How many heads a conflict shows.
const CONFLICT_HEADS: usize = 16;

fn has_entries(commit: &Commit) -> bool {
    commit.rows().any(|row| matches!(row, CommitRow::Entry(_)))
}

/// Whether the commit, once stored, is what keeps a second copy of it from being stored: it changes what it expects, or makes a
/// stream.
fn excludes_itself(commit: &Commit) -> bool {
    commit.expected.is_none() || has_entries(commit) || commit.new_streams().next().is_some()
}
