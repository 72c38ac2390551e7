//! A store that a test has in its hand while a log uses it.

use std::sync::{Arc, Mutex, PoisonError};

use secure_log::hash::Hash;
use secure_log::store::{SecureLogStore, StoreError, TreeId};

use crate::fault::{FaultStore, Faults};
use crate::hostile::HostileStore;
use crate::layer::{AnyStore, SharedStore};
use crate::record::{OwnedRecord, records_of};

/// A store, and everything that somebody who controls it can do to a log on top: edit it behind the log's back, lie, and
/// fail. Clones are the same hand.
#[derive(Clone)]
pub struct Hand {
    below: SharedStore<AnyStore>,
    lay: Arc<Mutex<Lay>>,
    faults: Faults,
    tricks: SharedStore<Tricks>,
}

type Lay = dyn FnMut(&[OwnedRecord]) -> Result<AnyStore, StoreError> + Send;

/// What the store answers that is not so.
#[derive(Default)]
struct Tricks {
    lie: Option<Lie>,
    leaves: Option<Vec<Hash>>,
    conflict: Option<Vec<OwnedRecord>>,
}

/// A store as a log uses it, under a [`Hand`].
pub type HeldStore = HostileStore<FaultStore<SharedStore<AnyStore>>>;

impl Hand {
    /// Takes `store`. `lay` puts other records in its place, whatever they are, and opens the store that holds them.
    pub fn new(
        store: AnyStore,
        lay: impl FnMut(&[OwnedRecord]) -> Result<AnyStore, StoreError> + Send + 'static,
    ) -> Hand {
        Hand {
            below: SharedStore::new(store),
            lay: Arc::new(Mutex::new(lay)),
            faults: Faults::default(),
            tricks: SharedStore::default(),
        }
    }

    /// The store for the next opening of a log.
    pub fn store(&self) -> HeldStore {
        let (rows, leaves, commits) = (self.tricks.clone(), self.tricks.clone(), self.clone());
        HostileStore::new(FaultStore::under(self.below.clone(), self.faults.clone()))
            .rewrite_rows(move |record| rows.with(|tricks| tricks.lie).is_none_or(|lie| (lie.tell)(record)))
            .rewrite_hashes(move |tree, first, hashes| {
                if let (TreeId::Log, Some(kept)) = (tree, leaves.with(|tricks| tricks.leaves.clone())) {
                    *hashes = kept.into_iter().skip(first as usize).take(hashes.len()).collect();
                }
            })
            .intercept_commits(move |_, _| {
                let old = commits.tricks.with(|tricks| tricks.conflict.clone())?;
                Some(commits.lay(&old).and_then(|()| Err(StoreError::Conflict { heads: commits.newest_heads()? })))
            })
    }

    /// What the store holds.
    pub fn records(&self) -> Result<Vec<OwnedRecord>, StoreError> {
        self.below.with(records_of)
    }

    /// Puts these records in the place of those that the store holds.
    pub fn lay(&self, records: &[OwnedRecord]) -> Result<(), StoreError> {
        // A test that failed inside has said so.
        let lay = &mut *self.lay.lock().unwrap_or_else(PoisonError::into_inner);
        let laid = lay(records)?;
        self.below.with(|store| *store = laid);
        Ok(())
    }

    /// Says when the store fails, and how.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The process starts anew: the store is honest, and what a crash has stopped works again.
    pub fn restart(&self) {
        self.faults.restart();
        self.tricks.with(|tricks| *tricks = Tricks::default());
    }

    /// Rows are shown as this lie has them; as they are without one.
    pub fn tell(&self, lie: Option<Lie>) {
        self.tricks.with(|tricks| tricks.lie = lie);
    }

    /// Whatever becomes of the rows, the leaves of the log tree are shown as they are now: only chains can tell.
    pub fn keep_leaves(&self) -> Result<(), StoreError> {
        let leaves = self.below.with(|store| store.hashes(TreeId::Log, 0, u32::MAX))?;
        self.tricks.with(|tricks| tricks.leaves = Some(leaves));
        Ok(())
    }

    /// From now on a commit finds the store rolled back to these records, and is refused with the heads among them.
    pub fn refuse_commits_over(&self, old: Vec<OwnedRecord>) {
        self.tricks.with(|tricks| tricks.conflict = Some(old));
    }

    fn newest_heads(&self) -> Result<Vec<secure_log::record::HeadRow>, StoreError> {
        let heads = self.below.with(|store| store.heads(None, 9))?;
        Ok(heads.into_iter().map(|numbered| numbered.head).collect())
    }
}

impl core::fmt::Debug for Hand {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hand").finish_non_exhaustive()
    }
}

/// What a store shows in place of an open segment of the stream `a`: entries 1, 3 and 4 of the log.
#[derive(Clone, Copy, Debug)]
pub struct Lie {
    /// What is shown.
    pub name: &'static str,
    tell: fn(&mut OwnedRecord) -> bool,
}

/// Every lie.
pub const LIES: [Lie; 4] = [
    Lie {
        name: "an edited entry",
        tell: |record| {
            if record.seqno() == Some(3) {
                record.edit_entry(|entry| entry.payload = b"forged".into());
                record.rehash();
            }
            true
        },
    },
    Lie {
        name: "an edited entry under the hash that it had",
        tell: |record| {
            if record.seqno() == Some(3) {
                record.edit_entry(|entry| entry.payload = b"forged".into());
            }
            true
        },
    },
    Lie { name: "an entry less", tell: |record| record.seqno() != Some(3) },
    Lie { name: "no first entry", tell: |record| record.seqno() != Some(1) },
];

impl Lie {
    /// The lie of this name.
    pub fn named(name: &str) -> Option<Lie> {
        LIES.into_iter().find(|lie| lie.name == name)
    }

    /// Tells it of a row; `false` leaves the row out.
    pub fn tell(&self, record: &mut OwnedRecord) -> bool {
        (self.tell)(record)
    }
}
