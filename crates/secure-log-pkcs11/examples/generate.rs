//! Makes Ed25519 keys on a token of a PKCS#11 module, and prints what a verifier has to trust:
//!
//! ```sh
//! cargo run -p secure-log-pkcs11 --features cryptoki --example generate -- MODULE.so LABEL..
//! ```
//!
//! The PIN stands in SECURE_LOG_PKCS11_PIN, the token's label in SECURE_LOG_PKCS11_LABEL.

use std::error::Error;
use std::path::Path;

use secure_log::sign::Algorithm;
use secure_log_pkcs11::{Config, Module, NewKey, TokenKeystore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let module = arguments.next().ok_or("usage: generate MODULE.so LABEL..")?;
    let config = Config::from_env(|name| std::env::var(name))?;
    let keystore = TokenKeystore::new(Module::load(Path::new(&module))?, config);
    for label in arguments {
        let key = keystore.generate(&label, NewKey::Signing(Algorithm::Ed25519))?;
        println!("{}", key.verifier_key.unwrap_or_default());
    }
    Ok(())
}
