//! Heads that the log's key signed.

use crate::hash::Hash;
use crate::note::{Checkpoint, Note, VerifierKey, check_signatures};
use crate::proof::Refused;
use crate::tree::empty_root;
use crate::verify::Trust;

/// What a known key of the log says of it. Only [`verify_head`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedHead(Checkpoint);

impl VerifiedHead {
    /// The log.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// How many entries it covers.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Root of the log tree of that size.
    pub fn root(&self) -> &Hash {
        &self.0.root
    }

    /// A tree without leaves has one root: a head that says another is signed, and is that of no log.
    pub(super) fn is_impossible(&self) -> bool {
        self.0.size == 0 && self.0.root != empty_root()
    }
}

/// Checks that a signed note is a head, and that a log key of `trust` signed it which has the log's name. Lines by unknown
/// keys are passed over; one that names a known key, be it a witness's, and is not by it spoils the note. Where `trust` names a
/// quorum of witnesses, that quorum has cosigned the head.
///
/// ```
/// # use secure_log::proof::{Refused, verify_head};
/// # use secure_log::verify::Trust;
/// let mut trust = Trust::new();
/// trust.add_log_key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse()?);
/// // A head of another log, however it is signed, is not one of that log.
/// let note = "example.com/bar\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— example.com/bar AAAAAQAA\n";
/// assert_eq!(verify_head(note, &trust), Err(Refused::UnknownKey { origin: "example.com/bar".into() }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_head(note: &str, trust: &Trust) -> Result<VerifiedHead, Refused> {
    let note = Note::parse(note)?;
    let head = verify_note(&note, trust)?;
    check_quorum(&note, trust)?;
    Ok(head)
}

/// Whether the witnesses that `trust` asks for have cosigned a head. Their lines were checked.
pub(super) fn check_quorum(note: &Note, trust: &Trust) -> Result<(), Refused> {
    let Some(quorum) = trust.quorum() else { return Ok(()) };
    let cosigners = check_signatures(&note.text, &note.sigs, trust.witnesses())?;
    if quorum.is_met_by(cosigners) { Ok(()) } else { Err(Refused::QuorumNotMet { origin: note.checkpoint()?.origin }) }
}

/// All but the quorum. Two heads that contradict each other do so whoever has cosigned them.
pub(super) fn verify_note(note: &Note, trust: &Trust) -> Result<VerifiedHead, Refused> {
    let head = note.checkpoint()?;
    if let Some(expected) = trust.origin().filter(|origin| *origin != head.origin) {
        return Err(Refused::AnotherLog { expected: expected.into(), found: head.origin });
    }
    check_signatures(&note.text, &note.sigs, trust.witnesses())?;
    let keys: Vec<VerifierKey> = trust.log_keys().iter().filter(|key| !key.is_witness()).cloned().collect();
    let signers = check_signatures(&note.text, &note.sigs, &keys)?;
    if signers.iter().any(|key| key.name() == head.origin) {
        Ok(VerifiedHead(head))
    } else {
        Err(Refused::UnknownKey { origin: head.origin })
    }
}
