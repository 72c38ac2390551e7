//! A PKCS#11 token in software: keys in encrypted files of one folder, used under a PIN and never given out.
//!
//! **In scope:** the token behind `secure_log_pkcs11::Cryptoki` ([`SoftToken`]): PINs and the tries that they have, objects,
//! signatures, MACs and key wrapping, durable writes, several instances on one folder. docs/pkcs11.md says what it
//! promises and what a folder of files cannot promise.
//! **Out of scope:** which key is used for what (the keystore of `secure-log-pkcs11`), and protection against whoever can
//! read the memory of the process: that takes a token of hardware.
//!
//! ```
//! use secure_log_disk::OsDisk;
//! use secure_log_pkcs11::{Config, NewKey, Pin, TokenKeystore};
//! use secure_log_token::SoftToken;
//!
//! let folder = tempfile::tempdir()?;
//! let token = SoftToken::new(OsDisk, folder.path().join("token"));
//! let pin = |text: &str| Some(Pin::new(text.into()));
//! let config = Config { pin: pin("a PIN of the user"), so_pin: pin("a PIN of the officer"), label: None };
//! let keystore = TokenKeystore::new(token, config);
//! let key = keystore.generate("checkpoint-ed25519", NewKey::Signing(secure_log::sign::Algorithm::Ed25519))?;
//! println!("{:?}", key.verifier_key);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod attempts;
mod folder;
mod header;
mod key;
mod object;
mod pins;
mod session;
mod state;
mod template;
mod token;

pub use attempts::RETRY_LIMIT;
pub use pins::{Cost, MAX_PIN_BYTES, MIN_PIN_BYTES};
pub use session::SoftSession;
pub use token::{Options, SoftToken};
