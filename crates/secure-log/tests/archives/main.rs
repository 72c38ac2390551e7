//! Archives: logs that were closed, and those that continue them (docs/archives.md).

#[path = "../support/mod.rs"]
mod support;
#[path = "../world/mod.rs"]
mod world;

mod attacks;
mod closing;
mod continuing;
mod keys;
