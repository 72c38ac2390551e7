//! A signed segment as it is handed to somebody who keeps evidence of it, and the receipt that comes back.
//!
//! An archive, a time stamper or another department need not see an entry to be able to say later that a segment was closed:
//! they are given what its checkpoint signature covers. The text of a submission is that of a signed note:
//!
//! ```text
//! secure-log/v1/submission
//! <origin>
//! <stream as a JSON string, as in docs/format.md s.7>
//! <segment> <first seqno> <last seqno>
//! <checkpoint hash in hex>
//! <identity>
//! <algorithm> <public key in base64> <signature in base64>
//! ```
//!
//! A receipt is a signed note with this very text, by a key that is known to whoever checks it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::engine::SignedSegment;
use crate::hash::Hash;
use crate::note::{Note, NoteError, VerifierKey, check_signatures};

/// What is said of a closed segment, with one signature of its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The log.
    pub origin: String,
    /// The stream.
    pub stream: String,
    /// The segment's id.
    pub segment: u64,
    /// Its first and last seqno.
    pub range: (u64, u64),
    /// Hash of its checkpoint (docs/format.md s.5), which the signature covers.
    pub checkpoint: Hash,
    /// Who signed it.
    pub identity: String,
    /// With which algorithm.
    pub algorithm: String,
    /// With which public key.
    pub key: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Submission {
    /// One for each signature of the segment.
    pub(crate) fn of(origin: &str, segment: &SignedSegment) -> Vec<Submission> {
        let of_signature = |row: &crate::record::SignatureRow| Submission {
            origin: origin.into(),
            stream: segment.row.stream.clone(),
            segment: segment.row.id,
            range: (segment.row.first, segment.row.last),
            checkpoint: segment.row.checkpoint().hash(),
            identity: row.identity.clone(),
            algorithm: row.alg.clone(),
            key: row.key.clone(),
            signature: row.sig.clone(),
        };
        segment.signatures.iter().map(of_signature).collect()
    }

    /// The key that signed this receipt of the submission; `Ok(None)` when no key of `known` did. A receipt of something
    /// else, or with a wrong signature by one of them, is an error.
    pub fn check_receipt<'k>(
        &self,
        receipt: &str,
        known: &'k [VerifierKey],
    ) -> Result<Option<&'k VerifierKey>, ReceiptError> {
        check_receipt(receipt, &self.to_string(), known)
    }
}

/// The same for who has the text of the submission.
pub fn check_receipt<'k>(
    receipt: &str,
    submission: &str,
    known: &'k [VerifierKey],
) -> Result<Option<&'k VerifierKey>, ReceiptError> {
    let note = Note::parse(receipt)?;
    if note.text != submission {
        return Err(ReceiptError::OfSomethingElse);
    }
    Ok(check_signatures(&note.text, &note.sigs, known)?.first().copied())
}

/// The text that a receipt signs.
impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.stream.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(f, "secure-log/v1/submission\n{}\n\"{stream}\"", self.origin)?;
        writeln!(f, "{} {} {}\n{}\n{}", self.segment, self.range.0, self.range.1, self.checkpoint, self.identity)?;
        writeln!(f, "{} {} {}", self.algorithm, BASE64.encode(&self.key), BASE64.encode(&self.signature))
    }
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is no signed note, or a signature by a known key is wrong.
    Note(NoteError),
    /// It is a receipt, and of another text.
    OfSomethingElse,
}

impl From<NoteError> for ReceiptError {
    fn from(error: NoteError) -> ReceiptError {
        ReceiptError::Note(error)
    }
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiptError::Note(error) => write!(f, "the receipt cannot be used: {error}"),
            ReceiptError::OfSomethingElse => f.write_str("the receipt is of something else than this segment"),
        }
    }
}

impl std::error::Error for ReceiptError {}
