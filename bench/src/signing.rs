//! What a signature takes, natively: with the software keystore, with the soft token, and with a module where there is one.

use std::path::Path;

use secure_log::providers::{CheckpointSigner, Keystore};
use secure_log::sign::Algorithm;
use secure_log_bench_shared::signing::{LABEL, MESSAGE, ROW};
use secure_log_bench_shared::{Failure, Part, Sample, timed};
use secure_log_pkcs11::{Config, Module, NewKey, Pin, TokenError, TokenKeystore};
use secure_log_token::SoftToken;

use crate::native::software_keys;

/// The keys by the names that their keystores have in the table.
pub struct Signing(Vec<(&'static str, Box<dyn CheckpointSigner + Send>)>);

impl Signing {
    /// Makes what is needed in this folder. The module's token is the one that the environment names.
    pub fn new(folder: &Path, module: Option<&Path>) -> Result<Signing, Failure> {
        let mut keys = vec![("software", software_keys()?.signer(LABEL)?)];
        let pin = || Some(Pin::new("a PIN that protects nothing".into()));
        let config = Config { pin: pin(), so_pin: pin(), label: None };
        let token = SoftToken::new(secure_log_disk::OsDisk, folder.join("token"));
        let keystore = TokenKeystore::new(token, config);
        keystore.generate(LABEL, NewKey::Signing(Algorithm::Ed25519))?;
        keys.push(("soft-token", keystore.signer(LABEL)?));
        if let Some(module) = module {
            let config = Config::from_env(|name| std::env::var(name))?;
            let keystore = TokenKeystore::new(Module::load(module)?, config);
            match keystore.generate(LABEL, NewKey::Signing(Algorithm::Ed25519)) {
                Ok(_) | Err(TokenError::KeyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            keys.push(("softhsm", keystore.signer(LABEL)?));
        }
        Ok(Signing(keys))
    }
}

impl Part for Signing {
    fn run(&mut self, case: &str, signatures: u64) -> Result<Vec<Sample>, Failure> {
        if case != ROW {
            return Ok(Vec::new());
        }
        let mut samples = Vec::new();
        for (keystore, key) in &self.0 {
            let sign_all = || (0..signatures).try_for_each(|_| key.sign(&MESSAGE).map(drop));
            let ((), seconds) = timed(sign_all)?;
            samples.push(Sample::new(ROW, *keystore, signatures, seconds));
        }
        Ok(samples)
    }
}
