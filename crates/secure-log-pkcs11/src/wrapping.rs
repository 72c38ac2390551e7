//! Wrapping: how key material leaves a token's user under a key that does not leave the token.

use zeroize::Zeroizing;

use crate::connection::{attributes, find_one, value_of};
use crate::cryptoki::{
    Attribute, AttributeType, GcmParams, KeyType, Mechanism, MechanismType, ObjectClass, ObjectHandle, Session,
};
use crate::error::TokenError;
use crate::keys::{absent, destroy, of_use};
use crate::rv::Rv;

/// The largest key material that is wrapped: a token takes it as a key, and those are small.
const MAX_WRAPPED_BYTES: usize = 512;
/// Of AES-GCM: a random vector of 96 bits. At 2^32 wrapped keys the chance that one comes twice is 2^-33.
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// How keys are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrappingAlgorithm {
    /// `CKM_AES_KEY_WRAP_KWP` (RFC 5649), by a key that wraps and unwraps. It binds no associated data.
    AesKwp,
    /// `CKM_AES_GCM`, by a key that encrypts and decrypts: the vector, the ciphertext and the tag.
    AesGcm,
}

impl WrappingAlgorithm {
    /// All of them.
    pub const ALL: [WrappingAlgorithm; 2] = [WrappingAlgorithm::AesKwp, WrappingAlgorithm::AesGcm];

    /// Its name, as in `dek` lines (format.md s.8).
    pub fn as_str(self) -> &'static str {
        match self {
            WrappingAlgorithm::AesKwp => "aes-kwp",
            WrappingAlgorithm::AesGcm => "aes-gcm",
        }
    }

    /// The algorithm of this name.
    pub fn from_name(name: &str) -> Option<WrappingAlgorithm> {
        WrappingAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether what is wrapped with some associated data is unwrapped with the same only.
    pub fn binds_associated_data(self) -> bool {
        self == WrappingAlgorithm::AesGcm
    }

    /// Fails unless a token with these mechanisms wraps so.
    pub(crate) fn check_among(self, mechanisms: &[MechanismType]) -> Result<(), TokenError> {
        let (mechanism, name) = match self {
            WrappingAlgorithm::AesKwp => (Mechanism::AesKeyWrapKwp, "CKM_AES_KEY_WRAP_KWP"),
            WrappingAlgorithm::AesGcm => (gcm(Vec::new(), &[]), "CKM_AES_GCM"),
        };
        if mechanisms.contains(&mechanism.number()) { Ok(()) } else { Err(TokenError::UnsupportedMechanism(name)) }
    }
}

/// Why something was not unwrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrappedKeyError {
    /// It was not wrapped by this key with this associated data.
    NotAuthentic,
    /// The token failed.
    Token(TokenError),
}

impl From<TokenError> for WrappedKeyError {
    fn from(error: TokenError) -> WrappedKeyError {
        WrappedKeyError::Token(error)
    }
}

/// The wrapping key of this label, and how it wraps. What the key may do decides that, and not what else the token can, so
/// that the answer is the same tomorrow.
pub(crate) fn find(session: &impl Session, label: &str) -> Result<(ObjectHandle, WrappingAlgorithm), TokenError> {
    use AttributeType::{Decrypt, Encrypt, KeyType as Kind, Unwrap, Wrap};
    let Some(key) = find_one(session, ObjectClass::SecretKey, label, &[])? else {
        return Err(absent(session, label, "wrap: it is no secret key")?);
    };
    let known = attributes(session, key, &[Kind, Encrypt, Decrypt, Wrap, Unwrap])?;
    let may = |uses: [Attribute; 2]| uses.iter().all(|attribute| known.contains(attribute));
    if value_of!(known, KeyType) != Some(KeyType::Aes) {
        return Err(TokenError::NotPermitted { label: label.into(), what: "wrap: it is no AES key" });
    }
    if may([Attribute::Encrypt(true), Attribute::Decrypt(true)]) {
        return Ok((key, WrappingAlgorithm::AesGcm));
    }
    if may([Attribute::Wrap(true), Attribute::Unwrap(true)]) {
        return Ok((key, WrappingAlgorithm::AesKwp));
    }
    Err(TokenError::NotPermitted { label: label.into(), what: "wrap and unwrap, nor encrypt and decrypt" })
}

/// Wraps bytes.
pub(crate) fn wrap(
    session: &impl Session,
    label: &str,
    (key, algorithm): (ObjectHandle, WrappingAlgorithm),
    plaintext: &[u8],
    associated_data: &[u8],
) -> Result<Vec<u8>, TokenError> {
    if plaintext.is_empty() || plaintext.len() > MAX_WRAPPED_BYTES {
        return Err(TokenError::BadKeyMaterial { bytes: plaintext.len() });
    }
    match algorithm {
        WrappingAlgorithm::AesKwp => wrap_kwp(session, label, key, plaintext),
        WrappingAlgorithm::AesGcm => seal(session, label, key, plaintext, associated_data),
    }
}

