//! The engine: everything that the log decides, over a store that it does not trust (security.md rule 8).
//!
//! | file | holds |
//! |---|---|
//! | `options` | how a log is opened, and what it needs |
//! | `open` | making, opening and re-reading a log: which head may be continued |
//! | `archiving` | closing a log, giving it out as an archive, and going on from it in another |
//! | `anchoring` | comparing with the anchor, and publishing |
//! | `cosigning` | what witnesses answered, and whether they are enough |
//! | `collecting` | dropping what witnesses answered long ago |
//! | `commit` | building a commit, signing its head, handing it to the store |
//! | `write` | what a caller can write |
//! | `rotation` | keys that the log introduced, and going on with another one |
//! | `stream` | what is proven of a stream before it is used |
//! | `sealing` | appending sealed payloads, and opening them |
//! | `data_keys` | the keys of streams that are held |
//! | `erasing` | wrapping data keys anew, and erasing them on record |
//! | `retaining` | which entries a policy lets go, and taking them out on record |
//! | `segment` | closing and proving segments, and their signatures |
//! | `signed` | entries that are signed one by one |
//! | `proof` | proving against the log tree |
//! | `together` | proving many entries under one head at once |
//! | `read` | reading and verifying |
//! | `index` | reading by the index, and comparing all of it with the entries |
//! | `querying` | finding entries by a filter |
//! | `querying_proven` | pages that others check |
//! | `tree` | proofs of the log tree for others |
//! | `tailing` | reading on from a place in the log |
//! | `evidence` | a part of the log with its proofs, for others |
//! | `exporting` | entries in the forms that other programs read |

mod anchoring;
mod archiving;
mod collecting;
mod commit;
mod cosigning;
mod data_keys;
mod erasing;
mod evidence;
mod exporting;
mod following;
pub(crate) mod index;
mod open;
mod options;
mod proof;
mod querying;
mod querying_proven;
mod read;
mod retaining;
mod reviewing;
mod rotation;
mod sealing;
mod segment;
mod signed;
mod stream;
mod tailing;
mod together;
mod tree;
pub(crate) mod verifying;
mod write;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::engine::cosigning::Said;
use crate::engine::data_keys::KeyRing;
use crate::error::LogError;
use crate::hash::{Hash, KeyId};
use crate::note::VerifierKey;
use crate::providers::{CheckpointSigner, KeyError, MacKey};
use crate::record::{HeadRow, LogRow, WitnessRow};
use crate::store::{Expected, SecureLogStore, Torn};
use crate::tail::news::News;
use crate::time::Timestamp;
use crate::tree::CompactTree;
use crate::verify::Trust;

pub use crate::engine::archiving::{ArchiveCheck, Archiving};
pub use crate::engine::collecting::{Collected, MAX_COLLECTED};
pub use crate::engine::erasing::{Erase, Erased, MAX_REWRAPPED, Resealed};
pub use crate::engine::evidence::{Evidence, EvidenceError, EvidenceOf};
pub use crate::engine::exporting::Export;
pub use crate::engine::options::{Absent, AnchorEvery, DEFAULT_IDENTITY, Every, LogOptions, Providers, Unattested};
pub use crate::engine::proof::SegmentProof;
pub use crate::engine::querying::Page;
pub use crate::engine::querying_proven::ProvenPage;
pub use crate::engine::read::{MAX_PAGE, NumberedStream};
pub use crate::engine::retaining::{Kept, MAX_PRUNED_STREAMS, Pruned, PrunedStream, StreamPlan};
pub use crate::engine::rotation::RotatedKey;
use crate::engine::rotation::{Introduced, KnownKeys, Successor};
pub use crate::engine::sealing::{Opened, OpenedEntry};
use crate::engine::segment::SegmentRead;
pub use crate::engine::segment::SignedSegment;
use crate::engine::stream::StreamCache;
pub(crate) use crate::engine::write::Batch;
pub use crate::engine::write::{BatchOutcome, NewEntry};
pub use crate::sealed::PseudonymOf;

/// A log over a store, for one writer. To share it between threads, see [`crate::shared::SharedLog`].
///
/// Every method that reads from the store proves what it read against the last head that this log signed or
/// accepted; every method that writes returns after the store has made the commit durable.
pub struct SecureLog<S> {
    store: S,
    providers: Providers,
    trust: Trust,
    settings: Settings,
    /// The key that signs heads, required segments and required entries; or what the keystore says of its absence.
    key: Result<HeadKey, String>,
    /// The keys that count: the policy's, this one, and those that they introduced.
    known: KnownKeys,
    /// The key of a rotation that is under way, or of which it is not known what became of it.
    successor: Option<Successor>,
    /// What the commit in the making says of it.
    rotating: Vec<Introduced>,
    /// The log has no signed head, and it was opened without a key.
    keyless: bool,
    mac: Option<LoadedMac>,
    log: LogRow,
    /// What was last signed and acknowledged, or accepted.
    accepted: State,
    /// What the commit in the making leads to. Equal to `accepted` between calls.
    next: State,
    streams: StreamCache,
    /// What was read of the open segments that a commit is to close, for its next attempt.
    segments_read: HashMap<Box<str>, SegmentRead>,
    ring: KeyRing,
    /// The stream whose data keys the log's last entry erases, until that is known to be finished.
    erasing: Option<String>,
    /// The log's last entry records a prune, which may not be finished.
    pruning: bool,
    /// A write had an unknown outcome, or was never finished: read the state again before anything else.
    stale: bool,
    /// How many commits were tried, of which each has its number.
    tried: u64,
    /// Entries that were adopted and that no `recovered` entry names yet: it is written before anything else.
    unrecorded: Option<(u64, u64)>,
    anchor: AnchorState,
    torn: Option<Torn>,
    /// How much of it still stands behind the last head.
    torn_bytes: u64,
    set_aside: Option<String>,
    clock_jumps: u64,
    /// Who waits for entries, and hears of them here once they are durable.
    news: Arc<News>,
}

