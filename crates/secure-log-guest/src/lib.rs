//! What the components around the log's `store` and `anchor` interfaces and its keystores share: bindings, conversions, and
//! nothing else.
//!
//! **In scope**: [`StoreProvider`] and [`export_store!`], with which a store of any crate becomes a component in a few
//! lines; [`ImportedStore`], with which a component uses whatever store it was composed with; the same for anchors,
//! [`AnchorProvider`], [`export_anchor!`] and [`ImportedAnchor`]; [`ImportedKeystore`]; [`packed`], bytes as they cross fastest.
//! **Out of scope**: logic. A store's is in its own crate, and so is an anchor's; the log's is in `secure_log`.
//!
//! `wit/store.wit` is the contract that both sides follow.
//!
//! ```
//! use secure_log::memory::MemoryStore;
//! use secure_log::store::{SecureLogStore, StoreError};
//! use secure_log_guest::StoreProvider;
//!
//! struct Memory;
//!
//! impl StoreProvider for Memory {
//!     fn open(_config: &str) -> Result<Box<dyn SecureLogStore>, StoreError> {
//!         Ok(Box::new(MemoryStore::new()))
//!     }
//! }
//!
//! secure_log_guest::export_store!(Memory);
//! ```

#[macro_use]
mod convert;
pub mod anchor;
pub mod imported;
pub mod keystore;
pub mod packed;
pub mod provided;

pub use anchor::{AnchorProvider, ImportedAnchor, ServedAnchor};
pub use imported::ImportedStore;
pub use keystore::ImportedKeystore;
pub use provided::{Served, StoreProvider};

/// Makes a component's exports of the store that this [`StoreProvider`] opens.
#[macro_export]
macro_rules! export_store {
    ($provider:ty) => {
        #[doc(hidden)]
        type ServedStore = $crate::Served<$provider>;
        $crate::provided::bindings::export!(ServedStore with_types_in $crate::provided::bindings);
    };
}

/// Makes a component's exports of the anchor that this [`AnchorProvider`] configures.
#[macro_export]
macro_rules! export_anchor {
    ($provider:ty) => {
        #[doc(hidden)]
        type ServedAnchor = $crate::ServedAnchor<$provider>;
        $crate::anchor::provided_bindings::export!(ServedAnchor with_types_in $crate::anchor::provided_bindings);
    };
}
