//! Keys in use: what signs, hashes, encrypts and wraps.

use aes_gcm::aead::{Aead, AeadCore, Nonce, Payload};
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, KeyInit};
use aes_kw::AesKwp;
use hmac::{Hmac, Mac as _};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::pss::BlindedSigningKey;
use rsa::signature::SignatureEncoding as _;
use rsa::signature::hazmat::RandomizedPrehashSigner as _;
use rsa::traits::PublicKeyParts as _;
use secure_log_keystore::SystemRandom;
use secure_log_pkcs11::{Attribute, ED25519_PARAMS, GcmParams, KeyType, Mechanism, ObjectClass, P256_PARAMS, Rv};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::object::Object;
use crate::pins::random;
use crate::template::{AES_BYTES, Template};

/// Moduli of RSA keys that are made. Format.md s.5 wants 2048 at least, and the crate refuses more than 4096.
const RSA_BITS: [u64; 3] = [2048, 3072, 4096];
/// Lengths of keys for MACs: from half of the hash, which is what HMAC needs, to the block.
const MAC_KEY_BYTES: std::ops::RangeInclusive<u64> = 16..=64;
/// Of AES-GCM: 96 bits, and the whole tag.
const GCM_IV_BYTES: usize = 12;
const GCM_TAG_BITS: u64 = 128;

/// A key, ready to be used. It is zeroed when dropped.
pub(crate) enum Key {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
    Rsa(Box<RsaPrivateKey>),
    Aes(Zeroizing<Vec<u8>>),
    Mac(Zeroizing<Vec<u8>>),
    /// A public key: it does nothing here.
    Public,
}

impl Key {
    /// The key of an object.
    pub(crate) fn of(object: &Object) -> Result<Key, Rv> {
        let secret = &object.secret;
        let is = |class, kind| object.has(Attribute::Class(class)) && object.has(Attribute::KeyType(kind));
        let key = if is(ObjectClass::PrivateKey, KeyType::EcEdwards) {
            let secret = secret.as_slice().try_into().map_err(|_| Rv::DeviceError)?;
            Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(secret)))
        } else if is(ObjectClass::PrivateKey, KeyType::Ec) {
            Key::P256(Box::new(p256::ecdsa::SigningKey::from_slice(secret).map_err(|_| Rv::DeviceError)?))
        } else if is(ObjectClass::PrivateKey, KeyType::Rsa) {
            Key::Rsa(Box::new(RsaPrivateKey::from_pkcs8_der(secret).map_err(|_| Rv::DeviceError)?))
        } else if is(ObjectClass::SecretKey, KeyType::Aes) {
            Key::Aes(secret.clone())
        } else if object.has(Attribute::Class(ObjectClass::SecretKey)) {
            Key::Mac(secret.clone())
        } else {
            Key::Public
        };
        Ok(key)
    }

    pub(crate) fn sign(&self, mechanism: &Mechanism, data: &[u8]) -> Result<Vec<u8>, Rv> {
        match (mechanism, self) {
            (Mechanism::Eddsa, Key::Ed25519(key)) => Ok(ed25519_dalek::Signer::sign(key.as_ref(), data).to_vec()),
            (Mechanism::Ecdsa, Key::P256(key)) => {
                let hash: &[u8; 32] = data.try_into().map_err(|_| Rv::DataLenRange)?;
                let signature: p256::ecdsa::Signature = key.sign_prehash(hash).map_err(|_| Rv::DataInvalid)?;
                Ok(signature.to_bytes().to_vec())
            }
            (Mechanism::RsaPkcsPss(salt_bytes), Key::Rsa(key)) => sign_pss(key, *salt_bytes, data),
            (Mechanism::Sha256Hmac, Key::Mac(key)) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Rv::KeySizeRange)?;
                mac.update(data);
                Ok(mac.finalize().into_bytes().to_vec())
            }
            (Mechanism::Eddsa | Mechanism::Ecdsa | Mechanism::RsaPkcsPss(_) | Mechanism::Sha256Hmac, _) => {
                Err(Rv::KeyTypeInconsistent)
            }
            _ => Err(Rv::MechanismInvalid),
        }
    }

    pub(crate) fn encrypt(&self, mechanism: &Mechanism, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let (key, params) = self.gcm(mechanism)?;
        match key.len() {
            16 => gcm_seal::<Aes128>(key, params, data),
            24 => gcm_seal::<Aes192>(key, params, data),
            _ => gcm_seal::<Aes256>(key, params, data),
        }
    }

    pub(crate) fn decrypt(&self, mechanism: &Mechanism, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, Rv> {
        let (key, params) = self.gcm(mechanism)?;
        match key.len() {
            16 => gcm_open::<Aes128>(key, params, data),
            24 => gcm_open::<Aes192>(key, params, data),
            _ => gcm_open::<Aes256>(key, params, data),
        }
    }

    /// RFC 5649.
    pub(crate) fn wrap(&self, mechanism: &Mechanism, plaintext: &[u8]) -> Result<Vec<u8>, Rv> {
        let mut out = vec![0; plaintext.len().next_multiple_of(8) + 8];
        let wrapped = match self.kwp(mechanism)? {
            Kwp::Aes128(cipher) => cipher.wrap_key(plaintext, &mut out),
            Kwp::Aes192(cipher) => cipher.wrap_key(plaintext, &mut out),
            Kwp::Aes256(cipher) => cipher.wrap_key(plaintext, &mut out),
        };
        Ok(wrapped.map_err(|_| Rv::KeySizeRange)?.to_vec())
    }

    pub(crate) fn unwrap(&self, mechanism: &Mechanism, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Rv> {
        if wrapped.len() < 16 || !wrapped.len().is_multiple_of(8) {
            return Err(Rv::WrappedKeyLenRange);
        }
        let mut out = Zeroizing::new(vec![0; wrapped.len()]);
        let opened = match self.kwp(mechanism)? {
            Kwp::Aes128(cipher) => cipher.unwrap_key(wrapped, &mut out),
            Kwp::Aes192(cipher) => cipher.unwrap_key(wrapped, &mut out),
            Kwp::Aes256(cipher) => cipher.unwrap_key(wrapped, &mut out),
        };
        let length = opened.map_err(|_| Rv::WrappedKeyInvalid)?.len();
        Ok(Zeroizing::new(out[..length].to_vec()))
    }

    fn gcm<'k>(&'k self, mechanism: &'k Mechanism) -> Result<(&'k [u8], &'k GcmParams), Rv> {
        match (mechanism, self) {
            (Mechanism::AesGcm(params), Key::Aes(key)) => {
                if params.iv.len() != GCM_IV_BYTES || params.tag_bits != GCM_TAG_BITS {
                    return Err(Rv::MechanismParamInvalid);
                }
                Ok((key, params))
            }
            (Mechanism::AesGcm(_), _) => Err(Rv::KeyTypeInconsistent),
            _ => Err(Rv::MechanismInvalid),
        }
    }

    fn kwp(&self, mechanism: &Mechanism) -> Result<Kwp, Rv> {
        match (mechanism, self) {
            (Mechanism::AesKeyWrapKwp, Key::Aes(key)) => match key.len() {
                16 => Ok(Kwp::Aes128(keyed(key)?)),
                24 => Ok(Kwp::Aes192(keyed(key)?)),
                _ => Ok(Kwp::Aes256(keyed(key)?)),
            },
            (Mechanism::AesKeyWrapKwp, _) => Err(Rv::KeyTypeInconsistent),
            _ => Err(Rv::MechanismInvalid),
        }
    }
}

