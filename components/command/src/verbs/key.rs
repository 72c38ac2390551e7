//! `key`: the keys of the composed keystore.

use serde_json::json;
use zeroize::Zeroizing;

use super::{JSON, Verb};
use crate::arguments::{Flag, Given, Syntax};
use crate::bindings::keys::keystore::manage;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::{input, view};

pub(super) const VERB: Verb = Verb {
    name: "key",
    summary: "generate, list, show and import keys: key generate|list|show|import [LABEL]",
    details: "\
generate LABEL  makes a key; the log signs with the one labelled checkpoint-ed25519 unless told otherwise
list            prints the labels of all keys
show LABEL      prints a public key, and the verifier key that who checks the log has to trust
import LABEL    stores the key on standard input: PKCS#8 as PEM or DER, as `openssl genpkey` makes it, or 32 raw bytes
                of a symmetric key. Where it is encrypted, SECURE_LOG_IMPORT_PASSPHRASE opens it.

Private keys are never printed. SECURE_LOG_KEYSTORE_DIR names the folder, SECURE_LOG_KEYSTORE_PASSPHRASE protects what
is stored there.",
    syntax: Syntax { operands: "generate|list|show|import [LABEL]", options: &[&ALGORITHM, &NAME, &JSON] },
    run,
};

const ALGORITHM: Flag = Flag {
    name: "algorithm",
    value: Some("NAME"),
    help: "of generate: ed25519, ecdsa-p256, rsa-pss-sha256, symmetric; otherwise SECURE_LOG_KEYSTORE_ALG says",
};
const NAME: Flag = Flag {
    name: "name",
    value: Some("NAME"),
    help: "of show: what the verifier key is called, such as the log's origin; otherwise the label",
};
const PASSPHRASE: &str = "SECURE_LOG_IMPORT_PASSPHRASE";
/// An RSA key of 16384 bits has less than half of this as PEM.
const MAX_KEY_BYTES: usize = 32 << 10;

fn run(given: &Given, out: &mut Output) -> Result<Exit, Failure> {
    match (given.required(0), given.operand(1)) {
        ("list", None) => {
            manage::list_keys()?.into_iter().for_each(|label| out.row(&json!({ "label": label }), &["label"]))
        }
        ("list", Some(label)) => return Err(Failure::usage(format!("\"{label}\" is one argument too many"))),
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
        (other, _) => return Err(Failure::usage(format!("\"{other}\" is none of: generate, list, show, import"))),
    }
    Ok(Exit::Success)
}
