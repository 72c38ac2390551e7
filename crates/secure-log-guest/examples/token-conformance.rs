//! The suite of every PKCS#11 token, over the token that this component is composed with or that its host has.
//!
//! Built for wasm32-wasip2 and run by scripts/test-tokens.sh. Without an argument it prints how many checks there are; with
//! the number of one it makes a token and does that check; with `all` it makes a token for each, which takes a provider that
//! has many. What a token does its own way is told by its name: `softhsm` as the second argument.

use secure_log_pkcs11::{Cryptoki as _, Pin, Session as _, UserType};
use secure_log_testkit::conformance::tokens::{self, Habits, SO_PIN, Token, USER_PIN};

mod bindings {
    #![allow(unsafe_code, missing_docs, reason = "generated code is the only unsafe code here, and has no comments")]
    wit_bindgen::generate!({ world: "token-user", path: "../../wit/pkcs11" });
}
#[path = "../../../components/keystore-pkcs11/src/token.rs"]
mod token;

use token::Imported;

fn main() {
    if cfg!(not(target_family = "wasm")) {
        eprintln!("NOT RUN: there is no token to import; build this for wasm32-wasip2, see scripts/test-tokens.sh");
        std::process::exit(1);
    }
    let checks = tokens::all::<Imported>();
    let Some(which) = std::env::args().nth(1) else {
        println!("{}", checks.len());
        return;
    };
    let habits = match std::env::args().nth(2).as_deref() {
        Some("softhsm") => Habits::SOFTHSM,
        _ => Habits::STANDARD,
    };
    let wanted = match which.as_str() {
        "all" => 0..checks.len(),
        number => {
            let number: usize = number.parse().expect("the argument is `all` or a number");
            number..number + 1
        }
    };
    for number in wanted {
        let (name, check) = checks[number];
        check(&initialized(&format!("suite-{number}"), habits));
        println!("passed: {name}");
    }
}

/// Initializes a slot that is free; the token may get another slot by that.
fn initialized(label: &str, habits: Habits) -> Token<Imported> {
    let pin = |text: &str| Pin::new(text.into());
    let slots = || Imported.slot_list(true).expect("slots are listed");
    let info = |slot: u64| Imported.token_info(slot).expect("a token is described");
    let free = slots().into_iter().find(|slot| !info(*slot).flags.token_initialized).expect("a slot is free");
    Imported.init_token(free, &pin(SO_PIN), label).expect("a token is initialized");
    let slot = slots().into_iter().find(|slot| info(*slot).label == label).expect("the token is there");
    let session = Imported.open_session(slot, true).expect("a session opens");
    session.login(UserType::So, &pin(SO_PIN)).expect("the officer logs in");
    session.init_pin(&pin(USER_PIN)).expect("the user's PIN is set");
    Token { library: Imported, slot, label: label.into(), habits }
}
