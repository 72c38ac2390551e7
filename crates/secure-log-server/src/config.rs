//! What the environment says (docs/configuration.md), read and checked as a whole: whoever starts the server sees every mistake at
//! once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secure_log::engine::{AnchorEvery, DEFAULT_IDENTITY, Every};
use secure_log::limits::{check_name, check_origin};
use secure_log::note::is_key_name;
use secure_log_http::token::{MAX_TOKENS_BYTES, Tokens};
use secure_log_http::{Limits, MAX_LOG_ID_CHARS, Rate};
use secure_log_keystore::SoftwareKeystore;
use zeroize::Zeroizing;

use crate::logs::{BACKENDS, Backend, backend};

const LISTEN: &str = "SECURE_LOG_HTTP_LISTEN";
const STORE: &str = "SECURE_LOG_HTTP_STORE";
const TOKENS: &str = "SECURE_LOG_TOKENS";
const ORIGIN: &str = "SECURE_LOG_ORIGIN";
const IDENTITY: &str = "SECURE_LOG_HEAD_IDENTITY";
const HEAD_EVERY: &str = "SECURE_LOG_HEAD_EVERY";
const ANCHOR: &str = "SECURE_LOG_ANCHOR";
const ANCHOR_EVERY: &str = "SECURE_LOG_ANCHOR_EVERY";
const MAC_LABEL: &str = "SECURE_LOG_MAC_LABEL";
const KEK_LABEL: &str = "SECURE_LOG_KEK_LABEL";
const CERTIFICATE: &str = "SECURE_LOG_HTTP_TLS_CERTIFICATE";
const KEY: &str = "SECURE_LOG_HTTP_TLS_KEY";
const PLAINTEXT: &str = "SECURE_LOG_HTTP_PLAINTEXT";
const THREADS: &str = "SECURE_LOG_HTTP_THREADS";
const QUEUE: &str = "SECURE_LOG_HTTP_QUEUE";
const CONNECTIONS: &str = "SECURE_LOG_HTTP_CONNECTIONS";
const TAILS: &str = "SECURE_LOG_HTTP_TAILS";
const RATE: &str = "SECURE_LOG_HTTP_RATE";
const MAX_BODY: &str = "SECURE_LOG_HTTP_MAX_BODY";
const TIMEOUT: &str = "SECURE_LOG_HTTP_TIMEOUT";

/// Every variable that is read, and what it is for.
pub const VARIABLES: &[(&str, &str)] = &[
    (STORE, "file:FOLDER, sqlite:FOLDER or postgresql://..: where the logs are. Required"),
    (TOKENS, "the file of tokens, of which it holds hashes. Required"),
    (ORIGIN, "what the logs are called: the log app of example.org/audit is example.org/audit/app. Required"),
    (LISTEN, "address and port; default: 127.0.0.1:8080"),
    (CERTIFICATE, "a file with the server's certificate and those between it and its authority, as PEM"),
    (KEY, "a file with the key of the certificate, as PEM"),
    (PLAINTEXT, "'behind-proxy' where TLS ends in front of the server, and it listens on more than this machine"),
    (IDENTITY, "the label of the key that signs heads; default: checkpoint-ed25519"),
    (secure_log_keystore::config::DIR, "a folder of key files"),
    (secure_log_keystore::config::PASSPHRASE, "what the key files are encrypted under"),
    (secure_log_keystore::config::SEED, "32 random bytes in hex, of which keys are derived"),
    (secure_log_keystore::config::ALG, "ed25519 (default), ecdsa-p256 or rsa-pss-sha256"),
    (HEAD_EVERY, "commit (default), a number of entries, or a time such as 250ms: how often heads are signed"),
    (ANCHOR, "a file that remembers the last head of each log, on another disk than the logs"),
    (ANCHOR_EVERY, "the same as of heads, or close: how often heads are given to the anchor"),
    (MAC_LABEL, "the label of the keyed suite's key"),
    (KEK_LABEL, "the label of the key that wraps data keys"),
    (THREADS, "threads that carry out requests, 1 to 1024; default: 96. One log takes three quarters of them at most"),
    (QUEUE, "requests that wait or are carried out, 1 to 65536; default: 1024. One more is told to come again"),
    (CONNECTIONS, "connections, 1 to 65536; default: 4096. One more waits"),
    (TAILS, "open tails, 0 to 65536; default: 2000"),
    (RATE, "requests a second of one token, 1 to 1000000; default: 10000. Twice as many at once"),
    (MAX_BODY, "bytes of a body of records, 1024 to 134217728; default: 25165824"),
    (
        TIMEOUT,
        "seconds that a client may take for its headers, for its body, and to take in what it is sent; default: 30",
    ),
];

