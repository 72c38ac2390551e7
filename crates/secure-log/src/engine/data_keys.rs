//! The keys of streams that the engine holds: unwrapped once, few at a time, and never one that was erased.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::control;
use crate::engine::SecureLog;
use crate::engine::proof::Checked;
use crate::error::LogError;
use crate::hash::Hash;
use crate::providers::{KeyError, Keystore, UnwrapError, WrappingKey};
use crate::record::{DataKeyRow, LogRow};
use crate::sealed::{self, DataKey, Place, PseudonymKey, Secret, StreamKey};
use crate::store::SecureLogStore;

/// Data keys that are held: as many segments can be read side by side without unwrapping a key twice. Each takes about 100 bytes.
const MAX_HELD: usize = 256;
/// Wrapping keys whose handles are kept. A keystore may have to stretch a passphrase for each.
const MAX_KEKS: usize = 16;
/// Streams of which it is kept which keys were erased.
const MAX_ERASURES: usize = 64;

/// Unwrapped keys, the last used at the end. All of them are zeroed when they are dropped.
#[derive(Default)]
pub(super) struct KeyRing {
    data: VecDeque<Held<DataKey>>,
    pseudonyms: VecDeque<Held<PseudonymKey>>,
    keks: VecDeque<(Box<str>, Box<dyn WrappingKey + Send>)>,
    erasures: VecDeque<Erasures>,
}

struct Held<K> {
    stream: Box<str>,
    id: Hash,
    key: Arc<K>,
    /// Nobody can have erased it since its line was last seen.
    sure: bool,
}

/// The data keys that entries of a stream say to be erased.
struct Erasures {
    stream: Box<str>,
    /// The entries that were looked through.
    seen: (u64, u64),
    ids: HashSet<Hash>,
}

/// The data keys of one stream, read when they are first needed.
#[derive(Default)]
pub(super) struct StreamKeys(Option<Vec<DataKeyRow>>);

impl StreamKeys {
    pub(super) fn of<S: SecureLogStore>(&mut self, store: &mut S, stream: &str) -> Result<&[DataKeyRow], LogError> {
        if self.0.is_none() {
            self.0 = Some(store.data_keys(stream)?);
        }
        Ok(self.0.as_deref().unwrap_or_default())
    }
}

impl KeyRing {
    /// Others have written: whether a key was erased has to be looked at before it is used again.
    pub(super) fn doubt(&mut self) {
        self.data.iter_mut().for_each(|held| held.sure = false);
        self.pseudonyms.iter_mut().for_each(|held| held.sure = false);
    }

    /// Drops keys that were erased.
    pub(super) fn forget(&mut self, ids: &HashSet<Hash>) {
        self.data.retain(|held| !ids.contains(&held.id));
        self.pseudonyms.retain(|held| !ids.contains(&held.id));
    }

    pub(super) fn keep(&mut self, stream: &str, key: DataKey) -> Arc<DataKey> {
        let id = key.id();
        keep(&mut self.data, stream, id, key)
    }

    /// The key with this label, whose handle is kept.
    pub(super) fn kek(&mut self, keystore: &dyn Keystore, label: &str) -> Result<&(dyn WrappingKey + Send), KeyError> {
        let known = self.keks.iter().position(|(known, _)| **known == *label);
        let at = match known {
            Some(at) => at,
            None => {
                let key = keystore.wrapping_key(label)?;
                if self.keks.len() == MAX_KEKS {
                    self.keks.pop_front();
                }
                self.keks.push_back((label.into(), key));
                self.keks.len() - 1
            }
        };
        Ok(&*self.keks[at].1)
    }

    /// The bytes of the key of a line.
    pub(super) fn unwrapped(
        &mut self,
        keystore: &dyn Keystore,
        place: Place<'_>,
        row: &DataKeyRow,
    ) -> Result<Secret, LogError> {
        let kek = self.kek(keystore, &row.kek)?;
        sealed::unwrap_secret(place, row, kek).map_err(|error| refused(row, error))
    }

    fn unwrap(&mut self, keystore: &dyn Keystore, place: Place<'_>, row: &DataKeyRow) -> Result<StreamKey, LogError> {
        let kek = self.kek(keystore, &row.kek)?;
        sealed::unwrap(place, row, kek).map_err(|error| refused(row, error))
    }
}

/// Why a data key is of no use.
pub(super) fn refused(row: &DataKeyRow, error: UnwrapError) -> LogError {
    match error {
        UnwrapError::Key(error) => LogError::Key(error),
        UnwrapError::NotAuthentic => LogError::DataKeyRefused { id: row.id, kek: row.kek.clone() },
    }
}

