//! The clock and the randomness of the system, for those who want no other. Feature `system`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::Providers;
use crate::providers::{Clock, Keystore, NoAnchor, Random, RandomError};
use crate::time::Timestamp;

impl Providers {
    /// This keystore with the system's clock and randomness, and without an anchor.
    pub fn system(keystore: impl Keystore + Send + 'static) -> Providers {
        Providers {
            keystore: Box::new(keystore),
            anchor: Box::new(NoAnchor),
            clock: Box::new(SystemClock),
            random: Box::new(SystemRandom),
        }
    }
}

/// The system's clock. A clock outside the years 1 to 9999 reads as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => {
                i64::try_from(after.as_secs()).ok().and_then(|s| Timestamp::from_unix(s, after.subsec_nanos()))
            }
            Err(before) => i64::try_from(before.duration().as_secs()).ok().and_then(|s| Timestamp::from_unix(-s, 0)),
        };
        since.or_else(|| Timestamp::from_unix(0, 0)).expect("1970 is in range")
    }
}

/// The system's random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out).map_err(|error| RandomError(error.to_string()))
    }
}
