//! Where the stack under test has its keys from: a configured keystore or, without one, throw-away keys of our own.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use pkcs8::LineEnding;
use pkcs8::pkcs5::pbes2::Parameters;
use wasmtime::error::Context;
use wasmtime::{Result, ensure, format_err};

use crate::host::Surroundings;
use crate::merkle::sha256;

/// Who signs heads when nobody says otherwise.
const HEAD_IDENTITY: &str = "checkpoint-ed25519";
/// The second signer of segments, among the keys that we make.
const SECOND_IDENTITY: &str = "segment-signer";
/// Our keys protect nothing, so their passphrase is no secret. It is here so that the encrypted form is what is read.
const PASSPHRASE: &str = "throw-away";
/// The guest's name for the folder of our keys.
const GUEST_FOLDER: &str = "/secure-log-keys";

/// The keys of a run.
pub struct Keys {
    /// One line for the person at the terminal.
    pub summary: String,
    /// Signs heads.
    pub head_identity: String,
    /// Another identity with a key of its own, if there is one.
    pub second_identity: Option<String>,
    /// Whether the stack's keystore takes its keys from what it is given here.
    pub are_given: bool,
    /// Whether they are on a PKCS#11 token, whose PIN the environment has.
    pub on_token: bool,
    folder: Option<(PathBuf, String)>,
    variables: Vec<(String, String)>,
}

impl Keys {
    /// Takes the keystore that the environment configures, or makes one for the log at `config`. The same log gets the
    /// same keys the next time: without them it could not be continued.
    pub fn find_or_make(config: &str) -> Result<Keys> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let keys = Keys {
            summary: String::new(),
            head_identity: environment("SECURE_LOG_HEAD_IDENTITY").unwrap_or_else(|| HEAD_IDENTITY.into()),
            second_identity: Some(SECOND_IDENTITY.into()),
            are_given: true,
            on_token: false,
            folder: None,
            variables: Vec::new(),
        };
        if environment("SECURE_LOG_VERIFY_KEYSTORE").as_deref() == Some("foreign") {
            let summary = "keys are those that the stack's own keystore has, whatever it is told".into();
            return Ok(Keys { summary, are_given: false, ..keys });
        }
        if environment("SECURE_LOG_PKCS11_PIN").is_some() {
            let folder = environment("SECURE_LOG_PKCS11_TOKEN_DIR");
            let place = folder.as_deref().map_or("the host's module".into(), |folder| format!("the folder {folder}"));
            let summary = format!("keys are on the token in {place}");
            let folder = folder.map(|folder| (PathBuf::from(&folder), folder));
            return Ok(Keys { summary, are_given: false, on_token: true, folder, ..keys });
        }
        if environment("SECURE_LOG_KEYSTORE_SEED").is_some() {
            let summary = "keys are derived from the configured SECURE_LOG_KEYSTORE_SEED".into();
            return Ok(Keys { summary, ..keys });
        }
        match environment("SECURE_LOG_KEYSTORE_DIR") {
            Some(folder) => keys.configured(folder),
            None => keys.made_for(config),
        }
    }

    fn configured(mut self, folder: String) -> Result<Keys> {
        let key_file = |label: &str| Path::new(&folder).join(format!("{label}.p8"));
        // A log made without it would be keyless for good, which nobody who names a folder of keys wants.
        ensure!(
            key_file(&self.head_identity).exists(),
            "SECURE_LOG_KEYSTORE_DIR={folder} has no key '{}', which signs heads: make it first",
            self.head_identity
        );
        self.second_identity.take_if(|label| !key_file(label).exists());
        let summary = format!("keys are those of the configured SECURE_LOG_KEYSTORE_DIR={folder}");
        Ok(Keys { summary, folder: Some((folder.clone().into(), folder)), ..self })
    }

    fn made_for(self, config: &str) -> Result<Keys> {
        let folder = own_folder(config)?;
        let mut made = false;
        for label in [self.head_identity.as_str(), SECOND_IDENTITY] {
            made |= make_missing(&folder, label)?;
        }
        let summary = format!(
            "{} throw-away keys: SECURE_LOG_KEYSTORE_DIR={} SECURE_LOG_KEYSTORE_PASSPHRASE={PASSPHRASE}",
            if made { "made" } else { "using the earlier run's" },
            folder.display()
        );
        let variables = vec![
            ("SECURE_LOG_KEYSTORE_DIR".into(), GUEST_FOLDER.into()),
            ("SECURE_LOG_KEYSTORE_PASSPHRASE".into(), PASSPHRASE.into()),
        ];
        Ok(Keys { summary, folder: Some((folder, GUEST_FOLDER.into())), variables, ..self })
    }

    /// Shows these keys to a guest.
    pub fn give_to(&self, mut surroundings: Surroundings) -> Surroundings {
        if let Some((folder, name)) = &self.folder {
            surroundings = surroundings.folder(folder, name);
        }
        for (name, value) in &self.variables {
            surroundings = surroundings.variable(name, value);
        }
        surroundings
    }
}

/// A folder of the temporary folder that belongs to this log and that nobody else can look into.
fn own_folder(config: &str) -> Result<PathBuf> {
    let log = std::path::absolute(config).unwrap_or_else(|_| config.into());
    let name = const_hex::encode(&sha256(log.as_os_str().as_encoded_bytes())[..8]);
    let folder = std::env::temp_dir().join(format!("secure-log-verify-keys-{name}"));
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(format_err!("the key folder {} cannot be made: {error}", folder.display()));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(&folder)?;
    ensure!(
        found.is_dir() && found.mode() & 0o077 == 0,
        "{} is not a folder of ours: move it away, or set SECURE_LOG_KEYSTORE_DIR",
        folder.display()
    );
    Ok(folder)
}

/// Makes `<label>.p8` as `openssl genpkey` would, encrypted and in PEM; answers whether it was missing.
fn make_missing(folder: &Path, label: &str) -> Result<bool> {
    let file = folder.join(format!("{label}.p8"));
    if file.exists() {
        return Ok(false);
    }
    write_signing_key(&file, &random(), PASSPHRASE)?;
    Ok(true)
}

/// Writes the key of this seed to `file`, encrypted and in PEM.
pub fn write_signing_key(file: &Path, seed: &[u8; 32], passphrase: &str) -> Result<()> {
    let key = SigningKey::from_bytes(seed);
    let plain = key.to_pkcs8_der().map_err(|error| format_err!("the key cannot be encoded: {error}"))?;
    let info = pkcs8::PrivateKeyInfoRef::try_from(plain.as_bytes())
        .map_err(|error| format_err!("the key cannot be encoded: {error}"))?;
    // What `openssl genpkey -aes256` uses; a throw-away key needs no slower one.
    let encrypted = Parameters::generate_pbkdf2_sha256_aes256cbc(2048, &random::<16>(), random())
        .map_err(pkcs8::Error::from)
        .and_then(|parameters| info.encrypt_with_params(parameters, passphrase))
        .map_err(|error| format_err!("the key cannot be encrypted: {error}"))?;
    let pem = encrypted
        .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
        .map_err(|error| format_err!("the key cannot be encoded: {error}"))?;
    fs::write(file, pem.as_bytes()).with_context(|| format!("{} cannot be written", file.display()))
}

/// Fresh random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}
