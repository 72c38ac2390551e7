//! What the environment says (docs/configuration.md), read and checked as a whole: whoever starts the server sees every mistake at
//! once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secure_log_http::config::names::{
    ANCHOR, ANCHOR_EVERY, HEAD_EVERY, IDENTITY, KEK_LABEL, MAC_LABEL, MAX_BODY, ORIGIN, STORE, TIMEOUT, TOKENS,
};
use secure_log_http::config::{Common, Mistakes, Reader, Table};
use secure_log_http::place::PLACES;
use secure_log_http::{Limits, Rate};
use secure_log_keystore::SoftwareKeystore;

use crate::logs::{Backend, backend};

const LISTEN: &str = "SECURE_LOG_HTTP_LISTEN";
const CERTIFICATE: &str = "SECURE_LOG_HTTP_TLS_CERTIFICATE";
const KEY: &str = "SECURE_LOG_HTTP_TLS_KEY";
const PLAINTEXT: &str = "SECURE_LOG_HTTP_PLAINTEXT";
const THREADS: &str = "SECURE_LOG_HTTP_THREADS";
const QUEUE: &str = "SECURE_LOG_HTTP_QUEUE";
const CONNECTIONS: &str = "SECURE_LOG_HTTP_CONNECTIONS";
const TAILS: &str = "SECURE_LOG_HTTP_TAILS";
const RATE: &str = "SECURE_LOG_HTTP_RATE";

/// Every variable that is read, and what it is for.
pub const VARIABLES: Table = &[
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
    /// What every host of the API is told.
    pub common: Common,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate, where it speaks TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where the logs are.
    pub backend: Box<dyn Backend>,
    /// The keys.
    pub keystore: SoftwareKeystore,
    /// Whether there are any.
    pub has_keys: bool,
    /// The anchor's file.
    pub anchor: Option<PathBuf>,
    /// Threads that carry out requests.
    pub threads: usize,
    /// Requests that wait or are carried out.
    pub queue: usize,
    /// Connections.
    pub connections: usize,
    /// What the API holds callers to.
    pub limits: Limits,
}

impl Config {
    /// Reads these variables. Those of other programs are passed over, and one that begins like the server's own and is none of
    /// them is a mistake.
    pub fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Config, Mistakes> {
        let mut env = Reader::new(variables, VARIABLES);
        let listen = env
            .parsed(LISTEN, "an address and a port, such as 127.0.0.1:8080")
            .unwrap_or(([127, 0, 0, 1], 8080).into());
        let tls = tls(&mut env);
        check_plaintext(&mut env, listen, tls.is_some());
        let place = env.required(STORE, PLACES);
        let backend = place.and_then(|text| backend(&text).map_err(|why| env.wrong(STORE, &why)).ok());
        let common = env.common();
        let (keystore, has_keys) = keystore(&mut env);
        let anchor = anchor(&mut env);
        let threads = env.number(THREADS, 96, 1, 1024) as usize;
        let queue = env.number(QUEUE, 1024, 1, 65_536) as usize;
        let connections = env.number(CONNECTIONS, 4096, 1, 65_536) as usize;
        let per_second = env.number(RATE, 10_000, 1, 1_000_000) as u32;
        let tails = env.number(TAILS, 2000, 0, 65_536);
        let read = match (common, backend, keystore) {
            (Some(common), Some(backend), Some(keystore)) => Some(Config {
                limits: Limits {
                    max_body_bytes: common.max_body_bytes,
                    rate: Rate { per_second, burst: 2 * per_second },
                    tails,
                    ..Limits::default()
                },
                common,
                listen,
                tls,
                backend,
                keystore,
                has_keys,
                anchor,
                threads,
                queue,
                connections,
            }),
            _ => None,
        };
        env.end(read)
    }

    /// What it comes to, for a person, and without any secret.
    pub fn summary(&self) -> String {
        let key = if self.has_keys { self.common.logs.identity.as_str() } else { "none: heads are not signed" };
        let anchor = self.anchor.as_ref().map_or("none".into(), |path| path.display().to_string());
        format!(
            "listens on    {} ({})\nlogs          {}, called {}/..\ntokens        {}\nkey           {key}\nanchor        {anchor}",
            self.listen,
            if self.tls.is_some() { "TLS" } else { "plaintext" },
            self.backend,
            self.common.logs.origin,
            self.common.tokens.count(),
        )
    }
}

fn keystore(env: &mut Reader) -> (Option<SoftwareKeystore>, bool) {
    let lookup = |name: &str| env.raw(name).map(str::to_owned).ok_or(std::env::VarError::NotPresent);
    match secure_log_keystore::Config::from_env(lookup) {
        Ok(config) => {
            let has_keys = !matches!(config.source, secure_log_keystore::Source::Nothing);
            if let secure_log_keystore::Source::Folder { path, .. } = &config.source
                && !path.is_dir()
            {
                env.note(format!("{}: there is no such folder", secure_log_keystore::config::DIR));
            }
            (Some(SoftwareKeystore::new(config)), has_keys)
        }
        Err(error) => {
            // It names the variable itself.
            env.note(error.to_string());
            (None, false)
        }
    }
}

fn anchor(env: &mut Reader) -> Option<PathBuf> {
    let path = PathBuf::from(env.text(ANCHOR)?);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || !folder.is_dir() {
        env.wrong(ANCHOR, "a file in a folder that is there");
    }
    Some(path)
}

fn tls(env: &mut Reader) -> Option<Arc<ServerConfig>> {
    let (certificate, key) = match (env.text(CERTIFICATE), env.text(KEY)) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            env.wrong(KEY, "not set, and the certificate is");
            return None;
        }
        (None, Some(_)) => {
            env.wrong(CERTIFICATE, "not set, and its key is");
            return None;
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| env.wrong(CERTIFICATE, error)).ok();
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| env.wrong(KEY, error)).ok();
    let (chain, key) = (chain?, key?);
    if chain.is_empty() {
        env.wrong(CERTIFICATE, "there is no certificate in it");
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
            env.wrong(CERTIFICATE, error);
            None
        }
    }
}

/// Tokens do not go over a network as they are by an oversight.
fn check_plaintext(env: &mut Reader, listen: SocketAddr, tls: bool) {
    let tls_was_meant = env.text(CERTIFICATE).is_some() || env.text(KEY).is_some();
    match env.text(PLAINTEXT).as_deref() {
        None if !tls && !tls_was_meant && !listen.ip().is_loopback() => env.wrong(
            LISTEN,
            format!("{listen} is reached from other machines: set {CERTIFICATE} and {KEY}, or {PLAINTEXT}=behind-proxy where TLS ends in front of the server"),
        ),
        None | Some("behind-proxy") => {}
        Some(_) => env.wrong(PLAINTEXT, "'behind-proxy', or not set"),
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
