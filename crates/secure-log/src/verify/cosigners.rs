//! Which witnesses of the policy have cosigned, and up to where they are enough.

use crate::note::VerifierKey;
use crate::verify::trust::Trust;

/// The cosigners of the heads of one size, which may stand in several lines, and the last size at which they met the
/// quorum of the policy.
#[derive(Debug, Default)]
pub(super) struct Cosigners {
    size: u64,
    keys: Vec<VerifierKey>,
    enough: Option<u64>,
}

impl Cosigners {
    /// A witness's cosignature of a head of this size was verified.
    pub(super) fn note(&mut self, size: u64, key: &VerifierKey) {
        if self.size != size {
            self.size = size;
            self.keys.clear();
        }
        if !self.keys.contains(key) {
            self.keys.push(key.clone());
        }
    }

    /// Says whether those of the head of this size, which the log itself signed, are enough.
    pub(super) fn judge(&mut self, size: u64, trust: &Trust) {
        let cosigners = self.keys.iter().filter(|_| self.size == size);
        if trust.quorum().is_some_and(|quorum| quorum.is_met_by(cosigners)) {
            self.enough = Some(size);
        }
    }

    /// How many of this many entries are under no head that was cosigned by the quorum; `None` when nothing is missing.
    pub(super) fn short_of(&self, size: u64, trust: &Trust) -> Option<u64> {
        trust.quorum()?;
        match self.enough {
            Some(enough) if enough >= size => None,
            enough => Some(size - enough.unwrap_or(0)),
        }
    }
}
