//! The 32-byte hash, its hexadecimal spelling, and the hash suites of format.md s.3.

use core::fmt;

use hmac::{KeyInit, Mac as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A 32-byte hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// 32 zero bytes: what stands where there is no earlier hash.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The SHA-256 of `data`.
    pub fn sha256(data: &[u8]) -> Hash {
        Hash(Sha256::digest(data).into())
    }

    /// The hash's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Lower-case hexadecimal, 64 characters.
    pub fn to_hex(&self) -> String {
        const_hex::encode(self.0)
    }

    /// Reads 64 lower-case hexadecimal characters, and nothing else.
    pub fn from_hex(text: &str) -> Option<Hash> {
        decode_hex(text.as_bytes()).map(Hash)
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = core::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Hash, Self::Error> {
        bytes.try_into().map(Hash)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Decodes exactly `N` bytes of lower-case hexadecimal; the format has no upper-case spelling.
pub fn decode_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // Without an early end, so that many bytes are compared at once.
    if text.len() != 2 * N || text.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase()) {
        return None;
    }
    let mut out = [0; N];
    const_hex::decode_to_slice(text, &mut out).ok()?;
    // The decoder takes a leading `0x`; the length check leaves no room for one unless it replaces digits.
    (!text.starts_with(b"0x")).then_some(out)
}

/// The public name of a key of the keyed suite (format.md s.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// What is hashed under a key to name it.
    pub const LABEL: &'static [u8] = b"secure-log/v1/key-id\n";

    /// The name of the key whose HMAC of [`KeyId::LABEL`] is `mac`.
    pub fn from_mac(mac: &[u8; 32]) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&mac[..8]);
        KeyId(id)
    }

    /// Reads 16 lower-case hexadecimal characters.
    pub fn from_hex(text: &str) -> Option<KeyId> {
        decode_hex(text.as_bytes()).map(KeyId)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

/// The hash suite of an entry, numbered as its version (format.md s.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Suite {
    /// Version 1.
    #[default]
    Sha256,
    /// Version 2.
    Blake3,
    /// Version 3, under the key with this name.
    HmacSha256(KeyId),
}

impl Suite {
    /// The entry version that selects this suite.
    pub fn version(self) -> u64 {
        match self {
            Suite::Sha256 => 1,
            Suite::Blake3 => 2,
            Suite::HmacSha256(_) => 3,
        }
    }

    /// The suite's name in stream records and control entries.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Sha256 => "sha-256",
            Suite::Blake3 => "blake3",
            Suite::HmacSha256(_) => "hmac-sha-256",
        }
    }

    /// The key's name, for the keyed suite.
    pub fn key_id(self) -> Option<KeyId> {
        match self {
            Suite::HmacSha256(id) => Some(id),
            _ => None,
        }
    }

    /// The suite with this name and key; `None` unless the keyed suite, and only it, has a key.
    pub fn from_parts(name: &str, key: Option<KeyId>) -> Option<Suite> {
        match (name, key) {
            ("sha-256", None) => Some(Suite::Sha256),
            ("blake3", None) => Some(Suite::Blake3),
            ("hmac-sha-256", Some(id)) => Some(Suite::HmacSha256(id)),
            _ => None,
        }
    }
}

/// A key of the keyed suite held in this process. It is zeroed when dropped and never printed.
#[derive(Clone)]
pub struct HmacKey(Zeroizing<[u8; 32]>);

impl HmacKey {
    /// Takes the key's 32 bytes.
    pub fn new(bytes: [u8; 32]) -> HmacKey {
        HmacKey(Zeroizing::new(bytes))
    }

    /// HMAC-SHA-256 of `data` under this key.
    pub fn mac(&self, data: &[u8]) -> [u8; 32] {
        let mut mac = hmac::Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes keys of any length");
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    /// The key's public name.
    pub fn id(&self) -> KeyId {
        KeyId::from_mac(&self.mac(KeyId::LABEL))
    }
}

impl PartialEq for HmacKey {
    fn eq(&self, other: &HmacKey) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_one_spelling() {
        let text = "00ff".repeat(16);
        assert_eq!(Hash::from_hex(&text).unwrap().to_hex(), text);
        assert_eq!(Hash::from_hex(&text.to_uppercase()), None);
        assert_eq!(Hash::from_hex(&text[1..]), None);
        assert_eq!(Hash::from_hex(&format!("0x{}", &text[2..])), None);
    }

    #[test]
    fn a_key_is_named_and_never_shown() {
        let bytes: [u8; 32] = core::array::from_fn(|i| i as u8);
        let key = HmacKey::new(bytes);
        assert_eq!(key.id().to_string(), "b3886dade6b77dec");
        assert_eq!(format!("{key:?}"), "HmacKey(b3886dade6b77dec)");
    }
}
