//! What stands in key files: encrypted PKCS#8 as OpenSSL makes it, and our own wrapping of symmetric keys. docs/keys.md
//! has the bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use secure_log::providers::KeyError;
use zeroize::Zeroizing;

use crate::config::Passphrase;
use crate::label::Label;
use crate::random;
use crate::symmetric::{self, Symmetric};

/// An encrypted 4096-bit RSA key takes 3.4 KiB as PEM.
pub(crate) const MAX_FILE_BYTES: usize = 16 * 1024;

/// Cost of the passphrase in files made here: scrypt with N = 2^14, r = 8, p = 5. It takes 16 MiB, since OpenSSL refuses
/// 32 and more, and p makes up for what larger memory would cost a guesser.
const SCRYPT_COST: (u8, u32, u32) = (14, 8, 5);

/// Limits for files made elsewhere: a file must not be able to hang its reader, or take its memory.
const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
const MAX_SCRYPT_BYTES: u64 = 256 * 1024 * 1024;
const MAX_SCRYPT_PARALLELIZATION: u16 = 16;

const PEM_ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PEM_PLAIN: &str = "PRIVATE KEY";
const WRAPPED_KEY_HEADER: &str = "secure-log/v1/wrapped-key\n";
const SALT_BYTES: usize = 16;

/// Why a key file cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what it should be: what that is.
    Malformed(&'static str),
    /// It is, and it is of an unsupported kind: what is wanted.
    Unsupported(&'static str),
    /// It is encrypted, and there is no passphrase.
    PassphraseNeeded,
    /// It is not encrypted, and there is a passphrase.
    NotEncrypted,
    /// The passphrase does not open it.
    WrongPassphrase,
}

/// Opens PKCS#8, as PEM or DER: encrypted with a passphrase, and unencrypted without one.
pub(crate) fn open_pkcs8(file: &[u8], passphrase: Option<&Passphrase>) -> Result<Zeroizing<Vec<u8>>, Fault> {
    const WANTED: &str = "it must be a PKCS#8 key; openssl pkcs8 -topk8 converts others";
    let document = match std::str::from_utf8(file) {
        Ok(text) if text.contains("-----BEGIN ") => {
            let (label, document) = SecretDocument::from_pem(text).map_err(|_| Fault::Malformed(WANTED))?;
            if label != PEM_ENCRYPTED && label != PEM_PLAIN {
                return Err(Fault::Malformed(WANTED));
            }
            document
        }
        _ => SecretDocument::try_from(file).map_err(|_| Fault::Malformed(WANTED))?,
    };
    let der = document.as_bytes();
    match (EncryptedPrivateKeyInfoRef::try_from(der), passphrase) {
        (Ok(encrypted), Some(passphrase)) => decrypt(&encrypted, passphrase),
        (Ok(_), None) => Err(Fault::PassphraseNeeded),
        (Err(_), passphrase) => match (PrivateKeyInfoRef::try_from(der), passphrase) {
            (Ok(_), None) => Ok(Zeroizing::new(der.to_vec())),
            (Ok(_), Some(_)) => Err(Fault::NotEncrypted),
            (Err(_), _) => Err(Fault::Malformed(WANTED)),
        },
    }
}

/// Encrypts PKCS#8 in a form that OpenSSL reads: PEM, PBES2, scrypt, AES-256-CBC.
pub(crate) fn seal_pkcs8(der: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let failed = |error: pkcs8::Error| KeyError::Backend(format!("the key cannot be encrypted: {error}"));
    let (salt, iv) = (random::bytes::<SALT_BYTES>()?, random::bytes::<16>()?);
    let cost = pbes2::Parameters::generate_scrypt_aes256cbc(scrypt_params(), salt.as_slice(), *iv);
    let cost = cost.map_err(|e| failed(e.into()))?;
    let info = PrivateKeyInfoRef::try_from(der).map_err(failed)?;
    let sealed = info.encrypt_with_params(cost, passphrase.as_bytes()).map_err(failed)?;
    let pem = sealed.to_pem(PEM_ENCRYPTED, LineEnding::LF).map_err(|e| failed(e.into()))?;
    Ok(pem.as_bytes().to_vec())
}

/// Opens a symmetric key's file: wrapped with a passphrase, and 64 hexadecimal digits without one.
pub(crate) fn open_symmetric(
    file: &[u8],
    label: Label<'_>,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    const WANTED: &str = "it must be a key file that this keystore made, or 64 hexadecimal digits";
    let malformed = Fault::Malformed(WANTED);
    let text = std::str::from_utf8(file).map_err(|_| malformed)?;
    match (text.strip_prefix(WRAPPED_KEY_HEADER), passphrase) {
        (Some(body), Some(passphrase)) => {
            let body = STANDARD.decode(body.strip_suffix('\n').ok_or(malformed)?).map_err(|_| malformed)?;
            let (salt, sealed) = body.split_first_chunk::<SALT_BYTES>().ok_or(malformed)?;
            let key = symmetric::open(&stretch(passphrase, salt), sealed, &wrapped_key_data(label));
            key.map_err(|_| Fault::WrongPassphrase)
        }
        (Some(_), None) => Err(Fault::PassphraseNeeded),
        (None, passphrase) => {
            let digits = text.strip_suffix('\n').unwrap_or(text);
            let mut key = Zeroizing::new(vec![0; 32]);
            if digits.len() != 64 || const_hex::decode_to_slice(digits, key.as_mut_slice()).is_err() {
                return Err(malformed);
            }
            if passphrase.is_some() { Err(Fault::NotEncrypted) } else { Ok(key) }
        }
    }
}

/// Wraps a symmetric key. It can be opened under its own label only, so that no file passes for another.
pub(crate) fn seal_symmetric(key: &Symmetric, label: Label<'_>, passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
    let salt = random::bytes::<SALT_BYTES>()?;
    let sealed = symmetric::seal(&stretch(passphrase, &salt), key.as_slice(), &wrapped_key_data(label))?;
    let body = STANDARD.encode([salt.as_slice(), &sealed].concat());
    Ok(format!("{WRAPPED_KEY_HEADER}{body}\n").into_bytes())
}

fn decrypt(encrypted: &EncryptedPrivateKeyInfoRef<'_>, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Fault> {
    const WANTED: &str = "it must be encrypted by PBES2 with AES, and PBKDF2-HMAC-SHA-2 or scrypt";
    const TOO_DEAR: &str = "its cost must be at most 10000000 iterations of PBKDF2, or 256 MiB and p = 16 of scrypt";
    let kdf = &encrypted.encryption_algorithm.pbes2().ok_or(Fault::Unsupported(WANTED))?.kdf;
    let affordable = match kdf {
        pbes2::Kdf::Pbkdf2(cost) => cost.iteration_count <= MAX_PBKDF2_ITERATIONS,
        pbes2::Kdf::Scrypt(cost) => {
            let memory = cost.cost_parameter.saturating_mul(128 * u64::from(cost.block_size));
            memory <= MAX_SCRYPT_BYTES && cost.parallelization <= MAX_SCRYPT_PARALLELIZATION
        }
        _ => return Err(Fault::Unsupported(WANTED)),
    };
    if !affordable {
        return Err(Fault::Unsupported(TOO_DEAR));
    }
    let opened = encrypted.decrypt(passphrase.as_bytes()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. }
            | pkcs8::pkcs5::Error::NoPbes1CryptSupport,
        ) => Fault::Unsupported(WANTED),
        _ => Fault::WrongPassphrase,
    })?;
    // One wrong passphrase in 256 leaves valid padding, and then no key inside it.
    PrivateKeyInfoRef::try_from(opened.as_bytes()).map_err(|_| Fault::WrongPassphrase)?;
    Ok(Zeroizing::new(opened.as_bytes().to_vec()))
}

fn stretch(passphrase: &Passphrase, salt: &[u8; SALT_BYTES]) -> Symmetric {
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.as_bytes(), salt, &scrypt_params(), key.as_mut_slice()).expect("scrypt gives 32 bytes");
    key
}

fn scrypt_params() -> scrypt::Params {
    let (log_n, r, p) = SCRYPT_COST;
    scrypt::Params::new(log_n, r, p).expect("the cost is within the limits of scrypt")
}

fn wrapped_key_data(label: Label<'_>) -> Vec<u8> {
    [WRAPPED_KEY_HEADER, label.as_str()].concat().into_bytes()
}
