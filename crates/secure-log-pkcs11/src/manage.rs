//! Making, listing and showing the keys of a token: for operators.

use std::collections::BTreeSet;

use secure_log::hash::KeyId;
use secure_log::note::{VerifierKey, is_key_name};
use secure_log::sign::PublicKey;

use crate::TokenKeystore;
use crate::connection::{Connection, attributes, find_one, value_of};
use crate::cryptoki::{Attribute, AttributeType, Cryptoki, ObjectClass, Session as _, SlotId};
use crate::error::TokenError;
use crate::keys::{self, NewKey};
use crate::pins::of_new_pin;

/// A key, as far as the token shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDescription {
    /// Its label.
    pub label: String,
    /// Its public key; absent for secret keys.
    pub public_key: Option<PublicKey>,
    /// The text that a verifier trusts (format.md s.6), under the name that was asked for; absent for secret keys.
    pub verifier_key: Option<String>,
    /// The public name for keyed hashing (format.md s.3); absent for others.
    pub key_id: Option<KeyId>,
}

impl<C: Cryptoki> TokenKeystore<C> {
    /// Makes a key, which never leaves the token. Where the library has one token that is not initialized, and both PINs
    /// are configured, that is done first: so a token begins with its first key.
    pub fn generate(&self, label: &str, kind: NewKey) -> Result<KeyDescription, TokenError> {
        check_label(label)?;
        let mut connection = self.configured(label)?;
        let slot = match connection.slot() {
            Err(TokenError::NoToken) if connection.config().so_pin.is_some() => initialize(&mut connection)?,
            found => found?,
        };
        if let NewKey::Wrapping(algorithm) = kind {
            // A key that nothing can be done with is none.
            algorithm.check_among(&connection.mechanisms(slot)?)?;
        }
        let session = connection.open_read_write(slot)?;
        keys::generate(&session, label, kind)?;
        drop(session);
        drop(connection);
        self.describe(label, label)
    }

    /// The labels of all keys, sorted.
    pub fn list(&self) -> Result<Vec<String>, TokenError> {
        let mut connection = self.configured("")?;
        connection.with(|session| {
            let mut labels = BTreeSet::new();
            for class in [ObjectClass::PrivateKey, ObjectClass::SecretKey] {
                let found = session.find_objects(&[Attribute::Class(class)]);
                for object in found.map_err(|rv| TokenError::of_call("C_FindObjects", rv))? {
                    labels.extend(value_of!(attributes(session, object, &[AttributeType::Label])?, Label));
                }
            }
            Ok(labels.into_iter().collect())
        })
    }

    /// One key. Its verifier key is named `name`: an origin or an identity.
    pub fn describe(&self, label: &str, name: &str) -> Result<KeyDescription, TokenError> {
        check_name(name)?;
        let mut connection = self.configured(label)?;
        connection.with(|session| {
            let empty = KeyDescription { label: label.into(), public_key: None, verifier_key: None, key_id: None };
            let private = find_one(session, ObjectClass::PrivateKey, label, &[])?;
            let secret = find_one(session, ObjectClass::SecretKey, label, &[])?;
            if let (None, Some(key)) = (private, secret) {
                let may_sign = value_of!(attributes(session, key, &[AttributeType::Sign])?, Sign) == Some(true);
                let mac = may_sign.then(|| keys::mac(session, label, key, KeyId::LABEL)).transpose()?;
                return Ok(KeyDescription { key_id: mac.map(|mac| KeyId::from_mac(&mac)), ..empty });
            }
            let (_, public) = keys::find_signing(session, label)?;
            let verifier_key = VerifierKey::new(name, public.algorithm(), public.as_bytes())
                .map_err(|error| TokenError::UnsupportedKey { label: label.into(), reason: error.to_string() })?;
            Ok(KeyDescription { public_key: Some(public), verifier_key: Some(verifier_key.to_string()), ..empty })
        })
    }
}

/// Initializes the one token that is not, and gives it its user.
fn initialize<C: Cryptoki>(connection: &mut Connection<C>) -> Result<SlotId, TokenError> {
    let config = connection.config();
    let so_pin = config.so_pin.as_ref().ok_or(TokenError::NoSoPin)?;
    let pin = config.pin.as_ref().ok_or(TokenError::NoPin)?.clone();
    let slots = connection.slots()?;
    let slot = *slots.first().ok_or(TokenError::NoToken)?;
    let label = config.label.as_deref().unwrap_or("secure-log");
    let made = connection.library().init_token(slot, so_pin, label);
    made.map_err(|rv| of_new_pin(connection, slot, "C_InitToken", rv))?;
    // A library may give the token another slot now.
    let slot = connection.slot()?;
    let answer = connection.as_officer(slot, |session, _| session.init_pin(&pin))?;
    answer.map_err(|rv| of_new_pin(connection, slot, "C_InitPIN", rv))?;
    Ok(slot)
}

fn check_label(label: &str) -> Result<(), TokenError> {
    const MAX_LABEL_BYTES: usize = 250;
    if label.len() > MAX_LABEL_BYTES {
        return Err(TokenError::BadLabel(format!("a label of {} bytes is too long: at most 250", label.len())));
    }
    check_name(label)
}

fn check_name(name: &str) -> Result<(), TokenError> {
    if is_key_name(name) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(TokenError::BadLabel(format!("{name:?} is no name: not empty, and no space, control character or '+'")))
}
