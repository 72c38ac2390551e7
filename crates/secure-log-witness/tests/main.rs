//! What witnesses and their clients promise: one program, as each would have the library compiled anew.

mod answers;
mod client;
mod crash;
mod support;
mod vectors_public;
