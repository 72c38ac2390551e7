//! The suite of every token over SoftHSM2, loaded as a module: what the soft token is held against.

use std::path::Path;

use secure_log_pkcs11::{Cryptoki as _, Module, Pin, Session as _, UserType};
use secure_log_testkit::alone;
use secure_log_testkit::conformance::tokens::{self, Habits, SO_PIN, Token, USER_PIN};

/// Where Debian and others put it.
const PLACES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

fn module() -> Option<&'static Path> {
    PLACES.iter().map(Path::new).find(|path| path.exists())
}

/// SoftHSM reads where its tokens are from a file that a variable names, so that the suite runs in a process of its own.
#[test]
fn softhsm_does_the_same() {
    if module().is_none() {
        eprintln!("NOT RUN: THERE IS NO SOFTHSM2 HERE; on Debian, apt-get install softhsm2");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = folder.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&config, text).unwrap();
    let ran = alone("softhsm::the_suite_over_softhsm").env("SOFTHSM2_CONF", &config).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("1 passed"));
}

#[test]
#[ignore = "the test above runs it with a configuration of its own"]
fn the_suite_over_softhsm() {
    let library = Module::load(module().expect("SoftHSM2 is installed")).unwrap();
    let mut failed = Vec::new();
    for (number, (name, check)) in tokens::all().into_iter().enumerate() {
        println!("{name}");
        let token = initialized(&library, &format!("suite-{number}"));
        // All differences are worth knowing, not the first one alone.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&token))).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// Initializes the slot that SoftHSM always has free; the token gets another slot by that.
fn initialized(library: &Module, label: &str) -> Token<Module> {
    let pin = |text: &str| Pin::new(text.into());
    let free = library.slot_list(true).unwrap().into_iter();
    let free = free.rev().find(|slot| !library.token_info(*slot).unwrap().flags.token_initialized).unwrap();
    library.init_token(free, &pin(SO_PIN), label).unwrap();
    let labelled = |slot: &u64| library.token_info(*slot).unwrap().label == label;
    let slot = library.slot_list(true).unwrap().into_iter().find(labelled).unwrap();
    let session = library.open_session(slot, true).unwrap();
    session.login(UserType::So, &pin(SO_PIN)).unwrap();
    session.init_pin(&pin(USER_PIN)).unwrap();
    drop(session);
    Token { library: library.clone(), slot, label: label.into(), habits: Habits::SOFTHSM }
}
