//! The suite of every anchor, over the anchor component that this one is composed with.
//!
//! Built for wasm32-wasip2 and run by scripts/test-anchors.sh. Without an argument it prints how many checks there are; with
//! the number of one it does that check, which wants a fresh anchor.

use secure_log_guest::ImportedAnchor;
use secure_log_testkit::conformance::anchors;

fn main() {
    if cfg!(not(target_family = "wasm")) {
        eprintln!("NOT RUN: there is no anchor to import; build this for wasm32-wasip2, see scripts/test-anchors.sh");
        std::process::exit(1);
    }
    let checks = anchors::all::<ImportedAnchor, fn() -> ImportedAnchor>();
    let Some(number) = std::env::args().nth(1) else {
        println!("{}", checks.len());
        return;
    };
    let (name, check) = checks[number.parse::<usize>().expect("the argument is a number")];
    let mut open: fn() -> ImportedAnchor = || ImportedAnchor;
    check(&mut open);
    println!("{name}");
}
