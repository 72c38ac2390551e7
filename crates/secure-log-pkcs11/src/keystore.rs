//! The keystore: keys by label, used through one session.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey, UnwrapError, WrapAlgorithm, WrappingKey};
use secure_log::sign::{Algorithm, PublicKey};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::connection::Connection;
use crate::cryptoki::{Cryptoki, ObjectHandle};
use crate::error::TokenError;
use crate::keys;
use crate::wrapping::{self, WrappedKeyError, WrappingAlgorithm};

/// Keys on a token, by `CKA_LABEL`. Nothing is asked of the token before a key is.
///
/// A PIN that the token refused is never offered again, so that a service that starts over and over, or a signer that is
/// called over and over, uses up one try an instance and not all of them.
pub struct TokenKeystore<C: Cryptoki>(pub(crate) Arc<Shared<C>>);

pub(crate) struct Shared<C: Cryptoki>(Mutex<Connection<C>>);

impl<C: Cryptoki> Shared<C> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Cryptoki> TokenKeystore<C> {
    /// Uses this library as the configuration says.
    pub fn new(library: C, config: Config) -> TokenKeystore<C> {
        TokenKeystore(Arc::new(Shared(Mutex::new(Connection::new(library, config)))))
    }

    /// The signing key with this label.
    pub fn signing_key(&self, label: &str) -> Result<TokenSigner<C>, TokenError> {
        let mut connection = self.configured(label)?;
        let (handle, public) = connection.with(|session| keys::find_signing(session, label))?;
        let place = Mutex::new(Place { epoch: connection.connect()?, handle });
        Ok(TokenSigner { shared: Arc::clone(&self.0), label: label.into(), public, place })
    }

    /// The key of the keyed suite with this label.
    pub fn mac_key(&self, label: &str) -> Result<TokenMac<C>, TokenError> {
        let mut connection = self.configured(label)?;
        let handle = connection.with(|session| keys::find_mac(session, label))?;
        let place = Mutex::new(Place { epoch: connection.connect()?, handle });
        Ok(TokenMac { shared: Arc::clone(&self.0), label: label.into(), place })
    }

    /// The wrapping key with this label.
    pub fn wrapping_key(&self, label: &str) -> Result<TokenWrappingKey<C>, TokenError> {
        let mut connection = self.configured(label)?;
        let (handle, algorithm) = connection.with(|session| wrapping::find(session, label))?;
        algorithm.check_among(&connection.mechanisms(connection.slot()?)?)?;
        let place = Mutex::new(Place { epoch: connection.connect()?, handle });
        Ok(TokenWrappingKey { shared: Arc::clone(&self.0), label: label.into(), algorithm, place })
    }

    /// The connection, unless nobody configured one: then there is no key, and the answer says what to set.
    pub(crate) fn configured(&self, label: &str) -> Result<MutexGuard<'_, Connection<C>>, TokenError> {
        let connection = self.0.lock();
        match connection.config() {
            Config { pin: None, label: None, .. } => Err(TokenError::NotConfigured { label: label.into() }),
            _ => Ok(connection),
        }
    }
}

impl<C: Cryptoki<Session: Send> + Send + 'static> Keystore for TokenKeystore<C> {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        Ok(Box::new(self.signing_key(label)?))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        Ok(Box::new(self.mac_key(label)?))
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        Ok(Box::new(TokenKeystore::wrapping_key(self, label)?))
    }
}

impl<C: Cryptoki> fmt::Debug for TokenKeystore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeystore(..)")
    }
}

/// Where a key is: a handle means something in one session only.
#[derive(Clone, Copy)]
struct Place {
    epoch: u64,
    handle: ObjectHandle,
}

/// Uses a key with the session that there is now. After the session was lost, the key is looked for again.
fn with_key<C: Cryptoki, T>(
    shared: &Shared<C>,
    place: &Mutex<Place>,
    find: impl FnOnce(&C::Session) -> Result<ObjectHandle, TokenError>,
    act: impl FnOnce(&C::Session, ObjectHandle) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    let mut connection = shared.lock();
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let epoch = connection.connect()?;
    if place.epoch != epoch {
        *place = Place { epoch, handle: connection.with(find)? };
    }
    connection.with(|session| act(session, place.handle))
}