fn keep<K>(held: &mut VecDeque<Held<K>>, stream: &str, id: Hash, key: K) -> Arc<K> {
    held.retain(|held| held.id != id);
    if held.len() == MAX_HELD {
        held.pop_front();
    }
    let key = Arc::new(key);
    held.push_back(Held { stream: stream.into(), id, key: Arc::clone(&key), sure: true });
    key
}

/// The key that `is` finds, which then counts as the last used one.
fn take<K>(held: &mut VecDeque<Held<K>>, is: impl Fn(&Held<K>) -> bool) -> Option<&mut Held<K>> {
    let at = held.iter().rposition(is)?;
    if at + 1 < held.len() {
        let found = held.remove(at)?;
        held.push_back(found);
    }
    held.back_mut()
}

/// Where the keys of a stream of this log are good.
pub(super) fn place<'a>(log: &'a LogRow, stream: &'a str) -> Place<'a> {
    Place { log: &log.id, stream }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// The data key with this id; `None` where the store has none.
    pub(super) fn data_key(
        &mut self,
        stream: &str,
        id: &Hash,
        keys: &mut StreamKeys,
    ) -> Result<Option<Arc<DataKey>>, LogError> {
        if let Some(held) = take(&mut self.ring.data, |held| held.id == *id)
            && held.sure
        {
            return Ok(Some(Arc::clone(&held.key)));
        }
        let rows = keys.of(&mut self.store, stream)?;
        let Some(row) = rows.iter().find(|row| row.id == *id) else {
            self.ring.forget(&HashSet::from([*id]));
            return Ok(None);
        };
        if let Some(held) = take(&mut self.ring.data, |held| held.id == *id) {
            held.sure = true;
            return Ok(Some(Arc::clone(&held.key)));
        }
        match self.ring.unwrap(&*self.providers.keystore, place(&self.log, stream), row)? {
            StreamKey::Data(key) => Ok(Some(self.ring.keep(stream, key))),
            StreamKey::Pseudonym(_) => Err(refused(row, UnwrapError::NotAuthentic)),
        }
    }

    /// The key for pseudonyms of a highly-restricted stream. It is made with the stream and never again.
    pub(super) fn pseudonym_key(&mut self, stream: &str, keys: &mut StreamKeys) -> Result<Arc<PseudonymKey>, LogError> {
        if let Some(held) = take(&mut self.ring.pseudonyms, |held| *held.stream == *stream)
            && held.sure
        {
            return Ok(Arc::clone(&held.key));
        }
        let rows = keys.of(&mut self.store, stream)?;
        let missing = || LogError::PseudonymKeyMissing(stream.into());
        if let Some(held) = take(&mut self.ring.pseudonyms, |held| *held.stream == *stream) {
            held.sure = rows.iter().any(|row| row.id == held.id);
            if held.sure {
                return Ok(Arc::clone(&held.key));
            }
            self.ring.pseudonyms.retain(|held| *held.stream != *stream);
        }
        let row = rows.iter().find(|row| row.first == 0).ok_or_else(missing)?;
        match self.ring.unwrap(&*self.providers.keystore, place(&self.log, stream), row)? {
            StreamKey::Pseudonym(key) => Ok(keep(&mut self.ring.pseudonyms, stream, row.id, key)),
            StreamKey::Data(_) => Err(refused(row, UnwrapError::NotAuthentic)),
        }
    }

    /// Whether an entry of the stream behind this one says that this data key was erased. Each is re-hashed and proven.
    pub(super) fn is_erased(&mut self, stream: &str, after: u64, id: &Hash) -> Result<bool, LogError> {
        let Some(last) = self.existing_tip(stream)?.last else { return Ok(false) };
        let known = self.ring.erasures.iter().position(|known| *known.stream == *stream);
        let mut known = known.and_then(|at| self.ring.erasures.remove(at)).filter(|known| known.seen.0 <= after + 1);
        let (from, to) = known.as_ref().map_or((after + 1, after), |known| known.seen);
        let ids = known.as_mut().map(|known| core::mem::take(&mut known.ids)).unwrap_or_default();
        let mut known = Erasures { stream: stream.into(), seen: (from, to), ids };
        if to < last {
            let mut found = Vec::new();
            self.walk(Some(stream), to + 1, last, |seqno, _, checked| {
                if let Checked::Entry(entry, hash) = checked
                    && entry.event == control::ERASED
                    && let Some(ids) = control::decode_erased(entry.payload)
                {
                    found.push((seqno, hash, ids));
                }
                Ok(true)
            })?;
            for (seqno, hash, ids) in found {
                self.prove_entry(seqno, &hash)?;
                known.ids.extend(ids);
            }
            known.seen.1 = last;
        }
        let is_erased = known.ids.contains(id);
        if self.ring.erasures.len() == MAX_ERASURES {
            self.ring.erasures.pop_front();
        }
        self.ring.erasures.push_back(known);
        Ok(is_erased)
    }
}
