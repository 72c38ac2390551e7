//! What the soft token promises: one program, as each would have what it needs compiled anew.

mod conformance;
mod damage;
mod softhsm;
mod wycheproof;
