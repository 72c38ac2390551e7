//! Keys of every algorithm that sign in tests.

use ed25519_dalek::Signer as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::rand_core::{CryptoRng, RngCore, impls};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use secure_log::sign::Algorithm;

use super::dice::Dice;
use super::{golden, hex, json};

/// Makes a signature of a message.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key, with its public key in the algorithm's form and how it signs.
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) public: Vec<u8>,
    pub(crate) sign: Sign,
}

impl Key {
    /// The key of the golden logs.
    pub(crate) fn golden() -> Key {
        Key::of_seed(&hex(&json(&golden("log.json"))["seed"]).try_into().unwrap())
    }

    pub(crate) fn ed25519(seed: u8) -> Key {
        Key::of_seed(&[seed; 32])
    }

    fn of_seed(seed: &[u8; 32]) -> Key {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        Key {
            algorithm: Algorithm::Ed25519,
            public: key.verifying_key().to_bytes().into(),
            sign: Box::new(move |message| key.sign(message).to_bytes().into()),
        }
    }

    pub(crate) fn p256() -> Key {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        Key {
            algorithm: Algorithm::EcdsaP256,
            public: key.verifying_key().to_sec1_bytes().into(),
            sign: Box::new(move |message| {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().to_vec()
            }),
        }
    }

    pub(crate) fn rsa() -> Key {
        let key = rsa::RsaPrivateKey::new(&mut Dice::new(1), 2048).unwrap();
        let public = key.to_public_key().to_public_key_der().unwrap().as_bytes().into();
        let key = rsa::pss::SigningKey::<rsa::sha2::Sha256>::new(key);
        let sign = move |message: &[u8]| key.sign_with_rng(&mut Dice::new(2), message).to_vec();
        Key { algorithm: Algorithm::RsaPssSha256, public, sign: Box::new(sign) }
    }
}

/// Good enough for keys that protect nothing.
impl RngCore for Dice {
    fn next_u32(&mut self) -> u32 {
        self.roll(1 << 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_u32(self)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        impls::fill_bytes_via_next(self, out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Dice {}
