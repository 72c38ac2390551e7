//! What the keystore in a folder promises: one program, as each would have what it needs compiled anew.

mod common;
mod keys;
mod manage;
mod wycheproof;