/// What the engine keeps of its options once it is open.
struct Settings {
    identity: String,
    kek_label: Option<String>,
    session: String,
    boot: String,
    head_every: Every,
    anchor_every: AnchorEvery,
}

/// The signing key of a log.
struct HeadKey {
    signer: Box<dyn CheckpointSigner + Send>,
    verifier: VerifierKey,
    /// A signature of it was verified since the log was opened.
    tried: bool,
}

/// The key of the keyed suite, and its public name.
struct LoadedMac {
    label: String,
    key: Box<dyn MacKey + Send>,
    id: KeyId,
}

/// How far the log has come.
#[derive(Clone, Debug)]
struct State {
    tree: CompactTree,
    head: HeadRow,
    segments: u64,
    /// A trusted key signed a head: whatever a store shows later, this is no keyless log.
    attested: bool,
    /// The last head that was signed; entries after it are attested by nobody yet.
    signed: Option<HeadRow>,
    /// When that was.
    signed_at: Option<Timestamp>,
    /// Time of the last entry, which the next one does not precede by little.
    last_time: Option<Timestamp>,
    /// Its last entry closed the log.
    closed: bool,
    /// Every entry after this one was appended here, and by no other writer.
    others_to: u64,
}

impl State {
    fn expected(&self) -> Expected {
        Expected { size: self.head.size, root: self.head.root, segments: self.segments }
    }

    fn signed_size(&self) -> u64 {
        self.signed.as_ref().map_or(0, |head| head.size)
    }

    fn is_at(&self, head: &HeadRow) -> bool {
        (self.head.size, self.head.root) == (head.size, head.root)
    }
}

/// What is known of the anchor.
#[derive(Clone, Debug, Default)]
struct AnchorState {
    configured: bool,
    /// It shows no head, and answers only to one that is published.
    silent: bool,
    /// An operator chose to begin anew where it knows nothing of the log.
    reanchor: bool,
    /// Size and root of the last head that it has.
    last: Option<(u64, Hash)>,
    /// Size of the last head that the quorum of the policy has cosigned.
    quorate: Option<u64>,
    published_at: Option<Timestamp>,
    /// Answers of witnesses that are not in the store yet.
    answers: Vec<WitnessRow>,
    /// What the newest witness rows of the store say; `None` before it was looked at.
    said: Option<VecDeque<Said>>,
}

/// An acknowledged entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the log.
    pub seqno: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The state after a commit, and who else knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Entries in the log.
    pub size: u64,
    /// Root of the log tree.
    pub root: Hash,
    /// The head carries a signature of the log's key.
    pub signed: bool,
    /// The anchor has a head that covers this commit and, where the policy names a quorum, that quorum has cosigned it.
    pub anchored: bool,
}

/// What is known of an open log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// The log's identity.
    pub log: LogRow,
    /// Entries in it.
    pub size: u64,
    /// Root of its tree.
    pub root: Hash,
    /// Entries under the last head that the log's key signed; those behind it are attested by nobody yet.
    pub attested_to: u64,
    /// Verifier key of the key that signs heads; `None` in a keyless log.
    pub head_key: Option<String>,
    /// An anchor is configured.
    pub anchor: bool,
    /// The newest head is anchored: see [`CommitInfo::anchored`].
    pub anchored: bool,
    /// Entries under the newest head that is anchored, as far as this opening knows; `None` where none is.
    pub anchored_to: Option<u64>,
    /// Session id of the entries written now.
    pub session: String,
    /// Boot id of the entries written now.
    pub boot: String,
    /// The unfinished commit found when the log was opened.
    pub torn: Option<Torn>,
    /// Where entries are kept that were set aside when it was opened.
    pub set_aside: Option<String>,
    /// How often the clock stood before the last entry's time by more than a minute.
    pub clock_jumps: u64,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// What is known of the log.
    pub fn status(&self) -> LogStatus {
        LogStatus {
            log: self.log.clone(),
            size: self.accepted.head.size,
            root: self.accepted.head.root,
            attested_to: self.accepted.signed_size(),
            head_key: self.key.as_ref().ok().map(|key| key.verifier.to_string()),
            anchor: self.anchor.configured,
            anchored: self.is_anchored(),
            anchored_to: self.anchored_to(),
            session: self.settings.session.clone(),
            boot: self.settings.boot.clone(),
            torn: self.torn.clone(),
            set_aside: self.set_aside.clone(),
            clock_jumps: self.clock_jumps,
        }
    }

    pub(crate) fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.accepted.head.size
    }

    /// Session and boot ids of the entries from now on.
    pub fn set_ids(&mut self, session: &str, boot: &str) -> Result<(), LogError> {
        crate::limits::check_text("session", session)?;
        crate::limits::check_text("boot", boot)?;
        self.settings.session = session.into();
        self.settings.boot = boot.into();
        Ok(())
    }

    /// The key that signs, for what cannot be done without.
    fn signing_key(&self, purpose: &str) -> Result<&HeadKey, LogError> {
        self.key.as_ref().map_err(|absent| KeyError::NotFound(format!("{absent} ({purpose})")).into())
    }

    /// Lets go of the log and gives back the store. Heads that are signed less often than every commit are signed
    /// by [`SecureLog::sign_head`], which is called before.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The store, for a test that plays the attacker.
    #[doc(hidden)]
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }
}
