//! Cosignatures (C2SP tlog-cosignature v1, docs/format.md s.6): what a witness says of a head, and when it says so.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::note::{NoteError, VerifierKey};
use secure_log::providers::{CheckpointSigner, KeyError};

/// Signs the text of a head as of `time`, in seconds since 1970, and answers the signature line. What the signer made is
/// checked before it is answered: a keystore may have changed its key.
pub fn cosign(key: &VerifierKey, signer: &dyn CheckpointSigner, text: &str, time: u64) -> Result<String, CosignError> {
    let signature = signer.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).map_err(CosignError::Key)?;
    let blob = [&key.id()[..], &time.to_be_bytes(), &signature].concat();
    let line = format!("{} {}", key.name(), BASE64.encode(blob));
    match key.check_line(&line, text) {
        Ok(true) if key.is_witness() => Ok(line),
        Ok(_) => Err(CosignError::Signature(NoteError::BadKey)),
        Err(error) => Err(CosignError::Signature(error)),
    }
}

/// Why there is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CosignError {
    /// The key cannot be used.
    Key(KeyError),
    /// What was signed is not by this key, or the clock shows no time that a cosignature may have.
    Signature(NoteError),
}

impl fmt::Display for CosignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CosignError::Key(error) => error.fmt(f),
            CosignError::Signature(error) => write!(f, "the cosignature that was made is not right: {error}"),
        }
    }
}

impl std::error::Error for CosignError {}
