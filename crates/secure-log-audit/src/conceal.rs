//! Values that the log must not show: what stands in their place, and disclosing them later.

use core::fmt;

use secure_log::hash::{Hash, decode_hex};
use secure_log::providers::{Random, RandomError};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::error::EventError;
use crate::json::{Canonical, Json, Object};
use crate::member::{Put as _, Value};

/// What is hashed before salt and value, so that a commitment is a hash of nothing else.
pub const COMMITMENT_LABEL: &[u8] = b"secure-log/v1/commit\n";

/// What stands in an event for a value that it does not show.
///
/// A plain hash is for values that nobody can guess, such as keys, tokens and large files. Whoever holds the log can try
/// values against it: a file name, a question of a user or a number is found in no time. For those there are commitments,
/// which show nothing without the salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Concealed {
    /// `SHA-256("secure-log/v1/commit\n" || salt || value)`, with a salt of 32 random bytes.
    Commitment(Hash),
    /// The SHA-256 of the value.
    Sha256(Hash),
    /// The BLAKE3 of the value.
    Blake3(Hash),
}

impl Concealed {
    /// Commits to a value. Whoever keeps the [`Disclosure`] can show the value later, and nobody else can find out.
    ///
    /// ```
    /// use secure_log::system::SystemRandom;
    /// use secure_log_audit::Concealed;
    ///
    /// let (recorded, disclosure) = Concealed::commit(b"{\"amount\":100}", &mut SystemRandom)?;
    /// assert!(disclosure.discloses(&recorded, b"{\"amount\":100}"));
    /// assert!(!disclosure.discloses(&recorded, b"{\"amount\":900}"));
    /// # Ok::<(), secure_log::providers::RandomError>(())
    /// ```
    pub fn commit(value: &[u8], random: &mut dyn Random) -> Result<(Concealed, Disclosure), RandomError> {
        let mut salt = Zeroizing::new([0; 32]);
        random.fill(&mut *salt)?;
        let disclosure = Disclosure { salt };
        Ok((disclosure.commitment(value), disclosure))
    }

    /// The SHA-256 of a value that nobody can guess.
    pub fn sha256(value: &[u8]) -> Concealed {
        Concealed::Sha256(Hash::sha256(value))
    }

    /// The BLAKE3 of a value that nobody can guess.
    pub fn blake3(value: &[u8]) -> Concealed {
        Concealed::Blake3(Hash(*blake3::hash(value).as_bytes()))
    }

    /// Whether this is the plain hash of the value. A commitment is never: it takes its [`Disclosure`] to tell.
    pub fn is_hash_of(&self, value: &[u8]) -> bool {
        match self {
            Concealed::Commitment(_) => false,
            Concealed::Sha256(_) => *self == Concealed::sha256(value),
            Concealed::Blake3(_) => *self == Concealed::blake3(value),
        }
    }

    fn parts(&self) -> (&'static str, &Hash) {
        match self {
            Concealed::Commitment(hash) => ("commitment", hash),
            Concealed::Sha256(hash) => ("sha-256", hash),
            Concealed::Blake3(hash) => ("blake3", hash),
        }
    }
}

/// As it stands in an event, for a detail that is not shown.
impl From<Concealed> for Json {
    fn from(value: Concealed) -> Json {
        let (kind, hash) = value.parts();
        Object::new().with(kind, hash.to_hex()).into()
    }
}

impl Value for Concealed {
    const EXPECTED: &'static str = "a concealed value";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        let (kind, hash) = self.parts();
        out.object(|object| hash.put(kind, object))
    }

    fn from_json(json: Json) -> Option<Concealed> {
        let object = Object::from_json(json)?;
        let mut members = object.iter();
        let (Some((kind, Json::String(hex))), None) = (members.next(), members.next()) else { return None };
        let hash = Hash::from_hex(hex)?;
        match kind {
            "commitment" => Some(Concealed::Commitment(hash)),
            "sha-256" => Some(Concealed::Sha256(hash)),
            "blake3" => Some(Concealed::Blake3(hash)),
            _ => None,
        }
    }

    fn concealed(&self) -> Option<&Concealed> {
        Some(self)
    }
}

