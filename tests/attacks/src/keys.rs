//! The testkit's keys, as the software keystore reads them.

use std::fs;
use std::path::{Path, PathBuf};

use secure_log_testkit::TestKeystore;
use secure_log_testkit::attacks::{IDENTITY, MAC_LABEL};
use secure_log_verify::host::Surroundings;
use secure_log_verify::keys::write_signing_key;
use wasmtime::Result;

/// The guest's name for a folder of keys.
const GUEST_FOLDER: &str = "/keys";

/// What a key file of PKCS#8 has before the seed of an Ed25519 key (RFC 8410).
const ED25519_PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Labels of two keys that wrap data keys.
pub const KEK: &str = "kek";
pub const OTHER_KEK: &str = "other-kek";

/// A folder of key files.
pub struct KeyFolder {
    folder: PathBuf,
    passphrase: Option<String>,
}

impl KeyFolder {
    /// The keys that the sample log is written with, not encrypted: opening an encrypted one takes a while.
    pub fn of_the_testkit(folder: &Path) -> Result<KeyFolder> {
        KeyFolder::with_mac_key(folder, &TestKeystore::mac_secret(MAC_LABEL))
    }

    /// The same with this key for the keyed suite.
    pub fn with_mac_key(folder: &Path, key: &[u8; 32]) -> Result<KeyFolder> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{IDENTITY}.p8")), [&ED25519_PKCS8[..], &signing_seed()].concat())?;
        fs::write(folder.join(format!("{MAC_LABEL}.key")), const_hex::encode(key))?;
        KeyFolder::that_only_wraps(folder)
    }

    /// Without a key that signs.
    pub fn that_only_wraps(folder: &Path) -> Result<KeyFolder> {
        fs::create_dir_all(folder)?;
        for label in [KEK, OTHER_KEK] {
            fs::write(folder.join(format!("{label}.key")), const_hex::encode(wrapping_secret(label)))?;
        }
        Ok(KeyFolder { folder: folder.into(), passphrase: None })
    }

    /// The key that signs, encrypted.
    pub fn encrypted(folder: &Path, passphrase: &str) -> Result<KeyFolder> {
        fs::create_dir_all(folder)?;
        write_signing_key(&folder.join(format!("{IDENTITY}.p8")), &signing_seed(), passphrase)?;
        Ok(KeyFolder { folder: folder.into(), passphrase: Some(passphrase.into()) })
    }

    /// Shows these keys, and no others, to a guest.
    pub fn give_to(&self, surroundings: Surroundings) -> Surroundings {
        let surroundings = surroundings
            .without("SECURE_LOG_KEYSTORE")
            .folder(&self.folder, GUEST_FOLDER)
            .variable("SECURE_LOG_KEYSTORE_DIR", GUEST_FOLDER)
            .variable("SECURE_LOG_KEK_LABEL", KEK);
        match &self.passphrase {
            Some(passphrase) => surroundings.variable("SECURE_LOG_KEYSTORE_PASSPHRASE", passphrase),
            None => surroundings,
        }
    }
}

/// The secret of the key that signs.
pub fn signing_seed() -> [u8; 32] {
    TestKeystore::signing_seed(IDENTITY)
}

/// The secret of a key that wraps data keys.
pub fn wrapping_secret(label: &str) -> [u8; 32] {
    TestKeystore::mac_secret(label)
}
