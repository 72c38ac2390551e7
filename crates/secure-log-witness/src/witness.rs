//! The witness: what it cosigns, and what it refuses.

use core::fmt;

use secure_log::hash::Hash;
use secure_log::note::{Note, NoteError, VerifierKey, check_signatures};
use secure_log::providers::CheckpointSigner;
use secure_log::sign::Algorithm;
use secure_log::tree::{empty_root, verify_consistency};
use secure_log_disk::Disk;

use crate::cosignature::{CosignError, cosign};
use crate::head::Head;
use crate::record::{Record, RecordError, Records};
use crate::request::AddCheckpoint;

/// So often a request is judged anew because another one was faster.
const TRIES: u32 = 16;

/// A witness of some logs.
pub struct Witness<D> {
    key: VerifierKey,
    signer: Box<dyn CheckpointSigner + Send>,
    logs: Vec<VerifierKey>,
    records: Records<D>,
}

impl<D: Disk> Witness<D> {
    /// A witness of this name, which knows the logs with these keys; the name of each is the log's origin, and several may
    /// have one. Its own key has to be an Ed25519 key that signs nothing else.
    pub fn new(
        name: &str,
        signer: Box<dyn CheckpointSigner + Send>,
        logs: Vec<VerifierKey>,
        records: Records<D>,
    ) -> Result<Witness<D>, NoteError> {
        if signer.algorithm() != Algorithm::Ed25519 {
            return Err(NoteError::UnknownKeyType);
        }
        let key = VerifierKey::new_witness(name, signer.public_key())?;
        Ok(Witness { key, signer, logs, records })
    }

    /// The key that its cosignatures are checked with.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Whether the records can be read at all.
    pub fn check(&self) -> Result<(), RecordError> {
        self.records.check()
    }

    /// Judges a head, remembers it durably, and only then cosigns it as of `now`, in seconds since 1970. Answers the
    /// signature line, without its dash.
    pub fn add_checkpoint(&self, request: &AddCheckpoint, now: u64) -> Result<String, Refusal> {
        let (head, note) = self.signed_head(&request.note)?;
        if request.old_size > head.size {
            return Err(Refusal::OldSizeTooLarge { old: request.old_size, size: head.size });
        }
        for _ in 0..TRIES {
            let last = self.records.latest(&head.origin)?;
            judge(request, &head, last.as_ref())?;
            let recorded = match &last {
                Some(last) if last.head.size == head.size => self.records.make_durable(&head.origin).map(|()| true)?,
                _ => self.records.append(&head.origin, last.as_ref(), &note)?,
            };
            if recorded {
                return Ok(cosign(&self.key, &*self.signer, &note.text, now)?);
            }
        }
        Err(RecordError::Busy.into())
    }

    /// The last head of the log whose origin has this SHA-256, cosigned as of `now`. `None` where there is none.
    pub fn last_checkpoint(&self, origin_hash: &Hash, now: u64) -> Result<Option<Note>, Refusal> {
        let mut origins = self.logs.iter().map(VerifierKey::name);
        let Some(origin) = origins.find(|origin| Hash::sha256(origin.as_bytes()) == *origin_hash) else {
            return Ok(None);
        };
        let Some(Record { mut note, .. }) = self.records.latest(origin)? else { return Ok(None) };
        self.records.make_durable(origin)?;
        note.sigs.push(cosign(&self.key, &*self.signer, &note.text, now)?);
        Ok(Some(note))
    }

    /// What a note says, if a key of the log signed it, and the note with the signatures of those keys alone.
    fn signed_head(&self, note: &Note) -> Result<(Head, Note), Refusal> {
        let origin = Head::origin_of(&note.text);
        let keys: Vec<VerifierKey> = self.logs.iter().filter(|key| key.name() == origin).cloned().collect();
        if keys.is_empty() {
            return Err(Refusal::UnknownLog);
        }
        let head = Head::parse(&note.text).map_err(Refusal::NotAHead)?;
        let signers = check_signatures(&note.text, &note.sigs, &keys).map_err(Refusal::WrongSignature)?;
        if signers.is_empty() {
            return Err(Refusal::NotSigned);
        }
        let by_the_log = |line: &&String| keys.iter().any(|key| key.check_line(line, &note.text) == Ok(true));
        let sigs = note.sigs.iter().filter(by_the_log).cloned().collect();
        Ok((head, Note { text: note.text.clone(), sigs }))
    }
}

impl<D> fmt::Debug for Witness<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("key", &self.key.to_string()).finish_non_exhaustive()
    }
}

/// Whether a head continues the last one.
fn judge(request: &AddCheckpoint, head: &Head, last: Option<&Record>) -> Result<(), Refusal> {
    let (size, root) = last.map_or((0, empty_root()), |last| (last.head.size, last.head.root));
    if request.old_size != size {
        return Err(Refusal::Conflict { size });
    }
    if head.size == 0 && head.root != empty_root() {
        return Err(Refusal::Inconsistent);
    }
    if head.size == size && head.root != root {
        return Err(Refusal::Fork { size });
    }
    // From nothing anything follows, and there is nothing to prove it with.
    let proven = match size {
        0 => request.proof.is_empty(),
        _ => verify_consistency(size, &root, head.size, &head.root, &request.proof).is_ok(),
    };
    if proven { Ok(()) } else { Err(Refusal::Inconsistent) }
}

/// Why a head is not cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It knows no log with this origin.
    UnknownLog,
    /// The note is signed, if at all, and says nothing of a log.
    NotAHead(NoteError),
    /// No key of the log signed it.
    NotSigned,
    /// A signature says that it is by a key of the log, and is not.
    WrongSignature(NoteError),
    /// The old size is larger than the head.
    OldSizeTooLarge {
        /// The old size.
        old: u64,
        /// The head's.
        size: u64,
    },
    /// The last head has another size than the old one that was named.
    Conflict {
        /// The last head's; 0 where there is none.
        size: u64,
    },
    /// The last head has this size and another root, and the log signed both: two histories.
    Fork {
        /// The size of both.
        size: u64,
    },
    /// The proof does not show that the head continues the last one.
    Inconsistent,
    /// The records cannot be used.
    Records(RecordError),
    /// The key cannot be used. The head was recorded.
    Key(CosignError),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Refusal {
        Refusal::Records(error)
    }
}

impl From<CosignError> for Refusal {
    fn from(error: CosignError) -> Refusal {
        Refusal::Key(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownLog => f.write_str("the log is not one of those that this witness knows"),
            Refusal::NotAHead(error) => write!(f, "the head is {error}"),
            Refusal::NotSigned => f.write_str("the head is not signed by a key of its log"),
            Refusal::WrongSignature(error) => write!(f, "a signature that names a key of the log is wrong: {error}"),
            Refusal::OldSizeTooLarge { old, size } => write!(f, "the old size {old} is larger than the head's, {size}"),
            Refusal::Conflict { size } => write!(f, "the last head has size {size}"),
            Refusal::Fork { size } => write!(f, "the last head has size {size}, too, and another root"),
            Refusal::Inconsistent => f.write_str("the proof does not lead from the last head to this one"),
            Refusal::Records(error) => error.fmt(f),
            Refusal::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
