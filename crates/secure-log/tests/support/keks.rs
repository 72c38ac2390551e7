//! Keys that wrap data keys, held here, of each way that the format names.

use aes_gcm::Aes256Gcm;
use aes_kw::KwpAes256;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secure_log::providers::{KeyError, UnwrapError, WrapAlgorithm, WrappingKey};
use zeroize::Zeroizing;

/// A key, how it wraps, and the nonce that it always wraps with: the golden files have one.
pub(crate) struct Kek {
    pub(crate) key: [u8; 32],
    pub(crate) algorithm: WrapAlgorithm,
    pub(crate) nonce: [u8; 24],
}

impl WrappingKey for Kek {
    fn algorithm(&self) -> WrapAlgorithm {
        self.algorithm
    }

    /// By the one algorithm alone that something is wrapped with here.
    fn wrap(&self, msg: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeyError> {
        assert_eq!(self.algorithm, WrapAlgorithm::XChaCha20Poly1305);
        let cipher = XChaCha20Poly1305::new(&self.key.into());
        let wrapped = cipher.encrypt(&XNonce::from(self.nonce), Payload { msg, aad }).unwrap();
        Ok([&self.nonce[..], &wrapped].concat())
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let opened = match self.algorithm {
            WrapAlgorithm::XChaCha20Poly1305 => wrapped.split_first_chunk::<24>().and_then(|(nonce, msg)| {
                let cipher = XChaCha20Poly1305::new(&self.key.into());
                cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad }).ok()
            }),
            WrapAlgorithm::AesGcm => wrapped.split_first_chunk::<12>().and_then(|(nonce, msg)| {
                Aes256Gcm::new(&self.key.into()).decrypt(&(*nonce).into(), Payload { msg, aad }).ok()
            }),
            WrapAlgorithm::AesKwp => {
                let mut out = vec![0; wrapped.len()];
                KwpAes256::new(&self.key.into()).unwrap_key(wrapped, &mut out).ok().map(<[u8]>::to_vec)
            }
        };
        opened.map(Zeroizing::new).ok_or(UnwrapError::NotAuthentic)
    }
}
