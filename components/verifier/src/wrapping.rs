//! A wrapping key that the caller has in hand: it unwraps, and wraps nothing, as a verifier has nothing to wrap.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secure_log::providers::{KeyError, UnwrapError, WrapAlgorithm, WrappingKey};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;

/// 32 bytes, zeroed when dropped.
pub(crate) struct GivenKey(Zeroizing<[u8; 32]>);

impl GivenKey {
    /// None where these are not 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Option<GivenKey> {
        key.try_into().ok().map(|key| GivenKey(Zeroizing::new(key)))
    }
}

impl WrappingKey for GivenKey {
    fn algorithm(&self) -> WrapAlgorithm {
        WrapAlgorithm::XChaCha20Poly1305
    }

    fn wrap(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::UnsupportedAlgorithm("a verifier wraps nothing".into()))
    }

    fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let (nonce, msg) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(UnwrapError::NotAuthentic)?;
        XChaCha20Poly1305::new((&*self.0).into())
            .decrypt(&XNonce::from(*nonce), Payload { msg, aad: associated_data })
            .map(Zeroizing::new)
            .map_err(|_| UnwrapError::NotAuthentic)
    }
}
