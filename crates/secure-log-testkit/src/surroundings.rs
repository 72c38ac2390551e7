//! Time, randomness, counts and processes that a test controls.

use std::hash::{BuildHasher, RandomState};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use secure_log::providers::{Clock, Random, RandomError};
use secure_log::time::Timestamp;

/// The seed of a test with random steps: `SECURE_LOG_SEED` when it is set, otherwise a new one. It is printed, so that
/// a failure shows how to repeat it.
///
/// # Panics
/// When the variable is set and is not a number.
pub fn seed() -> u64 {
    let seed = match std::env::var("SECURE_LOG_SEED") {
        Ok(text) => text.parse().expect("SECURE_LOG_SEED is a decimal number below 2^64"),
        Err(_) => RandomState::new().hash_one(0),
    };
    eprintln!("repeat with SECURE_LOG_SEED={seed}");
    seed
}

/// How often to do something: `full` times when `SECURE_LOG_SOAK` is set to anything but `0`, otherwise `reduced`.
pub fn count(reduced: u64, full: u64) -> u64 {
    let soak = std::env::var("SECURE_LOG_SOAK").is_ok_and(|value| !value.is_empty() && value != "0");
    if soak { full } else { reduced }
}

/// This program once more, for the one test of this path: what concerns a whole process is tried in one of its own. Whoever runs
/// it makes sure that it did something, since a program that knows no such test succeeds.
///
/// # Panics
/// When the system does not say which program this is.
pub fn alone(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the system says which program this is"));
    command.args(["--include-ignored", "--exact", test, "--nocapture"]);
    command
}

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    unix_nanos: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows 2026-11-20T04:07:11.000000000Z.
    pub fn new() -> ManualClock {
        ManualClock { unix_nanos: Arc::new(AtomicI64::new(1_795_147_631 * NANOS_PER_SECOND)) }
    }

    /// Moves it, back when `seconds` is negative.
    pub fn advance(&self, seconds: i64) {
        self.unix_nanos.fetch_add(seconds * NANOS_PER_SECOND, Ordering::SeqCst);
    }

    /// Moves it by less than a second can say.
    pub fn advance_nanos(&self, nanos: i64) {
        self.unix_nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Default for ManualClock {
    fn default() -> ManualClock {
        ManualClock::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let nanos = self.unix_nanos.load(Ordering::SeqCst);
        let (seconds, rest) = (nanos.div_euclid(NANOS_PER_SECOND), nanos.rem_euclid(NANOS_PER_SECOND));
        Timestamp::from_unix(seconds, rest as u32).expect("64 bits of nanoseconds end in the year 2262")
    }
}

/// Random bytes that a seed fixes (splitmix64). For tests alone: anybody can compute them.
#[derive(Clone, Debug)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom(seed)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    /// One of `choices`, of which there is at least one.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.put(&mut out);
        out
    }

    fn put(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.word().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

impl Random for SeededRandom {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        self.put(out);
        Ok(())
    }
}

// What the rsa crate makes its keys and salts from.
impl rsa::rand_core::RngCore for SeededRandom {
    fn next_u32(&mut self) -> u32 {
        self.word() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.word()
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.put(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.put(out);
        Ok(())
    }
}

impl rsa::rand_core::CryptoRng for SeededRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_bytes() {
        assert_eq!(SeededRandom::new(0).word(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(SeededRandom::new(7).bytes(13), SeededRandom::new(7).bytes(13));
        assert_ne!(SeededRandom::new(7).bytes(13), SeededRandom::new(8).bytes(13));
    }

    #[test]
    fn clones_of_a_clock_move_together() {
        let clock = ManualClock::new();
        let other = clock.clone();
        other.advance(-1);
        other.advance_nanos(5);
        assert_eq!(clock.now().to_string(), "2026-11-20T04:07:10.000000005Z");
    }
}
