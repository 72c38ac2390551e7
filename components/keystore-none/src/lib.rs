//! Keyed hashing and key wrapping that answer unsupported.
