//! What the store in SQLite promises: one program, as each would have the engine compiled anew.

mod archive;
mod attacks;
mod component;
mod conformance;
mod crash;
mod damage;
mod meanwhile;
mod openings;
mod over_engine;
mod paging;
mod pruning;
mod query;
mod review;
mod sealed;
mod support;
mod tail;
mod writers;
