//! From a PIN to the key of all objects.
//!
//! The object key is random and wrapped twice: under a key stretched from the user's PIN, and under one from the security
//! officer's, who can so give the user a new PIN and lose no object.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secure_log_pkcs11::{Pin, Rv};
use zeroize::Zeroizing;

/// The shortest PIN. Whoever has the files can try PINs at leisure, so that it is no number of four digits.
pub const MIN_PIN_BYTES: usize = 8;
/// The longest PIN.
pub const MAX_PIN_BYTES: usize = 255;

const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;

/// What Argon2id costs, with one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// 64 MiB and three passes, the second choice of RFC 9106 s.4 with one lane, as a component has one thread: about a
    /// tenth of a second natively, and a guess costs an attacker the same.
    pub const DEFAULT: Cost = Cost { memory_kib: 64 * 1024, passes: 3 };
    /// A header must not be able to take the memory of its reader, or to hang it.
    pub(crate) const MAX: Cost = Cost { memory_kib: 1024 * 1024, passes: 16 };

    fn params(self) -> Result<Params, Rv> {
        Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(|_| Rv::DeviceError)
    }
}

/// 32 bytes, zeroed when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Checks the length of a PIN that is to be set.
pub(crate) fn check_length(pin: &Pin) -> Result<(), Rv> {
    match pin.expose().len() {
        MIN_PIN_BYTES..=MAX_PIN_BYTES => Ok(()),
        _ => Err(Rv::PinLenRange),
    }
}

/// Wraps the object key under a PIN: salt || nonce || ciphertext || tag. `role` says whose PIN it is, and of which token.
pub(crate) fn wrap(object_key: &Secret, pin: &Pin, cost: Cost, role: &[u8]) -> Result<Vec<u8>, Rv> {
    let salt = random::<SALT_BYTES>()?;
    let sealed = seal(&stretch(pin, &salt, cost)?, object_key.as_slice(), role)?;
    Ok([salt.as_slice(), &sealed].concat())
}

/// Gives back the object key, or says that this is not the PIN.
pub(crate) fn unwrap(wrapped: &[u8], pin: &Pin, cost: Cost, role: &[u8]) -> Result<Secret, Rv> {
    let (salt, sealed) = wrapped.split_first_chunk::<SALT_BYTES>().ok_or(Rv::DeviceError)?;
    let opened = open(&stretch(pin, salt, cost)?, sealed, role).ok_or(Rv::PinIncorrect)?;
    let mut key = Secret::default();
    if opened.len() != key.len() {
        return Err(Rv::DeviceError);
    }
    key.copy_from_slice(&opened);
    Ok(key)
}

/// XChaCha20-Poly1305 under a random nonce, which stands first.
pub(crate) fn seal(key: &Secret, msg: &[u8], aad: &[u8]) -> Result<Vec<u8>, Rv> {
    let nonce = random::<NONCE_BYTES>()?;
    let sealed = cipher(key).encrypt(&XNonce::from(*nonce), Payload { msg, aad });
    Ok([nonce.as_slice(), &sealed.map_err(|_| Rv::DataLenRange)?].concat())
}

/// Opens what [`seal`] gave.
pub(crate) fn open(key: &Secret, sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg, aad }).map(Zeroizing::new).ok()
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Rv> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| Rv::RandomNoRng)?;
    Ok(bytes)
}

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.as_slice().try_into().expect("the key has 32 bytes"))
}

fn stretch(pin: &Pin, salt: &[u8; SALT_BYTES], cost: Cost) -> Result<Secret, Rv> {
    let mut key = Secret::default();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    argon.hash_password_into(pin.expose().as_bytes(), salt, key.as_mut_slice()).map_err(|_| Rv::DeviceMemory)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1 };

    #[test]
    fn one_pin_opens_it_in_one_role() {
        let pin = |text: &str| Pin::new(text.into());
        let key = Zeroizing::new([7; 32]);
        let wrapped = wrap(&key, &pin("12345678"), CHEAP, b"user").unwrap();
        assert_eq!(unwrap(&wrapped, &pin("12345678"), CHEAP, b"user").unwrap(), key);
        assert_eq!(unwrap(&wrapped, &pin("12345679"), CHEAP, b"user"), Err(Rv::PinIncorrect));
        assert_eq!(unwrap(&wrapped, &pin("12345678"), CHEAP, b"so"), Err(Rv::PinIncorrect));
        assert_ne!(wrap(&key, &pin("12345678"), CHEAP, b"user").unwrap(), wrapped);
    }

    /// Whatever is read from a file is opened by this. The vectors are other people's, and stand where
    /// SECURE_LOG_PUBLIC_VECTORS says.
    #[test]
    fn what_is_opened_is_what_project_wycheproof_opens() {
        let Some(folder) = std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") else {
            let _ =
                writeln!(std::io::stderr(), "NOT RUN: SECURE_LOG_PUBLIC_VECTORS does not say where the vectors are");
            return;
        };
        let file = std::path::Path::new(&folder).join("wycheproof/xchacha20_poly1305_test.json");
        let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for case in vectors["testGroups"].as_array().unwrap().iter().flat_map(|g| g["tests"].as_array().unwrap()) {
            let hex = |name: &str| const_hex::decode(case[name].as_str().unwrap()).unwrap();
            let key = Zeroizing::new(hex("key").try_into().unwrap());
            let opened = open(&key, &[hex("iv"), hex("ct"), hex("tag")].concat(), &hex("aad"));
            let expected = (case["result"] == "valid").then(|| Zeroizing::new(hex("msg")));
            assert_eq!(opened, expected, "{case}");
            *(if expected.is_some() { &mut valid } else { &mut invalid }) += 1;
        }
        assert!(valid >= 100 && invalid >= 50, "{valid} {invalid}");
    }

    #[test]
    fn pins_have_a_length() {
        for (length, ok) in [(0, false), (7, false), (8, true), (255, true), (256, false)] {
            assert_eq!(check_length(&Pin::new("x".repeat(length))).is_ok(), ok, "{length}");
        }
    }
}
