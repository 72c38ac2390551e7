//! What the components on both sides of wit/keys share: how keys and their errors cross, and nothing else.
//!
//! **In scope**: [`convert_key_error!`] for keystores, for whatever the generator of a component's bindings made of the errors of
//! `keys:keystore`; [`import_signer!`] for whoever signs with a keystore that it was composed with.
//! **Out of scope**: keys (`secure-log-keystore`, `secure-log-pkcs11`), and bindings, of which each component has its own:
//! what a component exports, only its own bindings say.
//!
//! ```
//! use secure_log::providers::KeyError;
//!
//! /// As a generator makes it of `keys:keystore/mac`.
//! #[derive(Debug, PartialEq)]
//! enum MacError {
//!     KeyNotFound(String),
//!     Unsupported,
//!     AccessDenied(String),
//!     Backend(String),
//! }
//!
//! secure_log_guest_keys::convert_key_error!(MacError, Backend);
//!
//! assert_eq!(MacError::from(KeyError::AccessDenied("why".into())), MacError::AccessDenied("why".into()));
//! assert_eq!(MacError::from(KeyError::UnsupportedAlgorithm("what".into())), MacError::Backend("what".into()));
//! ```
#![forbid(unsafe_code)]

#[doc(hidden)]
pub use secure_log::{
    providers::{CheckpointSigner, KeyError},
    sign::Algorithm,
};

/// Makes an error of `keys:keystore` out of a [`KeyError`](secure_log::providers::KeyError), case by case. They have the
/// same cases but for a key of an unsupported algorithm, so that its case is named: only signing keys can be such.
#[macro_export]
macro_rules! convert_key_error {
    ($error:ty, $unsupported_algorithm:ident) => {
        impl From<$crate::KeyError> for $error {
            fn from(error: $crate::KeyError) -> $error {
                match error {
                    $crate::KeyError::NotFound(detail) => <$error>::KeyNotFound(detail),
                    $crate::KeyError::UnsupportedAlgorithm(detail) => <$error>::$unsupported_algorithm(detail),
                    $crate::KeyError::AccessDenied(detail) => <$error>::AccessDenied(detail),
                    $crate::KeyError::Backend(detail) => <$error>::Backend(detail),
                    other => <$error>::Backend(other.to_string()),
                }
            }
        }
    };
}

/// Makes `imported_signer(label)`, which answers a key of the imported keystore, out of a component's bindings of
/// `keys:keystore/signer`.
///
/// ```
/// /// As a generator makes it of `keys:keystore/signer`, of a keystore with one key.
/// mod signer {
///     pub enum Error {
///         KeyNotFound(String),
///         UnsupportedAlgorithm(String),
///         AccessDenied(String),
///         Backend(String),
///     }
///     pub struct Key;
///     pub fn get_key(label: &str) -> Result<Key, Error> {
///         if label == "one" { Ok(Key) } else { Err(Error::KeyNotFound(label.into())) }
///     }
///     impl Key {
///         pub fn algorithm(&self) -> String {
///             "ed25519".into()
///         }
///         pub fn public_key(&self) -> Vec<u8> {
///             vec![1; 32]
///         }
///         pub fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> {
///             Err(Error::AccessDenied("locked".into()))
///         }
///     }
/// }
///
/// use secure_log::providers::KeyError;
///
/// secure_log_guest_keys::import_signer!(signer);
///
/// let key = imported_signer("one").unwrap();
/// assert_eq!((key.algorithm().as_str(), key.public_key()), ("ed25519", &[1; 32][..]));
/// assert_eq!(key.sign(b"message"), Err(KeyError::AccessDenied("locked".into())));
/// assert!(matches!(imported_signer("two"), Err(KeyError::NotFound(label)) if label == "two"));
/// ```
#[macro_export]
macro_rules! import_signer {
    ($($signer:ident)::+) => {
        /// The key of the imported keystore with this label.
        fn imported_signer(
            label: &str,
        ) -> Result<Box<dyn $crate::CheckpointSigner + Send>, $crate::KeyError> {
            struct Imported {
                key: $($signer)::+::Key,
                algorithm: $crate::Algorithm,
                public_key: Vec<u8>,
            }

            impl $crate::CheckpointSigner for Imported {
                fn algorithm(&self) -> $crate::Algorithm {
                    self.algorithm
                }

                fn public_key(&self) -> &[u8] {
                    &self.public_key
                }

                fn sign(&self, message: &[u8]) -> Result<Vec<u8>, $crate::KeyError> {
                    self.key.sign(message).map_err(key_error)
                }
            }

            fn key_error(error: $($signer)::+::Error) -> $crate::KeyError {
                match error {
                    $($signer)::+::Error::KeyNotFound(detail) => $crate::KeyError::NotFound(detail),
                    $($signer)::+::Error::UnsupportedAlgorithm(detail) => $crate::KeyError::UnsupportedAlgorithm(detail),
                    $($signer)::+::Error::AccessDenied(detail) => $crate::KeyError::AccessDenied(detail),
                    $($signer)::+::Error::Backend(detail) => $crate::KeyError::Backend(detail),
                }
            }

            let key = $($signer)::+::get_key(label).map_err(key_error)?;
            let (named, public_key) = (key.algorithm(), key.public_key());
            let algorithm = $crate::Algorithm::from_name(&named).ok_or_else(|| {
                $crate::KeyError::UnsupportedAlgorithm(format!("'{label}' signs with {named:?}"))
            })?;
            Ok(Box::new(Imported { key, algorithm, public_key }))
        }
    };
}
