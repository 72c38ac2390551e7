//! What is done with one key in one session: found by its label, used, made.

use p256::ecdsa::Signature;
use secure_log::hash::Hash;
use secure_log::sign::{Algorithm, PublicKey};

use crate::connection::{attributes, find_one, value_of};
use crate::cryptoki::{
    Attribute, AttributeType, ED25519_PARAMS, Mechanism, ObjectClass, ObjectHandle, P256_PARAMS, Session,
};
use crate::error::TokenError;
use crate::public_key;
use crate::rv::Rv;
use crate::wrapping::WrappingAlgorithm;

/// Modulus of RSA keys that are made here, in bits.
const NEW_RSA_BITS: u64 = 3072;
/// What format.md s.5 says of PSS.
const PSS_SALT_BYTES: u64 = 32;

/// What a key can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewKey {
    /// Signatures by this algorithm.
    Signing(Algorithm),
    /// Keyed hashing: 32 bytes.
    Mac,
    /// Wrapping keys: AES-256.
    Wrapping(WrappingAlgorithm),
}

/// The private key of this label and its public key.
pub(crate) fn find_signing(session: &impl Session, label: &str) -> Result<(ObjectHandle, PublicKey), TokenError> {
    let Some(private) = find_one(session, ObjectClass::PrivateKey, label, &[])? else {
        return Err(absent(session, label, "sign: it is no private key")?);
    };
    let known = attributes(session, private, &[AttributeType::Sign, AttributeType::Id])?;
    if value_of!(known, Sign) == Some(false) {
        return Err(TokenError::NotPermitted { label: label.into(), what: "sign" });
    }
    let id: Vec<Attribute> = value_of!(known, Id).filter(|id| !id.is_empty()).map(Attribute::Id).into_iter().collect();
    let public = find_one(session, ObjectClass::PublicKey, label, &id)?;
    let public = public.ok_or_else(|| TokenError::NoPublicKey { label: label.into() })?;
    let public = public_key::from_attributes(&attributes(session, public, public_key::ATTRIBUTES)?);
    Ok((private, public.map_err(|reason| TokenError::UnsupportedKey { label: label.into(), reason })?))
}

/// Signs as format.md s.5 says.
pub(crate) fn sign(
    session: &impl Session,
    label: &str,
    key: ObjectHandle,
    algorithm: Algorithm,
    message: &[u8],
) -> Result<Vec<u8>, TokenError> {
    let hash = || Hash::sha256(message).0;
    let signature = match algorithm {
        Algorithm::Ed25519 => session.sign(&Mechanism::Eddsa, key, message),
        Algorithm::EcdsaP256 => session.sign(&Mechanism::Ecdsa, key, &hash()),
        Algorithm::RsaPssSha256 => session.sign(&Mechanism::RsaPkcsPss(PSS_SALT_BYTES), key, &hash()),
    };
    let signature = signature.map_err(|rv| of_use(label, "sign", "C_Sign", rv))?;
    match algorithm {
        Algorithm::Ed25519 if signature.len() != 64 => Err(TokenError::BadAnswer("no Ed25519 signature of 64 bytes")),
        Algorithm::EcdsaP256 => {
            let either = Signature::from_slice(&signature).map_err(|_| TokenError::BadAnswer("no signature r||s"))?;
            Ok(either.normalize_s().to_bytes().to_vec())
        }
        Algorithm::Ed25519 | Algorithm::RsaPssSha256 => Ok(signature),
    }
}

/// The secret key of this label, which may make MACs.
pub(crate) fn find_mac(session: &impl Session, label: &str) -> Result<ObjectHandle, TokenError> {
    let Some(key) = find_one(session, ObjectClass::SecretKey, label, &[])? else {
        return Err(absent(session, label, "compute MACs: it is no secret key")?);
    };
    if value_of!(attributes(session, key, &[AttributeType::Sign])?, Sign) == Some(false) {
        return Err(TokenError::NotPermitted { label: label.into(), what: "compute MACs" });
    }
    Ok(key)
}

/// HMAC-SHA-256.
pub(crate) fn mac(
    session: &impl Session,
    label: &str,
    key: ObjectHandle,
    message: &[u8],
) -> Result<[u8; 32], TokenError> {
    let mac = session.sign(&Mechanism::Sha256Hmac, key, message);
    let mac = mac.map_err(|rv| of_use(label, "compute MACs", "C_Sign", rv))?;
    mac.try_into().map_err(|_| TokenError::BadAnswer("no HMAC of 32 bytes"))
}

