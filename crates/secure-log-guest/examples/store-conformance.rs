//! The suite of every store, over the store component that this one is composed with.
//!
//! Built for wasm32-wasip2 and run by scripts/test-stores.sh. The config of each check's store is the name of a file,
//! for stores that keep files, or else the argument. A store that has one log for ever is given to one check alone, whose name
//! is the second argument; `names` prints the names.

use secure_log_guest::ImportedStore;
use secure_log_testkit::conformance::stores;

type Open = Box<dyn FnMut() -> ImportedStore>;

fn main() {
    if cfg!(not(target_family = "wasm")) {
        eprintln!("NOT RUN: there is no store to import; build this for wasm32-wasip2, see scripts/test-stores.sh");
        std::process::exit(1);
    }
    let mut checks = stores::all::<ImportedStore, Open>();
    let mut arguments = std::env::args().skip(1);
    let (config, only) = (arguments.next(), arguments.next());
    if config.as_deref() == Some("names") {
        return checks.iter().for_each(|(name, _)| println!("{name}"));
    }
    if let Some(only) = only {
        checks.retain(|(name, _)| *name == only);
        assert!(!checks.is_empty(), "there is no check {only}");
    }
    let number = checks.len();
    for (name, check) in checks {
        println!("{name}");
        let config = config.clone().unwrap_or_else(|| format!("{name}.log"));
        // What is in memory is reopened by the same config, so that each check begins with another one. A store to which this
        // names nothing keeps nothing in memory.
        let _ = ImportedStore::open("before");
        let mut open: Open = Box::new(move || ImportedStore::open(&config).expect("the store opens"));
        check(&mut open);
    }
    println!("{number} checks passed");
}