/// What it takes to show later what a commitment stands for: its salt. Whoever has it can try values against the commitment,
/// so it is kept as secret as the value; it is wiped from memory when it is dropped, and nothing prints it.
#[derive(Clone)]
pub struct Disclosure {
    salt: Zeroizing<[u8; 32]>,
}

impl Disclosure {
    /// The disclosure with this salt, which was kept somewhere.
    pub fn from_salt(salt: [u8; 32]) -> Disclosure {
        Disclosure { salt: Zeroizing::new(salt) }
    }

    /// The same of 64 lower-case hexadecimal characters.
    pub fn from_hex(salt: &str) -> Option<Disclosure> {
        decode_hex(salt.as_bytes()).map(Disclosure::from_salt)
    }

    /// The salt, to be kept somewhere.
    pub fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// The same as 64 lower-case hexadecimal characters.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(const_hex::encode(*self.salt))
    }

    /// Whether the commitment is one to this value. Of a plain hash it says no.
    pub fn discloses(&self, commitment: &Concealed, value: &[u8]) -> bool {
        let (Concealed::Commitment(recorded), Concealed::Commitment(actual)) = (commitment, self.commitment(value))
        else {
            return false;
        };
        recorded.0.ct_eq(&actual.0).into()
    }

    fn commitment(&self, value: &[u8]) -> Concealed {
        let hash = Sha256::new().chain_update(COMMITMENT_LABEL).chain_update(*self.salt).chain_update(value).finalize();
        Concealed::Commitment(Hash(hash.into()))
    }
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disclosure")
    }
}

#[cfg(test)]
mod tests {
    use secure_log_testkit::SeededRandom;

    use super::*;

    #[test]
    fn a_commitment_is_shown_by_its_salt_and_value_alone() {
        let mut random = SeededRandom::new(1);
        let (recorded, disclosure) = Concealed::commit(b"yes", &mut random).unwrap();
        let (again, other) = Concealed::commit(b"yes", &mut random).unwrap();
        assert_ne!(recorded, again, "the same value is not recognised");
        assert!(disclosure.discloses(&recorded, b"yes") && other.discloses(&again, b"yes"));
        assert!(!disclosure.discloses(&recorded, b"no") && !other.discloses(&recorded, b"yes"));
        assert!(!recorded.is_hash_of(b"yes"));
        let kept = Disclosure::from_hex(&disclosure.to_hex()).unwrap();
        assert_eq!((kept.salt(), kept.discloses(&recorded, b"yes")), (disclosure.salt(), true));
        assert!(Disclosure::from_hex(&disclosure.to_hex().to_uppercase()).is_none());
        assert_eq!(format!("{disclosure:?}"), "Disclosure");
        let hash = Concealed::sha256(b"yes");
        assert!(hash.is_hash_of(b"yes") && !hash.is_hash_of(b"no") && !disclosure.discloses(&hash, b"yes"));
        assert!(Concealed::blake3(b"yes").is_hash_of(b"yes") && Concealed::blake3(b"yes") != hash);
    }

    #[test]
    fn no_random_bytes_means_no_commitment() {
        struct Broken;
        impl Random for Broken {
            fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError("broken".into()))
            }
        }
        assert!(Concealed::commit(b"yes", &mut Broken).is_err());
    }

    #[test]
    fn a_concealed_value_has_one_form() {
        for value in [Concealed::sha256(b"a"), Concealed::blake3(b"a"), Disclosure::from_salt([7; 32]).commitment(b"a")]
        {
            assert_eq!(Concealed::from_json(value.into()), Some(value));
        }
        let hex = Hash::sha256(b"a").to_hex();
        for other in [
            Object::new(),
            Object::new().with("md5", hex.clone()),
            Object::new().with("sha-256", hex.to_uppercase()),
            Object::new().with("sha-256", &hex[1..]),
            Object::new().with("sha-256", hex.clone()).with("blake3", hex.clone()),
        ] {
            assert_eq!(Concealed::from_json(other.clone().into()), None, "{other:?}");
        }
    }
}
