//! Archives: logs that were closed, and those that continue them (docs/archives.md).

mod attacks;
mod closing;
mod continuing;
mod keys;
