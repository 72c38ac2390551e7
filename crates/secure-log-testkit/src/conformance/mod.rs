//! What every provider has to do, whoever wrote it and whatever it keeps its state in.
//!
//! Each check is a function that panics where the provider breaks the contract. The macros make a test of each; a
//! harness that has no tests of its own goes through [`stores::all`], [`anchors::all`] or [`tokens::all`].

pub mod anchors;
pub mod signers;
pub mod stores;
pub mod tokens;
