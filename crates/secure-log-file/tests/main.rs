//! What the store in a file promises: one program, as each would have the engine compiled anew.

mod answers;
mod archive;
mod attacks;
mod common;
mod conformance;
mod crash;
mod later;
mod meanwhile;
mod paging;
mod pruning;
mod query;
mod review;
mod sealed;
mod search;
mod stream;
mod tail;
mod torn;