/// Gives back what [`wrap`] wrapped.
pub(crate) fn unwrap(
    session: &impl Session,
    label: &str,
    (key, algorithm): (ObjectHandle, WrappingAlgorithm),
    wrapped: &[u8],
    associated_data: &[u8],
) -> Result<Result<Zeroizing<Vec<u8>>, WrappedKeyError>, TokenError> {
    let unwrapped = match algorithm {
        WrappingAlgorithm::AesKwp => unwrap_kwp(session, label, key, wrapped),
        WrappingAlgorithm::AesGcm => open(session, label, key, wrapped, associated_data),
    };
    Ok(unwrapped?.ok_or(WrappedKeyError::NotAuthentic))
}

/// The bytes become a key of the session for as long as it takes, which is how the standard wraps.
fn wrap_kwp(session: &impl Session, label: &str, key: ObjectHandle, plaintext: &[u8]) -> Result<Vec<u8>, TokenError> {
    let mut template = session_secret();
    template.push(Attribute::Value(plaintext.into()));
    let object = session.create_object(&template).map_err(|rv| TokenError::of_call("C_CreateObject", rv))?;
    let wrapped = session.wrap_key(&Mechanism::AesKeyWrapKwp, key, object);
    destroy(session, object)?;
    wrapped.map_err(|rv| of_use(label, "wrap", "C_WrapKey", rv))
}

fn unwrap_kwp(
    session: &impl Session,
    label: &str,
    key: ObjectHandle,
    wrapped: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, TokenError> {
    let object = match session.unwrap_key(&Mechanism::AesKeyWrapKwp, key, wrapped, &session_secret()) {
        Err(Rv::WrappedKeyInvalid | Rv::WrappedKeyLenRange | Rv::EncryptedDataInvalid | Rv::EncryptedDataLenRange) => {
            return Ok(None);
        }
        other => other.map_err(|rv| of_use(label, "unwrap", "C_UnwrapKey", rv))?,
    };
    let value = attributes(session, object, &[AttributeType::Value]);
    destroy(session, object)?;
    let value = value_of!(value?, Value).ok_or(TokenError::BadAnswer("a key of the session without its value"))?;
    Ok(Some(Zeroizing::new(value)))
}

/// A key of the session that may be read, as the keys that seal payloads must be by who seals with them.
fn session_secret() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SecretKey),
        Attribute::KeyType(KeyType::GenericSecret),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

fn seal(
    session: &impl Session,
    label: &str,
    key: ObjectHandle,
    plaintext: &[u8],
    associated_data: &[u8],
) -> Result<Vec<u8>, TokenError> {
    let iv = session.generate_random(IV_BYTES as u32).map_err(|rv| TokenError::of_call("C_GenerateRandom", rv))?;
    let sealed = session.encrypt(&gcm(iv.clone(), associated_data), key, plaintext);
    let sealed = sealed.map_err(|rv| of_use(label, "encrypt", "C_Encrypt", rv))?;
    let wrapped = [iv, sealed].concat();
    // Some tokens take a vector of their own instead of ours, and what nobody can open again would be lost.
    match open(session, label, key, &wrapped, associated_data)? {
        Some(opened) if *opened == plaintext => Ok(wrapped),
        _ => Err(TokenError::BadAnswer("a ciphertext of CKM_AES_GCM that it does not open again")),
    }
}

fn open(
    session: &impl Session,
    label: &str,
    key: ObjectHandle,
    wrapped: &[u8],
    associated_data: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, TokenError> {
    let Some((iv, sealed)) = wrapped.split_at_checked(IV_BYTES).filter(|(_, sealed)| sealed.len() > TAG_BYTES) else {
        return Ok(None);
    };
    match session.decrypt(&gcm(iv.into(), associated_data), key, sealed) {
        Ok(opened) => Ok(Some(Zeroizing::new(opened))),
        Err(Rv::EncryptedDataInvalid | Rv::EncryptedDataLenRange | Rv::AeadDecryptFailed) => Ok(None),
        // SoftHSM 2.6.1 says that of a changed ciphertext, and any token of a failure of its own: then it opens nothing else
        // either.
        Err(Rv::GeneralError) if opens_its_own(session, key) => Ok(None),
        Err(rv) => Err(of_use(label, "decrypt", "C_Decrypt", rv)),
    }
}

/// Whether the token opens now what it seals now. What is sealed says nothing, and its vector is never used for anything else.
fn opens_its_own(session: &impl Session, key: ObjectHandle) -> bool {
    const PROBE: &[u8] = &[0; 16];
    let probe = || {
        let iv = session.generate_random(IV_BYTES as u32)?;
        let sealed = session.encrypt(&gcm(iv.clone(), &[]), key, PROBE)?;
        session.decrypt(&gcm(iv, &[]), key, &sealed)
    };
    probe().is_ok_and(|opened| opened == PROBE)
}

fn gcm(iv: Vec<u8>, associated_data: &[u8]) -> Mechanism {
    Mechanism::AesGcm(GcmParams { iv, aad: associated_data.into(), tag_bits: TAG_BYTES as u64 * 8 })
}
