//! `key`: the keys of the composed keystore, and the PINs of its token.

use serde_json::json;
use zeroize::Zeroizing;

use super::{JSON, Verb};
use crate::arguments::{Flag, Given, Syntax, Takes};
use crate::bindings::keys::keystore::manage::{self, PinOwner};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{input, view};

pub(super) const VERB: Verb = Verb {
    name: "key",
    summary: "manage keys, and the PINs of a token: key generate|list|show|import|change-pin|reset-pin [LABEL]",
    details: "\
generate LABEL  makes a key; the log signs with the one labelled checkpoint-ed25519 unless told otherwise
list            prints the labels of all keys
show LABEL      prints a public key, and the verifier key that who checks the log has to trust
import LABEL    stores the key on standard input: PKCS#8 as PEM or DER, as `openssl genpkey` makes it, or 32 raw bytes
                of a symmetric key. Where it is encrypted, SECURE_LOG_IMPORT_PASSPHRASE opens it.
change-pin      changes the PIN of a token to the line on standard input; --security-officer: that one's own
reset-pin       has the security officer, whose PIN is configured, set the user's, also where it is locked or forgotten

Private keys are never printed. SECURE_LOG_KEYSTORE_DIR names the folder, SECURE_LOG_KEYSTORE_PASSPHRASE protects what
is stored there.",
    syntax: Syntax {
        operands: "generate|list|show|import|change-pin|reset-pin [LABEL]",
        options: &[&ALGORITHM, &NAME, &OFFICER, &JSON],
    },
    run,
};

const ALGORITHM: Flag = Flag {
    name: "algorithm",
    takes: Takes::One("NAME"),
    help: "of generate: ed25519, ecdsa-p256, rsa-pss-sha256, symmetric, on a token also aes-kwp and aes-gcm; otherwise \
           SECURE_LOG_KEYSTORE_ALG says, and of a token ed25519",
};
const NAME: Flag = Flag {
    name: "name",
    takes: Takes::One("NAME"),
    help: "of show: what the verifier key is called, such as the log's origin; otherwise the label",
};
const OFFICER: Flag =
    Flag { name: "security-officer", takes: Takes::Nothing, help: "of change-pin: the security officer's own PIN" };
const PASSPHRASE: &str = "SECURE_LOG_IMPORT_PASSPHRASE";
/// An RSA key of 16384 bits has less than half of this as PEM.
const MAX_KEY_BYTES: usize = 32 << 10;
/// Tokens take at most 255 bytes; how many, each says itself.
const MAX_PIN_BYTES: usize = 1024;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    match (given.required(0), given.operand(1)) {
        ("list", None) => {
            manage::list_keys()?.into_iter().for_each(|label| out.row(&json!({ "label": label }), &["label"]))
        }
        ("list" | "change-pin" | "reset-pin", Some(label)) => {
            return Err(Failure::usage(format!("\"{label}\" is one argument too many")));
        }
        (verb @ ("generate" | "show" | "import"), None) => {
            return Err(Failure::usage(format!("LABEL is missing: key {verb} LABEL")));
        }
        ("generate", Some(label)) => {
            // The keystore knows which algorithm an empty name stands for.
            let algorithm = given.value(&ALGORITHM).unwrap_or_default();
            out.show(&view::key(manage::generate(label, algorithm)?));
        }
        ("show", Some(label)) => {
            out.show(&view::key(manage::show_key(label, given.value(&NAME).unwrap_or(label))?));
        }
        ("import", Some(label)) => {
            let key = Zeroizing::new(input::read_all("the key", MAX_KEY_BYTES)?);
            let passphrase = std::env::var(PASSPHRASE).ok().filter(|text| !text.is_empty()).map(Zeroizing::new);
            let passphrase = passphrase.as_ref().map(|text| text.as_str());
            out.show(&view::key(manage::import_key(label, &key, passphrase)?));
        }
        ("change-pin", None) => {
            let owner = if given.has(&OFFICER) { PinOwner::SecurityOfficer } else { PinOwner::User };
            manage::change_pin(owner, &new_pin()?)?;
            out.show(&json!({ "pin": if given.has(&OFFICER) { "security officer" } else { "user" }, "changed": true }));
        }
        ("reset-pin", None) => {
            manage::reset_pin(&new_pin()?)?;
            out.show(&json!({ "pin": "user", "changed": true }));
        }
        (other, _) => {
            let verbs = "generate, list, show, import, change-pin, reset-pin";
            return Err(Failure::usage(format!("\"{other}\" is none of: {verbs}")));
        }
    }
    Ok(Exit::Success)
}

/// The one line on standard input. A second one is refused: whoever sent it meant something else, and would not know their PIN.
fn new_pin() -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(input::read_all("the new PIN", MAX_PIN_BYTES)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid("the new PIN is not UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    if line.is_empty() {
        return Err(invalid("there is no new PIN on standard input"));
    }
    if line.chars().any(char::is_control) {
        return Err(invalid("the new PIN has a control character, or is not one line"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn invalid(what: &str) -> Failure {
    Failure::new(Exit::Refused, "invalid", what)
}