/// A signing key that stays on its token.
pub struct TokenSigner<C: Cryptoki> {
    shared: Arc<Shared<C>>,
    label: String,
    public: PublicKey,
    place: Mutex<Place>,
}

impl<C: Cryptoki> TokenSigner<C> {
    /// Signs, with an error that says what went wrong with the token.
    pub fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let find = |session: &C::Session| {
            let (handle, public) = keys::find_signing(session, &self.label)?;
            if public != self.public {
                return Err(TokenError::OtherKey { label: self.label.clone() });
            }
            Ok(handle)
        };
        with_key(&self.shared, &self.place, find, |session, handle| {
            keys::sign(session, &self.label, handle, self.public.algorithm(), message)
        })
    }
}

impl<C: Cryptoki> CheckpointSigner for TokenSigner<C> {
    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn public_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.sign_message(message)?)
    }
}

/// A key of the keyed suite that stays on its token.
pub struct TokenMac<C: Cryptoki> {
    shared: Arc<Shared<C>>,
    label: String,
    place: Mutex<Place>,
}

impl<C: Cryptoki> TokenMac<C> {
    /// HMAC-SHA-256, with an error that says what went wrong with the token.
    pub fn compute(&self, message: &[u8]) -> Result<[u8; 32], TokenError> {
        let find = |session: &C::Session| keys::find_mac(session, &self.label);
        with_key(&self.shared, &self.place, find, |session, handle| keys::mac(session, &self.label, handle, message))
    }
}

impl<C: Cryptoki> MacKey for TokenMac<C> {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        Ok(self.compute(message)?)
    }
}

/// A wrapping key that stays on its token.
pub struct TokenWrappingKey<C: Cryptoki> {
    shared: Arc<Shared<C>>,
    label: String,
    algorithm: WrappingAlgorithm,
    place: Mutex<Place>,
}

impl<C: Cryptoki> TokenWrappingKey<C> {
    /// How it wraps.
    pub fn algorithm(&self) -> WrappingAlgorithm {
        self.algorithm
    }

    /// Wraps 1 to 512 bytes, bound to the associated data where the algorithm binds any.
    pub fn wrap(&self, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.with(|session, key| wrapping::wrap(session, &self.label, key, plaintext, associated_data))
    }

    /// Gives back what [`wrap`](TokenWrappingKey::wrap) wrapped with this key and this associated data.
    pub fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrappedKeyError> {
        self.with(|session, key| wrapping::unwrap(session, &self.label, key, wrapped, associated_data))?
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&C::Session, (ObjectHandle, WrappingAlgorithm)) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let find = |session: &C::Session| match wrapping::find(session, &self.label)? {
            (handle, algorithm) if algorithm == self.algorithm => Ok(handle),
            _ => Err(TokenError::OtherKey { label: self.label.clone() }),
        };
        with_key(&self.shared, &self.place, find, |session, handle| act(session, (handle, self.algorithm)))
    }
}

impl<C: Cryptoki> WrappingKey for TokenWrappingKey<C> {
    fn algorithm(&self) -> WrapAlgorithm {
        match self.algorithm {
            WrappingAlgorithm::AesKwp => WrapAlgorithm::AesKwp,
            WrappingAlgorithm::AesGcm => WrapAlgorithm::AesGcm,
        }
    }

    fn wrap(&self, key: &[u8], associated_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(TokenWrappingKey::wrap(self, key, associated_data)?)
    }

    fn unwrap(&self, wrapped: &[u8], associated_data: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        TokenWrappingKey::unwrap(self, wrapped, associated_data).map_err(|error| match error {
            WrappedKeyError::NotAuthentic => UnwrapError::NotAuthentic,
            WrappedKeyError::Token(error) => UnwrapError::Key(error.into()),
        })
    }
}
