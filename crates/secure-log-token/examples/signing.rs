//! How long a signature takes: with the software keystore, with the soft token and, where there is one, with a module.
//!
//! ```sh
//! cargo run --release -p secure-log-token --example signing -- [MODULE.so]
//! ```
//!
//! The module's token is told by SECURE_LOG_PKCS11_PIN and SECURE_LOG_PKCS11_LABEL, and has the key `checkpoint-ed25519`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use secure_log::providers::{CheckpointSigner, Keystore as _};
use secure_log::sign::Algorithm;
use secure_log_disk::OsDisk;
use secure_log_keystore::{Seed, SoftwareKeystore, Source};
use secure_log_pkcs11::{Config, Module, NewKey, Pin, TokenKeystore};
use secure_log_token::SoftToken;

const LABEL: &str = "checkpoint-ed25519";
/// As long as a signed head.
const MESSAGE: [u8; 120] = [0x5a; 120];
const ROUNDS: usize = 9;
const SIGNATURES: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let source = Source::Seed(Seed::new([7; 32]));
    let software = SoftwareKeystore::new(secure_log_keystore::Config { algorithm: Algorithm::Ed25519, source });
    let software = median("software keystore", software.signer(LABEL)?.as_ref())?;

    let folder = tempfile::tempdir()?;
    let pin = || Some(Pin::new("a PIN that protects nothing".into()));
    let config = Config { pin: pin(), so_pin: pin(), label: None };
    let soft = TokenKeystore::new(SoftToken::new(OsDisk, folder.path().join("token")), config);
    soft.generate(LABEL, NewKey::Signing(Algorithm::Ed25519))?;
    let soft = median("soft token", soft.signer(LABEL)?.as_ref())?;
    println!("soft token / software keystore: {:.2}", soft / software);

    if let Some(module) = std::env::args().nth(1) {
        let config = Config::from_env(|name| std::env::var(name))?;
        let keystore = TokenKeystore::new(Module::load(Path::new(&module))?, config);
        median(&module, keystore.signer(LABEL)?.as_ref())?;
    }
    Ok(())
}

/// The median of several rounds, in microseconds a signature.
fn median(name: &str, signer: &dyn CheckpointSigner) -> Result<f64, Box<dyn Error>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..SIGNATURES {
            signer.sign(&MESSAGE)?;
        }
        rounds.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(SIGNATURES));
    }
    rounds.sort_by(f64::total_cmp);
    let median = rounds[ROUNDS / 2];
    println!("{name}: {median:.1} us a signature ({:.1} to {:.1})", rounds[0], rounds[ROUNDS - 1]);
    Ok(median)
}
