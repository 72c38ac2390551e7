//! Bindings and conversions shared by the store components of secure-log.
