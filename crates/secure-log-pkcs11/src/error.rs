//! Why a key of a token cannot be used.

use std::fmt;

use secure_log::providers::KeyError;

use crate::config::{LABEL, PIN, SO_PIN};
use crate::rv::Rv;

/// Why a key of a token cannot be used. No text of it holds a PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// Neither a PIN nor a token is configured.
    NotConfigured {
        /// The label of the key.
        label: String,
    },
    /// A token is configured and no PIN.
    NoPin,
    /// What the security officer alone does needs that one's PIN.
    NoSoPin,
    /// The token does not take the PIN. It is not tried again: tries are few.
    WrongPin,
    /// The token does not take the PIN of the security officer, which is not tried again either.
    WrongSoPin,
    /// Wrong PINs, or whoever may, have locked it.
    PinLocked,
    /// Wrong PINs have locked that of the security officer. Nobody can set it anew.
    SoPinLocked,
    /// The token does not take this for a new PIN.
    NewPinRefused {
        /// What it answered.
        rv: Rv,
        /// The fewest bytes that it takes.
        min: u64,
        /// The most.
        max: u64,
    },
    /// The token has no user yet.
    PinNotSet,
    /// The library has no token that is initialized.
    NoToken,
    /// It has tokens, and none of this label.
    NoSuchToken {
        /// The label that was asked for.
        label: String,
    },
    /// It has several, and none or one label for more than one was asked for.
    SeveralTokens,
    /// The token, or the session with it, is gone.
    TokenRemoved(Rv),
    /// The token has no key of this label.
    NoSuchKey {
        /// The label of the key.
        label: String,
    },
    /// The token has a key of this label already.
    KeyExists {
        /// The label of the key.
        label: String,
    },
    /// Several keys of one kind have this label.
    SeveralKeys {
        /// The label of the keys.
        label: String,
    },
    /// The key may not do this.
    NotPermitted {
        /// The label of the key.
        label: String,
        /// What it may not do, such as `sign`.
        what: &'static str,
    },
    /// The private key is there and its public key is not.
    NoPublicKey {
        /// The label of the key.
        label: String,
    },
    /// The key is of a kind that is not used here.
    UnsupportedKey {
        /// The label of the key.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token cannot do what is needed.
    UnsupportedMechanism(&'static str),
    /// The label of a key that is to be made cannot be one.
    BadLabel(String),
    /// After the session was lost, another key has the label.
    OtherKey {
        /// The label of the key.
        label: String,
    },
    /// What is to be wrapped is empty or too long to be a key.
    BadKeyMaterial {
        /// How long it is.
        bytes: usize,
    },
    /// The token answered something that cannot be.
    BadAnswer(&'static str),
    /// A call failed for another reason.
    Failed {
        /// The call, by the name of the standard.
        call: &'static str,
        /// What it came to.
        rv: Rv,
    },
}

impl TokenError {
    /// What a failed call means. Codes that have a meaning by themselves have a case of their own.
    pub(crate) fn of_call(call: &'static str, rv: Rv) -> TokenError {
        match rv {
            Rv::PinIncorrect => TokenError::WrongPin,
            Rv::PinLocked => TokenError::PinLocked,
            Rv::UserPinNotInitialized => TokenError::PinNotSet,
            Rv::DeviceRemoved
            | Rv::TokenNotPresent
            | Rv::TokenNotRecognized
            | Rv::SessionHandleInvalid
            | Rv::SessionClosed
            | Rv::UserNotLoggedIn => TokenError::TokenRemoved(rv),
            rv => TokenError::Failed { call, rv },
        }
    }
}

impl fmt::Display for TokenError {
    /// Labels are quoted, with everything escaped that could deceive a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::NotConfigured { label } => {
                if !label.is_empty() {
                    write!(f, "{label:?}: ")?;
                }
                write!(f, "no token is configured: set {PIN}, and {LABEL} where there are several tokens")
            }
            TokenError::NoPin => write!(f, "the token needs a PIN: set {PIN}"),
            TokenError::WrongPin => {
                write!(f, "the token does not take the PIN of {PIN}; it is not tried again, since tries are few")
            }
            TokenError::NoSoPin => write!(f, "only the security officer does that: set {SO_PIN}"),
            TokenError::WrongSoPin => {
                write!(f, "the token does not take the PIN of {SO_PIN}; it is not tried again, since tries are few")
            }
            TokenError::SoPinLocked => f.write_str("the security officer's PIN is locked, and nobody can set it anew"),
            TokenError::NewPinRefused { rv, min, max } => {
                write!(f, "the token does not take this for a new PIN ({rv}): {min} to {max} bytes")
            }
            TokenError::PinLocked => f.write_str("the PIN is locked: the security officer sets a new one"),
            TokenError::PinNotSet => f.write_str("the token has no user PIN yet: the security officer sets one"),
            TokenError::NoToken => {
                write!(f, "no token is initialized: initialize one, or set {SO_PIN} while its first key is made")
            }
            TokenError::NoSuchToken { label } => write!(f, "no token has the label {label:?} that {LABEL} names"),
            TokenError::SeveralTokens => write!(f, "there are several tokens: set {LABEL} to the label of one"),
            TokenError::TokenRemoved(rv) => write!(f, "the token or the session with it is gone ({rv})"),
            TokenError::NoSuchKey { label } => write!(f, "{label:?}: the token has no key with this label"),
            TokenError::KeyExists { label } => write!(f, "{label:?}: the token has a key with this label"),
            TokenError::SeveralKeys { label } => {
                write!(f, "{label:?}: several keys of the token have this label: rename or destroy all but one")
            }
            TokenError::NotPermitted { label, what } => write!(f, "{label:?}: this key may not {what}"),
            TokenError::NoPublicKey { label } => {
                write!(f, "{label:?}: the token has the private key and no public key with this label")
            }
            TokenError::UnsupportedKey { label, reason } => write!(f, "{label:?}: {reason}"),
            TokenError::UnsupportedMechanism(name) => write!(f, "the token has no {name}"),
            TokenError::BadLabel(reason) => f.write_str(reason),
            TokenError::OtherKey { label } => {
                write!(f, "{label:?}: the session was lost, and another key has this label now: open the log again")
            }
            TokenError::BadKeyMaterial { bytes } => {
                write!(f, "{bytes} bytes are no key to be wrapped: 1 to 512")
            }
            TokenError::BadAnswer(what) => write!(f, "the token answered {what}"),
            TokenError::Failed { call, rv } => write!(f, "{call}: {rv}"),
        }
    }
}

impl std::error::Error for TokenError {}

impl From<TokenError> for KeyError {
    fn from(error: TokenError) -> KeyError {
        let text = error.to_string();
        match error {
            TokenError::NotConfigured { .. } | TokenError::NoSuchKey { .. } => KeyError::NotFound(text),
            TokenError::NoPin
            | TokenError::NoSoPin
            | TokenError::WrongPin
            | TokenError::WrongSoPin
            | TokenError::SoPinLocked
            | TokenError::PinLocked
            | TokenError::PinNotSet
            | TokenError::NotPermitted { .. }
            | TokenError::OtherKey { .. } => KeyError::AccessDenied(text),
            TokenError::UnsupportedKey { .. } | TokenError::UnsupportedMechanism(_) => {
                KeyError::UnsupportedAlgorithm(text)
            }
            _ => KeyError::Backend(text),
        }
    }
}
