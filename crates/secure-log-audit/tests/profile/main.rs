//! The profile over a store that a test can look into.

mod guarding;
mod interface;
mod interleaved;
mod page;
mod place;
mod recording;
mod rotation;
mod salts;
mod suites;
mod tampering;
mod trail;