/// Everything that the server is told.
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate, where it speaks TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where the logs are.
    pub backend: Box<dyn Backend>,
    /// The file of tokens.
    pub tokens_path: PathBuf,
    /// What was in it.
    pub tokens: Tokens,
    /// What the names of the logs begin with.
    pub origin: String,
    /// The label of the key that signs heads.
    pub identity: String,
    /// The keys.
    pub keystore: SoftwareKeystore,
    /// Whether there are any.
    pub has_keys: bool,
    /// How often heads are signed.
    pub head_every: Every,
    /// The anchor's file.
    pub anchor: Option<PathBuf>,
    /// How often it is given heads.
    pub anchor_every: AnchorEvery,
    /// The label of the keyed suite's key.
    pub mac_label: Option<String>,
    /// The label of the key that wraps data keys.
    pub kek_label: Option<String>,
    /// Threads that carry out requests.
    pub threads: usize,
    /// Requests that wait or are carried out.
    pub queue: usize,
    /// Connections.
    pub connections: usize,
    /// What a client may take its time for.
    pub timeout: Duration,
    /// What the API holds callers to.
    pub limits: Limits,
}

/// Every mistake in the environment.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the environment:", if count == 1 { "mistake" } else { "mistakes" })?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

/// The variables, and what was found to be wrong with them so far.
struct Reader {
    /// Some of them are secrets.
    found: BTreeMap<String, Zeroizing<String>>,
    mistakes: Vec<String>,
}

impl Config {
    /// Reads these variables. Those of other programs are passed over, and one that begins like the server's own and is none of
    /// them is a mistake.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Config, Mistakes> {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with("SECURE_LOG_"));
        let found = ours.map(|(name, value)| (name, Zeroizing::new(value))).collect();
        let mut env = Reader { found, mistakes: Vec::new() };
        env.refuse_unknown();
        let listen = env
            .parsed(LISTEN, "an address and a port, such as 127.0.0.1:8080")
            .unwrap_or(([127, 0, 0, 1], 8080).into());
        let tls = env.tls();
        env.check_plaintext(listen, tls.is_some());
        let backend = env.backend();
        let (tokens_path, tokens) = env.tokens();
        let origin = env.origin();
        let (keystore, has_keys) = env.keystore();
        let identity = env.label(IDENTITY).unwrap_or_else(|| DEFAULT_IDENTITY.into());
        let every = "commit, a number of entries, or a time such as 250ms or 2s";
        let head_every = env.parsed(HEAD_EVERY, every).unwrap_or(Every::Commit);
        let anchor_every = env.parsed(ANCHOR_EVERY, "close, or what SECURE_LOG_HEAD_EVERY takes");
        let anchor = env.anchor();
        let (mac_label, kek_label) = (env.label(MAC_LABEL), env.label(KEK_LABEL));
        let threads = env.number(THREADS, 96, 1, 1024);
        let queue = env.number(QUEUE, 1024, 1, 65_536);
        let connections = env.number(CONNECTIONS, 4096, 1, 65_536);
        let per_second = env.number(RATE, 10_000, 1, 1_000_000) as u32;
        let timeout = env.number(TIMEOUT, 30, 1, 3600);
        let limits = Limits {
            max_body_bytes: env.number(MAX_BODY, 24 << 20, 1024, 128 << 20) as usize,
            rate: Rate { per_second, burst: 2 * per_second },
            tails: env.number(TAILS, 2000, 0, 65_536),
            ..Limits::default()
        };
        match (backend, tokens, origin, keystore) {
            (Some(backend), Some(tokens), Some(origin), Some(keystore)) if env.mistakes.is_empty() => Ok(Config {
                listen,
                tls,
                backend,
                tokens_path,
                tokens,
                origin,
                identity,
                keystore,
                has_keys,
                head_every,
                anchor,
                anchor_every: anchor_every.unwrap_or(AnchorEvery::Each(Every::Commit)),
                mac_label,
                kek_label,
                threads: threads as usize,
                queue: queue as usize,
                connections: connections as usize,
                timeout: Duration::from_secs(timeout),
                limits,
            }),
            _ => Err(Mistakes(env.mistakes)),
        }
    }

    /// What it comes to, for a person, and without any secret.
    pub fn summary(&self) -> String {
        let key = if self.has_keys { self.identity.as_str() } else { "none: heads are not signed" };
        let anchor = self.anchor.as_ref().map_or("none".into(), |path| path.display().to_string());
        format!(
            "listens on    {} ({})\nlogs          {}, called {}/..\ntokens        {}\nkey           {key}\nanchor        {anchor}",
            self.listen,
            if self.tls.is_some() { "TLS" } else { "plaintext" },
            self.backend,
            self.origin,
            self.tokens.count(),
        )
    }
}