enum Kwp {
    Aes128(AesKwp<Aes128>),
    Aes192(AesKwp<Aes192>),
    Aes256(AesKwp<Aes256>),
}

fn keyed<C: aes_kw::KeyInit>(key: &[u8]) -> Result<C, Rv> {
    C::new_from_slice(key).map_err(|_| Rv::KeySizeRange)
}

type Gcm<C> = AesGcm<C, aes_gcm::aead::consts::U12>;

fn gcm_seal<C>(key: &[u8], params: &GcmParams, msg: &[u8]) -> Result<Vec<u8>, Rv>
where
    Gcm<C>: Aead + KeyInit,
{
    let cipher = Gcm::<C>::new_from_slice(key).map_err(|_| Rv::KeySizeRange)?;
    let sealed = cipher.encrypt(&nonce::<Gcm<C>>(params)?, Payload { msg, aad: &params.aad });
    sealed.map_err(|_| Rv::DataLenRange)
}

fn gcm_open<C>(key: &[u8], params: &GcmParams, msg: &[u8]) -> Result<Zeroizing<Vec<u8>>, Rv>
where
    Gcm<C>: Aead + KeyInit,
{
    let cipher = Gcm::<C>::new_from_slice(key).map_err(|_| Rv::KeySizeRange)?;
    let opened = cipher.decrypt(&nonce::<Gcm<C>>(params)?, Payload { msg, aad: &params.aad });
    opened.map(Zeroizing::new).map_err(|_| Rv::EncryptedDataInvalid)
}

fn nonce<A: AeadCore>(params: &GcmParams) -> Result<Nonce<A>, Rv> {
    Nonce::<A>::try_from(params.iv.as_slice()).map_err(|_| Rv::MechanismParamInvalid)
}

