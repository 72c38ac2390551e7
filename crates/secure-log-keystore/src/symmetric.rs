//! Symmetric keys: keyed hashing (format.md s.3) and key wrapping (s.8).

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secure_log::hash::HmacKey;
use secure_log::providers::{self, KeyError, UnwrapError, WrapAlgorithm};
use zeroize::Zeroizing;

use crate::random;

const NONCE_BYTES: usize = 24;

/// 32 bytes, zeroed when dropped.
pub(crate) type Symmetric = Zeroizing<[u8; 32]>;

/// A key of the keyed suite held in this process. Printed, it shows its public name only.
#[derive(Debug)]
pub struct MacKey(HmacKey);

impl MacKey {
    pub(crate) fn new(key: &Symmetric) -> MacKey {
        MacKey(HmacKey::new(**key))
    }

    /// The key's public name.
    pub fn id(&self) -> secure_log::hash::KeyId {
        self.0.id()
    }
}

impl secure_log::providers::MacKey for MacKey {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        Ok(self.0.mac(message))
    }
}

/// A key that wraps keys, held in this process. It is zeroed when dropped and never printed.
pub struct WrappingKey(Symmetric);

impl WrappingKey {
    /// The algorithm's name in `dek` lines.
    pub const ALGORITHM: &'static str = "xchacha20poly1305";

    pub(crate) fn new(key: Symmetric) -> WrappingKey {
        WrappingKey(key)
    }

    /// Wraps `plaintext`: nonce(24) || ciphertext || tag, bound to `associated_data`.
    pub fn wrap(&self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        seal(&self.0, plaintext, associated_data)
    }

    /// Gives back what [`wrap`](WrappingKey::wrap) wrapped under this key with this associated data.
    pub fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        open(&self.0, wrapped, associated_data)
    }
}

impl providers::WrappingKey for WrappingKey {
    fn algorithm(&self) -> WrapAlgorithm {
        WrapAlgorithm::XChaCha20Poly1305
    }

    fn wrap(&self, key: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        WrappingKey::wrap(self, key, associated_data)
    }

    fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        WrappingKey::unwrap(self, wrapped, associated_data).map_err(|NotAuthentic| UnwrapError::NotAuthentic)
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey(..)")
    }
}

/// What was given was not wrapped by this key with this associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAuthentic;

impl fmt::Display for NotAuthentic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not wrapped by this key with this associated data")
    }
}

impl std::error::Error for NotAuthentic {}

/// XChaCha20-Poly1305 under a random nonce, which stands first.
pub(crate) fn seal(key: &Symmetric, msg: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeyError> {
    let nonce = random::bytes::<NONCE_BYTES>()?;
    seal_with_nonce(key, &nonce, msg, aad)
}

/// Opens what [`seal`] gave.
pub(crate) fn open(key: &Symmetric, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(NotAuthentic)?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().try_into().expect("the key has 32 bytes"));
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad }).map(Zeroizing::new).map_err(|_| NotAuthentic)
}

fn seal_with_nonce(key: &Symmetric, nonce: &[u8; NONCE_BYTES], msg: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeyError> {
    let cipher = XChaCha20Poly1305::new(key.as_slice().try_into().expect("the key has 32 bytes"));
    let sealed = cipher.encrypt(&XNonce::from(*nonce), Payload { msg, aad });
    let sealed = sealed.map_err(|_| KeyError::Backend("too long to be wrapped".into()))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

#[cfg(test)]
mod tests {
    use secure_log::providers::MacKey as _;

    use super::*;

    const NONCE: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";
    const AAD: &str = "85717365637572652d6c6f672f76312f6b656b50000102030405060708090a0b0c0d0e0f61615820\
        f5abe734a1c5220539bdaecf44df06df2e6cdd90e5466a97ced79f00b213fe58656b656b2d31";
    const WRAPPED: &str = "000102030405060708090a0b0c0d0e0f10111213141516174f6fa7fe7e5e4b54446ab17b1724c16f\
        0a62ce8194a31f572e4755e64291fbd32d2865ce79994db54f162adf08413f8c";
    const KEK: [u8; 32] = [0x23; 32];
    const DEK: [u8; 32] = [0x21; 32];

    fn hex(text: &str) -> Vec<u8> {
        const_hex::decode(text).unwrap()
    }

    fn kek() -> WrappingKey {
        WrappingKey::new(Zeroizing::new(KEK))
    }

    #[test]
    fn a_data_key_is_wrapped_as_the_format_says() {
        let nonce = hex(NONCE).try_into().unwrap();
        let wrapped = seal_with_nonce(&Zeroizing::new(KEK), &nonce, &DEK, &hex(AAD)).unwrap();
        assert_eq!(wrapped, hex(WRAPPED));
        assert_eq!(*kek().unwrap(&hex(WRAPPED), &hex(AAD)).unwrap(), DEK);
    }

    #[test]
    fn nothing_else_is_unwrapped() {
        let (wrapped, aad) = (hex(WRAPPED), hex(AAD));
        for bit in 0..wrapped.len() * 8 {
            let mut flipped = wrapped.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(kek().unwrap(&flipped, &aad), Err(NotAuthentic), "bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert_eq!(kek().unwrap(&wrapped[..length], &aad), Err(NotAuthentic), "length {length}");
        }
        assert_eq!(kek().unwrap(&wrapped, &aad[1..]), Err(NotAuthentic));
        let other = WrappingKey::new(Zeroizing::new([0x24; 32]));
        assert_eq!(other.unwrap(&wrapped, &aad), Err(NotAuthentic));
    }

    #[test]
    fn each_wrapping_has_its_own_nonce() {
        let (first, second) = (kek().wrap(&DEK, b"a").unwrap(), kek().wrap(&DEK, b"a").unwrap());
        assert_ne!(first[..NONCE_BYTES], second[..NONCE_BYTES]);
        assert_eq!(*kek().unwrap(&first, b"a").unwrap(), DEK);
        assert_eq!(*kek().unwrap(&second, b"a").unwrap(), DEK);
    }

    #[test]
    fn a_mac_is_that_of_the_raw_key() {
        let key = MacKey::new(&Zeroizing::new(core::array::from_fn(|i| i as u8)));
        assert_eq!(key.id().to_string(), "b3886dade6b77dec");
        assert_eq!(const_hex::encode(&key.mac(b"secure-log/v1/key-id\n").unwrap()[..8]), "b3886dade6b77dec");
    }
}
