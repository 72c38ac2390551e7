//! The profile over a store that a test can look into.

mod guarding;
mod interleaved;
mod page;
mod place;
mod recording;
mod suites;
mod tampering;
mod trail;