/// Makes a key of the token, which never leaves it.
pub(crate) fn generate(session: &impl Session, label: &str, kind: NewKey) -> Result<(), TokenError> {
    for class in [ObjectClass::PrivateKey, ObjectClass::PublicKey, ObjectClass::SecretKey] {
        if find_one(session, class, label, &[])?.is_some() {
            return Err(TokenError::KeyExists { label: label.into() });
        }
    }
    let id = session.generate_random(16).map_err(|rv| TokenError::of_call("C_GenerateRandom", rv))?;
    let common = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id)];
    let secret = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
    let with = |more: &[&[Attribute]]| [&common[..], &more.concat()].concat();
    match kind {
        NewKey::Signing(algorithm) => {
            let (mechanism, parameters) = match algorithm {
                Algorithm::Ed25519 => {
                    (Mechanism::EcEdwardsKeyPairGen, vec![Attribute::EcParams(ED25519_PARAMS.into())])
                }
                Algorithm::EcdsaP256 => (Mechanism::EcKeyPairGen, vec![Attribute::EcParams(P256_PARAMS.into())]),
                Algorithm::RsaPssSha256 => (
                    Mechanism::RsaPkcsKeyPairGen,
                    vec![Attribute::ModulusBits(NEW_RSA_BITS), Attribute::PublicExponent(vec![1, 0, 1])],
                ),
            };
            let public = with(&[&[Attribute::Private(false), Attribute::Verify(true)], &parameters]);
            let private = with(&[&secret, &[Attribute::Sign(true)]]);
            let made = session.generate_key_pair(&mechanism, &public, &private);
            made.map(drop).map_err(|rv| TokenError::of_call("C_GenerateKeyPair", rv))
        }
        NewKey::Mac | NewKey::Wrapping(_) => {
            let hashes = kind == NewKey::Mac;
            let wraps = kind == NewKey::Wrapping(WrappingAlgorithm::AesKwp);
            let encrypts = kind == NewKey::Wrapping(WrappingAlgorithm::AesGcm);
            let mechanism = if hashes { Mechanism::GenericSecretKeyGen } else { Mechanism::AesKeyGen };
            // What is not said, a token decides: some then allow everything.
            let uses = [
                Attribute::ValueLen(32),
                Attribute::Wrap(wraps),
                Attribute::Unwrap(wraps),
                Attribute::Sign(hashes),
                Attribute::Verify(hashes),
                Attribute::Encrypt(encrypts),
                Attribute::Decrypt(encrypts),
            ];
            let template = with(&[&secret, &uses]);
            let made = session.generate_key(&mechanism, &template);
            made.map(drop).map_err(|rv| TokenError::of_call("C_GenerateKey", rv))
        }
    }
}

pub(crate) fn destroy(session: &impl Session, object: ObjectHandle) -> Result<(), TokenError> {
    session.destroy_object(object).map_err(|rv| TokenError::of_call("C_DestroyObject", rv))
}

/// What to say of a key that is not there: never "no such key" when the label has a key for another use.
pub(crate) fn absent(session: &impl Session, label: &str, what: &'static str) -> Result<TokenError, TokenError> {
    for class in [ObjectClass::SecretKey, ObjectClass::PrivateKey, ObjectClass::PublicKey] {
        if find_one(session, class, label, &[])?.is_some() {
            return Ok(TokenError::NotPermitted { label: label.into(), what });
        }
    }
    Ok(TokenError::NoSuchKey { label: label.into() })
}

/// What a failed use of a key means.
pub(crate) fn of_use(label: &str, what: &'static str, call: &'static str, rv: Rv) -> TokenError {
    match rv {
        Rv::KeyFunctionNotPermitted | Rv::KeyTypeInconsistent => TokenError::NotPermitted { label: label.into(), what },
        Rv::MechanismInvalid => TokenError::UnsupportedKey {
            label: label.into(),
            reason: format!("the token cannot {what} with this key ({rv})"),
        },
        // The object went, with the session that knew it or by somebody's hand.
        Rv::KeyHandleInvalid | Rv::ObjectHandleInvalid => TokenError::TokenRemoved(rv),
        rv => TokenError::of_call(call, rv),
    }
}
