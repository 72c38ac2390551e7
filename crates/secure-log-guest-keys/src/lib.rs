//! What the keystore components share: how the errors of keys cross into wit/keys, and nothing else.
//!
//! **In scope**: [`convert_key_error!`], for whatever the generator of a component's bindings made of the errors of
//! `keys:keystore`.
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
pub use secure_log::providers::KeyError;

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
