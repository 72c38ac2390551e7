//! Random bytes of the system.

use rsa::rand_core::{self, CryptoRng, RngCore};
use secure_log::providers::KeyError;
use zeroize::Zeroizing;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyError> {
    let mut out = Zeroizing::new([0; N]);
    getrandom::fill(out.as_mut_slice()).map_err(|e| KeyError::Backend(format!("no random bytes: {e}")))?;
    Ok(out)
}

/// The system's randomness for the `rsa` crate, which asks for an older interface. That crate's own way there would
/// import WASI preview 1.
pub struct SystemRandom(());

impl SystemRandom {
    /// Answers only when the system gives random bytes, since later there is no way to report that it does not.
    pub fn new() -> Result<SystemRandom, KeyError> {
        bytes::<1>().map(|_| SystemRandom(()))
    }
}

impl RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the system gave random bytes a moment ago");
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for SystemRandom {}
