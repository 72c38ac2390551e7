//! What the engine is given.

use secure_log::engine::Providers;
use secure_log::system::{SystemClock, SystemRandom};
use secure_log_guest::{ImportedAnchor, ImportedKeystore};

/// What the composition gives the engine.
pub(crate) fn imported() -> Providers {
    Providers {
        keystore: Box::new(ImportedKeystore),
        anchor: Box::new(ImportedAnchor),
        clock: Box::new(SystemClock),
        random: Box::new(SystemRandom),
    }
}