fn sign_pss(key: &RsaPrivateKey, salt_bytes: u64, hash: &[u8]) -> Result<Vec<u8>, Rv> {
    if hash.len() != 32 {
        return Err(Rv::DataLenRange);
    }
    // What fits beside the hash in the smallest modulus, and more than anybody needs.
    let salt_bytes = usize::try_from(salt_bytes).ok().filter(|bytes| *bytes <= 64).ok_or(Rv::MechanismParamInvalid)?;
    let signer = BlindedSigningKey::<rsa::sha2::Sha256>::new_with_salt_len(key.clone(), salt_bytes);
    let mut random = SystemRandom::new().map_err(|_| Rv::RandomNoRng)?;
    let signature = signer.sign_prehash_with_rng(&mut random, hash).map_err(|_| Rv::FunctionFailed)?;
    Ok(signature.to_vec())
}

/// A key pair that was just made: kind of key, public attributes, private key.
pub(crate) struct Pair {
    pub(crate) kind: KeyType,
    pub(crate) public: Vec<Attribute>,
    pub(crate) private: Zeroizing<Vec<u8>>,
}

/// Makes a key pair. What the template of the public key says of it is taken out of there.
pub(crate) fn generate_pair(mechanism: &Mechanism, public: &mut Template) -> Result<Pair, Rv> {
    match mechanism {
        Mechanism::EcEdwardsKeyPairGen => {
            expect_curve(&public.ec_params()?, &[ED25519_PARAMS, ED25519_NAME])?;
            let secret = random::<32>()?;
            let key = ed25519_dalek::SigningKey::from_bytes(&secret);
            let point = key.verifying_key().to_bytes();
            Ok(pair_on_curve(KeyType::EcEdwards, ED25519_PARAMS, &point, secret.to_vec()))
        }
        Mechanism::EcKeyPairGen => {
            expect_curve(&public.ec_params()?, &[P256_PARAMS])?;
            let key = loop {
                // One in 2^32 is none.
                if let Ok(key) = p256::SecretKey::from_slice(random::<32>()?.as_slice()) {
                    break key;
                }
            };
            let point = key.public_key().to_sec1_point(false);
            let secret = Zeroizing::new(key.to_bytes());
            Ok(pair_on_curve(KeyType::Ec, P256_PARAMS, point.as_bytes(), secret.to_vec()))
        }
        Mechanism::RsaPkcsKeyPairGen => {
            let bits = public.modulus_bits()?;
            if !RSA_BITS.contains(&bits) {
                return Err(Rv::KeySizeRange);
            }
            let mut random = SystemRandom::new().map_err(|_| Rv::RandomNoRng)?;
            let key = RsaPrivateKey::new(&mut random, bits as usize).map_err(|_| Rv::FunctionFailed)?;
            let private = key.to_pkcs8_der().map_err(|_| Rv::FunctionFailed)?;
            Ok(Pair {
                kind: KeyType::Rsa,
                public: vec![
                    Attribute::Modulus(key.n().to_bytes_be()),
                    Attribute::ModulusBits(bits),
                    Attribute::PublicExponent(key.e().to_bytes_be()),
                ],
                private: Zeroizing::new(private.as_bytes().to_vec()),
            })
        }
        _ => Err(Rv::MechanismInvalid),
    }
}

/// Makes a secret key of the length that the template asks for.
pub(crate) fn generate_secret(
    mechanism: &Mechanism,
    template: &mut Template,
) -> Result<(KeyType, Zeroizing<Vec<u8>>), Rv> {
    let (kind, allowed): (_, fn(u64) -> bool) = match mechanism {
        Mechanism::AesKeyGen => (KeyType::Aes, |length| AES_BYTES.contains(&length)),
        Mechanism::GenericSecretKeyGen => (KeyType::GenericSecret, |length| MAC_KEY_BYTES.contains(&length)),
        _ => return Err(Rv::MechanismInvalid),
    };
    let length = template.value_len().ok_or(Rv::TemplateIncomplete)?;
    if !allowed(length) {
        return Err(Rv::KeySizeRange);
    }
    let bytes = random::<64>()?;
    Ok((kind, Zeroizing::new(bytes[..length as usize].to_vec())))
}

/// What an object of a key may be used for beside its type.
pub(crate) fn check_permitted(object: &Object, permission: Attribute) -> Result<(), Rv> {
    if object.has(permission) { Ok(()) } else { Err(Rv::KeyFunctionNotPermitted) }
}

/// The other spelling of the curve that the standard has: a printable string.
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

fn expect_curve(params: &[u8], known: &[&[u8]]) -> Result<(), Rv> {
    if known.contains(&params) { Ok(()) } else { Err(Rv::CurveNotSupported) }
}

fn pair_on_curve(kind: KeyType, params: &[u8], point: &[u8], secret: Vec<u8>) -> Pair {
    const OCTET_STRING: u8 = 4;
    // Both points are shorter than 128 bytes, whose lengths take one.
    let point = [&[OCTET_STRING, point.len() as u8], point].concat();
    Pair {
        kind,
        public: vec![Attribute::EcParams(params.into()), Attribute::EcPoint(point)],
        private: Zeroizing::new(secret),
    }
}
