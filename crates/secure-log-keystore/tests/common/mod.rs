//! What the tests share: folders of their own, keystores, and verification by the signature crates.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use secure_log::providers::CheckpointSigner;
use secure_log::sign::Algorithm;
use secure_log_keystore::{Config, Passphrase, Seed, SoftwareKeystore, Source};

/// Opens the files of `tests/data`.
pub(crate) const PASSPHRASE: &str = "correct-horse-battery-staple";

/// A folder that is removed in the end.
pub(crate) struct TestFolder(PathBuf);

impl TestFolder {
    pub(crate) fn new() -> TestFolder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("secure-log-keystore-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        TestFolder(path)
    }

    /// One that holds these files of `tests/data`, under new names.
    pub(crate) fn with(files: &[(&str, &str)]) -> TestFolder {
        let folder = TestFolder::new();
        for (from, to) in files {
            fs::copy(data(from), folder.0.join(to)).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Its keystore under this passphrase.
    pub(crate) fn keystore(&self, passphrase: Option<&str>) -> SoftwareKeystore {
        let passphrase = passphrase.and_then(|p| Passphrase::new(p.into()));
        let source = Source::Folder { path: self.0.clone(), passphrase };
        SoftwareKeystore::new(Config { algorithm: Algorithm::Ed25519, source })
    }

    /// Names of its files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn seeded(algorithm: Algorithm) -> SoftwareKeystore {
    let seed = Seed::new(core::array::from_fn(|i| i as u8));
    SoftwareKeystore::new(Config { algorithm, source: Source::Seed(seed) })
}

/// What `openssl pkey -pubout` says of a key of `tests/data`, in the form of format.md s.5.
pub(crate) fn openssl_public_key(name: &str, algorithm: Algorithm) -> Vec<u8> {
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    use p256::pkcs8::DecodePublicKey as _;
    let pem = fs::read_to_string(data(name)).unwrap();
    match algorithm {
        Algorithm::Ed25519 => ed25519_dalek::VerifyingKey::from_public_key_pem(&pem).unwrap().to_bytes().to_vec(),
        Algorithm::EcdsaP256 => {
            p256::PublicKey::from_public_key_pem(&pem).unwrap().to_sec1_point(false).as_bytes().to_vec()
        }
        Algorithm::RsaPssSha256 => pkcs8::Document::from_pem(&pem).unwrap().1.into_vec(),
    }
}

/// Whether the signature crates take a signature by a public key in the form of format.md s.5.
pub(crate) fn verifies(algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match algorithm {
        Algorithm::Ed25519 => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(public_key.try_into().unwrap()).unwrap();
            let signature = ed25519_dalek::Signature::from_slice(signature).unwrap();
            key.verify_strict(message, &signature).is_ok()
        }
        Algorithm::EcdsaP256 => {
            use p256::ecdsa::signature::Verifier as _;
            assert_eq!((public_key.len(), public_key[0]), (65, 4));
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(public_key).unwrap();
            let signature = p256::ecdsa::Signature::from_slice(signature).unwrap();
            assert_eq!(signature.normalize_s(), signature, "s is low");
            key.verify(message, &signature).is_ok()
        }
        Algorithm::RsaPssSha256 => {
            use rsa::pkcs8::DecodePublicKey as _;
            use rsa::signature::Verifier as _;
            let key = rsa::RsaPublicKey::from_public_key_der(public_key).unwrap();
            let key = rsa::pss::VerifyingKey::<rsa::sha2::Sha256>::new(key);
            key.verify(message, &signature.try_into().unwrap()).is_ok()
        }
    }
}

/// Signs, and has the signature verified and not verified.
pub(crate) fn check_signer(signer: &dyn CheckpointSigner) {
    let (algorithm, public_key) = (signer.algorithm(), signer.public_key());
    for message in [b"".as_slice(), b"secure-log/v1/checkpoint\n", &[0xff; 5000]] {
        let mut signature = signer.sign(message).unwrap();
        assert!(verifies(algorithm, public_key, message, &signature));
        assert!(!verifies(algorithm, public_key, b"another message", &signature));
        let last = signature.len() - 1;
        signature[last] ^= 1;
        assert!(!verifies(algorithm, public_key, message, &signature));
    }
}
