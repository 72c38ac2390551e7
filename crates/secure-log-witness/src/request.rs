//! The body of an add-checkpoint request: an old size, a consistency proof, a blank line, and a head as a signed note.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::hash::Hash;
use secure_log::note::{Note, NoteError};

/// The longest body that is read. 16 signatures, which every reader of notes has to take, of 5 kB, as some algorithms
/// have, are 107 kB in base64; 63 lines of a proof are 2.8 kB.
pub const MAX_REQUEST_BYTES: usize = 128 << 10;
/// The longest proof: that of a tree of 2^63 leaves.
pub const MAX_PROOF_LINES: usize = 63;

/// An add-checkpoint request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the last head that the witness cosigned; 0 where there is none.
    pub old_size: u64,
    /// Consistency proof from there.
    pub proof: Vec<Hash>,
    /// The head.
    pub note: Note,
}

impl AddCheckpoint {
    /// Reads a body in its one spelling. Nothing of it was checked against anything else.
    pub fn parse(body: &[u8]) -> Result<AddCheckpoint, RequestError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong);
        }
        let body = core::str::from_utf8(body).map_err(|_| RequestError::NotUtf8)?;
        let (lines, note) = body.split_once("\n\n").ok_or(RequestError::NoBlankLine)?;
        let mut lines = lines.split('\n');
        let old_size =
            lines.next().and_then(|line| decimal(line.strip_prefix("old ")?)).ok_or(RequestError::OldSize)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF_LINES {
                return Err(RequestError::ProofTooLong);
            }
            proof.push(hash(line).ok_or(RequestError::ProofLine { number: proof.len() + 1 })?);
        }
        Ok(AddCheckpoint { old_size, proof, note: Note::parse(note).map_err(RequestError::Note)? })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash.0)))?;
        write!(f, "\n{}", self.note)
    }
}

/// A number without leading zeros or a sign.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn hash(line: &str) -> Option<Hash> {
    Hash::try_from(&BASE64.decode(line).ok()?[..]).ok()
}

/// Why a body is no add-checkpoint request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// More than [`MAX_REQUEST_BYTES`].
    TooLong,
    /// Not a text.
    NotUtf8,
    /// No blank line ends the proof.
    NoBlankLine,
    /// The first line is not `old` and a size in its one spelling.
    OldSize,
    /// A line of the proof is not a hash in base64.
    ProofLine {
        /// Which, from 1.
        number: usize,
    },
    /// More than [`MAX_PROOF_LINES`].
    ProofTooLong,
    /// What follows is no signed note.
    Note(NoteError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::TooLong => write!(f, "a request is at most {MAX_REQUEST_BYTES} bytes long"),
            RequestError::NotUtf8 => f.write_str("the request is not UTF-8"),
            RequestError::NoBlankLine => f.write_str("no blank line separates the proof from the head"),
            RequestError::OldSize => f.write_str("the first line is not 'old' and a size"),
            RequestError::ProofLine { number } => write!(f, "line {number} of the proof is not a hash in base64"),
            RequestError::ProofTooLong => write!(f, "a proof has at most {MAX_PROOF_LINES} lines"),
            RequestError::Note(error) => write!(f, "the head is {error}"),
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(proof: usize) -> AddCheckpoint {
        let note = "log.example/1\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example/1 AAAAAAA=\n";
        AddCheckpoint { old_size: 5, proof: vec![Hash([9; 32]); proof], note: Note::parse(note).unwrap() }
    }

    #[test]
    fn a_request_comes_back_from_its_body() {
        for proof in [0, 1, MAX_PROOF_LINES] {
            let request = request(proof);
            assert_eq!(AddCheckpoint::parse(request.to_string().as_bytes()), Ok(request));
        }
        let long = request(MAX_PROOF_LINES + 1).to_string();
        assert_eq!(AddCheckpoint::parse(long.as_bytes()), Err(RequestError::ProofTooLong));
    }

    #[test]
    fn what_is_spelled_otherwise_is_refused() {
        let good = request(2).to_string();
        let hash = BASE64.encode([9; 32]);
        let with = |from: &str, to: &str| good.replacen(from, to, 1);
        for (bad, error) in [
            (with("old 5", "old 05"), RequestError::OldSize),
            (with("old 5", "old +5"), RequestError::OldSize),
            (with("old 5", "old  5"), RequestError::OldSize),
            (with("old 5", "old 5 "), RequestError::OldSize),
            (with("old 5", "old 18446744073709551616"), RequestError::OldSize),
            (with("old 5\n", ""), RequestError::OldSize),
            (with("old 5\n", "\n"), RequestError::OldSize),
            (with("old 5", "old 5\r"), RequestError::OldSize),
            (with(&hash, &hash[..40]), RequestError::ProofLine { number: 1 }),
            (with(&hash, &hash.replace('=', "")), RequestError::ProofLine { number: 1 }),
            (with(&hash, &format!("{hash} ")), RequestError::ProofLine { number: 1 }),
            (good.replace("\n\n", "\n"), RequestError::NoBlankLine),
            (with("— ", "- "), RequestError::Note(NoteError::NotANote)),
            (good.trim_end().into(), RequestError::Note(NoteError::NotANote)),
            (" ".repeat(MAX_REQUEST_BYTES + 1), RequestError::TooLong),
            (String::new(), RequestError::NoBlankLine),
        ] {
            assert_eq!(AddCheckpoint::parse(bad.as_bytes()), Err(error), "{bad:?}");
        }
        assert_eq!(AddCheckpoint::parse(b"old 5\n\xff\n\n"), Err(RequestError::NotUtf8));
    }
}
