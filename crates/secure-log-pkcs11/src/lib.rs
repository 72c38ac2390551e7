//! Keys on PKCS#11 tokens: who holds a PIN uses them, and nobody sees them.
//!
//! **In scope:** the interface of tokens as a trait ([`Cryptoki`] and [`Session`], the same as wit/pkcs11), a keystore
//! over any such token ([`TokenKeystore`]: format.md s.3, s.5 and s.8, docs/pkcs11.md), and with the feature `cryptoki`
//! a token behind a module of the host (`Module`).
//! **Out of scope:** a token itself (`secure-log-token` is one in software), which key signs what (the engine), and which
//! keys are trusted (the trust policy). Verifying needs no token.
//!
//! ```
//! use secure_log::providers::Keystore;
//! use secure_log_pkcs11::{Config, Cryptoki, TokenKeystore};
//!
//! /// Signs with a key of whatever token the library has.
//! fn signed<C: Cryptoki<Session: Send> + Send + 'static>(library: C) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//!     let keystore = TokenKeystore::new(library, Config::from_env(|name| std::env::var(name))?);
//!     Ok(keystore.signer("checkpoint-ed25519")?.sign(b"a message")?)
//! }
//! ```
#![forbid(unsafe_code)]

mod config;
mod connection;
mod cryptoki;
mod error;
mod keys;
mod keystore;
mod manage;
#[cfg(feature = "cryptoki")]
mod module;
mod pin;
mod pins;
mod public_key;
mod rv;
mod wit;
mod wrapping;

pub use config::{Config, ConfigError, LABEL, PIN, SO_PIN};
pub use cryptoki::{
    Attribute, AttributeType, Cryptoki, ED25519_PARAMS, GcmParams, KeyType, Mechanism, MechanismType, ObjectClass,
    ObjectHandle, P256_PARAMS, Session, SlotId, SlotInfo, TokenFlags, TokenInfo, UserType,
};
pub use error::TokenError;
pub use keys::NewKey;
pub use keystore::{TokenKeystore, TokenMac, TokenSigner, TokenWrappingKey};
pub use manage::KeyDescription;
#[cfg(feature = "cryptoki")]
pub use module::{LoadError, Module, ModuleSession};
pub use pin::Pin;
pub use rv::Rv;
pub use wrapping::{WrappedKeyError, WrappingAlgorithm};