/// The tokens in a file.
pub fn read_tokens(path: &Path) -> Result<Tokens, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_TOKENS_BYTES as u64 {
        return Err(format!("it is longer than {MAX_TOKENS_BYTES} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Tokens::parse(&text).map_err(|bad| bad.to_string())
}

impl Reader {
    fn wrong(&mut self, name: &str, why: impl fmt::Display) {
        self.mistakes.push(format!("{name}: {why}"));
    }

    /// A variable that is set and empty counts as not set, as shells cannot unset for a single command.
    fn text(&self, name: &str) -> Option<String> {
        self.found.get(name).filter(|value| !value.is_empty()).map(|value| value.to_string())
    }

    fn required(&mut self, name: &'static str, expected: &str) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            self.wrong(name, format!("not set: {expected}"));
        }
        text
    }

    fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let parsed = self.text(name)?.parse();
        if parsed.is_err() {
            self.wrong(name, expected);
        }
        parsed.ok()
    }

    fn number(&mut self, name: &'static str, default: u64, least: u64, most: u64) -> u64 {
        let expected = format!("a number from {least} to {most}");
        let Some(number) = self.parsed::<u64>(name, &expected) else { return default };
        if !(least..=most).contains(&number) {
            self.wrong(name, expected);
        }
        number
    }

    fn refuse_unknown(&mut self) {
        let unknown =
            |name: &&String| name.starts_with("SECURE_LOG_HTTP_") && !VARIABLES.iter().any(|(known, _)| known == name);
        let unknown: Vec<String> = self.found.keys().filter(unknown).cloned().collect();
        unknown.iter().for_each(|name| self.wrong(name, "there is no such variable"));
        let unreadable =
            |name: &&String| VARIABLES.iter().any(|(known, _)| known == name) && self.found[*name].contains('\u{fffd}');
        let unreadable: Vec<String> = self.found.keys().filter(unreadable).cloned().collect();
        unreadable.iter().for_each(|name| self.wrong(name, "it is not UTF-8"));
    }

    fn backend(&mut self) -> Option<Box<dyn Backend>> {
        let text = self.required(STORE, BACKENDS)?;
        backend(&text).map_err(|why| self.wrong(STORE, &why)).ok()
    }

    fn tokens(&mut self) -> (PathBuf, Option<Tokens>) {
        let path = PathBuf::from(
            self.required(TOKENS, "the file with the lines that 'token create' prints").unwrap_or_default(),
        );
        if path.as_os_str().is_empty() {
            return (path, None);
        }
        let tokens = read_tokens(&path).map_err(|why| self.wrong(TOKENS, why)).ok();
        (path, tokens)
    }

    fn origin(&mut self) -> Option<String> {
        let origin = self.required(ORIGIN, "what the logs are called, such as example.org/audit")?;
        let longest = format!("{origin}/{}", "x".repeat(MAX_LOG_ID_CHARS));
        if check_origin(&longest).is_err() || !is_key_name(&longest) {
            self.wrong(ORIGIN, format!("no white space, no '+', and at most {} bytes", 255 - 1 - MAX_LOG_ID_CHARS));
            return None;
        }
        Some(origin)
    }

    fn label(&mut self, name: &'static str) -> Option<String> {
        let label = self.text(name)?;
        if let Err(invalid) = check_name("the label", &label) {
            self.wrong(name, invalid);
        }
        Some(label)
    }

    fn keystore(&mut self) -> (Option<SoftwareKeystore>, bool) {
        let lookup =
            |name: &str| self.found.get(name).map(|value| value.to_string()).ok_or(std::env::VarError::NotPresent);
        match secure_log_keystore::Config::from_env(lookup) {
            Ok(config) => {
                let has_keys = !matches!(config.source, secure_log_keystore::Source::Nothing);
                if let secure_log_keystore::Source::Folder { path, .. } = &config.source
                    && !path.is_dir()
                {
                    self.mistakes.push(format!("{}: there is no such folder", secure_log_keystore::config::DIR));
                }
                (Some(SoftwareKeystore::new(config)), has_keys)
            }
            Err(error) => {
                // It names the variable itself.
                self.mistakes.push(error.to_string());
                (None, false)
            }
        }
    }

    fn anchor(&mut self) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(ANCHOR)?);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.file_name().is_none() || !folder.is_dir() {
            self.wrong(ANCHOR, "a file in a folder that is there");
        }
        Some(path)
    }

    fn tls(&mut self) -> Option<Arc<ServerConfig>> {
        let (certificate, key) = match (self.text(CERTIFICATE), self.text(KEY)) {
            (None, None) => return None,
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => {
                self.wrong(KEY, "not set, and the certificate is");
                return None;
            }
            (None, Some(_)) => {
                self.wrong(CERTIFICATE, "not set, and its key is");
                return None;
            }
        };
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| self.wrong(CERTIFICATE, error)).ok();
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| self.wrong(KEY, error)).ok();
        let (chain, key) = (chain?, key?);
        if chain.is_empty() {
            self.wrong(CERTIFICATE, "there is no certificate in it");
            return None;
        }
        let built = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        match built {
            Ok(mut config) => {
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Some(Arc::new(config))
            }
            Err(error) => {
                self.wrong(CERTIFICATE, error);
                None
            }
        }
    }

    /// Tokens do not go over a network as they are by an oversight.
    fn check_plaintext(&mut self, listen: SocketAddr, tls: bool) {
        let tls_was_meant = self.text(CERTIFICATE).is_some() || self.text(KEY).is_some();
        match self.text(PLAINTEXT).as_deref() {
            None if !tls && !tls_was_meant && !listen.ip().is_loopback() => self.wrong(
                LISTEN,
                format!("{listen} is reached from other machines: set {CERTIFICATE} and {KEY}, or {PLAINTEXT}=behind-proxy where TLS ends in front of the server"),
            ),
            None | Some("behind-proxy") => {}
            Some(_) => self.wrong(PLAINTEXT, "'behind-proxy', or not set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
        Config::read(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let seed = "not a seed, and a secret";
        let mistakes = read(&[
            (LISTEN, "nowhere"),
            ("SECURE_LOG_HTTP_COLOUR", "red"),
            (STORE, "paper:/tmp"),
            (TOKENS, "/no/such/file"),
            (ORIGIN, "with space"),
            ("SECURE_LOG_KEYSTORE_SEED", seed),
            (HEAD_EVERY, "often"),
            (ANCHOR_EVERY, "seldom"),
            (ANCHOR, "/no/such/folder/heads"),
            (THREADS, "0"),
            (QUEUE, "many"),
            (RATE, "0"),
            (MAX_BODY, "7"),
            (TIMEOUT, "-1"),
            (CERTIFICATE, "/no/such.pem"),
            (PLAINTEXT, "yes"),
            ("HOME", "/"),
        ])
        .err()
        .unwrap()
        .to_string();
        for name in [
            LISTEN,
            "SECURE_LOG_HTTP_COLOUR",
            STORE,
            TOKENS,
            ORIGIN,
            "SECURE_LOG_KEYSTORE_SEED",
            HEAD_EVERY,
            ANCHOR_EVERY,
            ANCHOR,
            THREADS,
            QUEUE,
            RATE,
            MAX_BODY,
            TIMEOUT,
            KEY,
            PLAINTEXT,
        ] {
            assert!(mistakes.contains(&format!("\n  {name}")), "{name}: {mistakes}");
        }
        assert!(mistakes.starts_with("16 mistakes") && !mistakes.contains(seed), "{mistakes}");
    }

    #[test]
    fn what_is_required_is_named_and_enough() {
        let mistakes = read(&[]).err().unwrap().to_string();
        assert!(
            [STORE, TOKENS, ORIGIN].iter().all(|name| mistakes.contains(name)) && mistakes.starts_with("3 "),
            "{mistakes}"
        );
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        std::fs::write(&tokens, "").unwrap();
        let place = format!("file:{}", folder.path().display());
        let least = [(STORE, &*place), (TOKENS, tokens.to_str().unwrap()), (ORIGIN, "example.org/audit")];
        let config = read(&least).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert!(!config.has_keys && config.listen.ip().is_loopback() && config.tls.is_none());
        assert!(config.summary().contains("heads are not signed"));
        // Plaintext is not spoken to other machines by an oversight.
        let open = [&least[..], &[(LISTEN, "0.0.0.0:80")]].concat();
        assert!(read(&open).err().unwrap().to_string().contains(PLAINTEXT));
        let chosen = [&open[..], &[(PLAINTEXT, "behind-proxy")]].concat();
        assert!(read(&chosen).is_ok());
    }

    #[test]
    fn the_documentation_shows_each_variable() {
        let page = include_str!("../../../docs/configuration.md");
        for (name, _) in VARIABLES {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
