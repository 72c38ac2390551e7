//! A key for the keyed suite that everybody knows, so that a program can be tried out without a keystore.

use secure_log::engine::{LogOptions, Providers};
use secure_log::error::LogError;
use secure_log::hash::{Hash, HmacKey, KeyId};
use secure_log::limits::{Invalid, Problem};
use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey, NoKeys};

/// The label of the development key.
pub const DEVELOPMENT_MAC_LABEL: &str = "secure-log-development-key";

/// Lets the keyed suite use a key that stands in the source of this crate. It protects nothing: whoever has the source can
/// compute every hash anew. Nothing but this call brings the key in, and every report on a log that uses it says so
/// ([`crate::AuditReport::development_key`]). Refused where another key is configured.
pub fn use_development_key(providers: &mut Providers, options: &mut LogOptions) -> Result<(), LogError> {
    if let Some(label) = &options.mac_label {
        let problem = Problem::Unusable(format!("{label:?} is configured: the development key takes no key's place"));
        return Err(Invalid { field: "mac label", problem }.into());
    }
    options.mac_label = Some(DEVELOPMENT_MAC_LABEL.into());
    let keys = core::mem::replace(&mut providers.keystore, Box::new(NoKeys));
    providers.keystore = Box::new(WithDevelopmentKey(keys));
    Ok(())
}

/// The public name of the development key.
pub(crate) fn development_key_id() -> KeyId {
    KeyId::from_mac(&development_key().mac(KeyId::LABEL))
}

fn development_key() -> HmacKey {
    HmacKey::new(Hash::sha256(b"secure-log: everybody knows this key\n").0)
}

struct WithDevelopmentKey(Box<dyn Keystore + Send>);

impl Keystore for WithDevelopmentKey {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        self.0.signer(label)
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        if label == DEVELOPMENT_MAC_LABEL { Ok(Box::new(DevelopmentKey(development_key()))) } else { self.0.mac(label) }
    }
}

struct DevelopmentKey(HmacKey);

impl MacKey for DevelopmentKey {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        Ok(self.0.mac(message))
    }
}
