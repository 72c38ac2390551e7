//! The keystore: keys by label, used through one session.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey};
use secure_log::sign::{Algorithm, PublicKey};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::connection::Connection;
use crate::cryptoki::{AttributeType, Cryptoki, ObjectHandle};
use crate::error::TokenError;
use crate::keys::{self, WrappedKeyError};

const MAC_USES: &[(AttributeType, &str)] = &[(AttributeType::Sign, "compute MACs")];
const WRAPPING_USES: &[(AttributeType, &str)] = &[(AttributeType::Wrap, "wrap"), (AttributeType::Unwrap, "unwrap")];

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
        let place = self.secret(label, MAC_USES)?;
        Ok(TokenMac { shared: Arc::clone(&self.0), label: label.into(), place })
    }

    /// The wrapping key with this label.
    pub fn wrapping_key(&self, label: &str) -> Result<TokenWrappingKey<C>, TokenError> {
        let place = self.secret(label, WRAPPING_USES)?;
        let connection = self.0.lock();
        let mechanisms = connection.library().mechanism_list(connection.slot()?);
        keys::can_wrap(&mechanisms.map_err(|rv| TokenError::of_call("C_GetMechanismList", rv))?)?;
        Ok(TokenWrappingKey { shared: Arc::clone(&self.0), label: label.into(), place })
    }

    fn secret(&self, label: &str, uses: &[(AttributeType, &'static str)]) -> Result<Mutex<Place>, TokenError> {
        let mut connection = self.configured(label)?;
        let handle = connection.with(|session| keys::find_secret(session, label, uses))?;
        Ok(Mutex::new(Place { epoch: connection.connect()?, handle }))
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
        let find = |session: &C::Session| keys::find_secret(session, &self.label, MAC_USES);
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
    place: Mutex<Place>,
}

impl<C: Cryptoki> TokenWrappingKey<C> {
    /// The algorithm's name in `dek` lines (format.md s.8). It binds no associated data.
    pub const ALGORITHM: &'static str = "aes-kwp";

    /// Wraps 1 to 512 bytes.
    pub fn wrap(&self, plaintext: &[u8]) -> Result<Vec<u8>, TokenError> {
        with_key(
            &self.shared,
            &self.place,
            |session| self.find(session),
            |session, handle| keys::wrap(session, &self.label, handle, plaintext),
        )
    }

    /// Gives back what [`wrap`](TokenWrappingKey::wrap) wrapped with this key.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrappedKeyError> {
        with_key(
            &self.shared,
            &self.place,
            |session| self.find(session),
            |session, handle| keys::unwrap(session, &self.label, handle, wrapped),
        )?
    }

    fn find(&self, session: &C::Session) -> Result<ObjectHandle, TokenError> {
        keys::find_secret(session, &self.label, WRAPPING_USES)
    }
}
