//! Keys in files of one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use secure_log::hash::Hash;
use secure_log::providers::KeyError;
use zeroize::Zeroizing;

use crate::config::{DIR, PASSPHRASE, Passphrase};
use crate::key_file::{self, Fault, MAX_FILE_BYTES};
use crate::label::Label;
use crate::manage::ManageError;
use crate::signing::{BadKey, SigningKey};
use crate::symmetric::Symmetric;

const SIGNING: &str = "p8";
const SYMMETRIC: &str = "key";

type Secret = Arc<Zeroizing<Vec<u8>>>;

/// A folder of key files.
pub(crate) struct Folder {
    path: PathBuf,
    passphrase: Option<Passphrase>,
    /// What was opened, by file and by the hash of the file's bytes: stretching a passphrase takes a tenth of a second,
    /// and whoever could read these keys here could read the passphrase too. A file that was changed or removed since
    /// is never answered from here.
    opened: Mutex<BTreeMap<String, (Hash, Secret)>>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf, passphrase: Option<Passphrase>) -> Folder {
        Folder { path, passphrase, opened: Mutex::default() }
    }

    pub(crate) fn signing_key(&self, label: Label<'_>) -> Result<SigningKey, KeyError> {
        let file = file_name(label, SIGNING);
        let Some(der) = self.secret(&file, |bytes| key_file::open_pkcs8(bytes, self.passphrase.as_ref()))? else {
            return Err(self.absent(label, SIGNING, SYMMETRIC));
        };
        SigningKey::from_pkcs8(&der).map_err(|bad| match bad {
            BadKey::Malformed => KeyError::Backend(format!("{file:?} holds a malformed key")),
            BadKey::Unsupported(wanted) => KeyError::UnsupportedAlgorithm(format!("{file:?}: {wanted}")),
        })
    }

    pub(crate) fn symmetric_key(&self, label: Label<'_>) -> Result<Symmetric, KeyError> {
        let file = file_name(label, SYMMETRIC);
        let open = |bytes: &[u8]| key_file::open_symmetric(bytes, label, self.passphrase.as_ref());
        let Some(secret) = self.secret(&file, open)? else {
            return Err(self.absent(label, SYMMETRIC, SIGNING));
        };
        let mut key = Zeroizing::new([0; 32]);
        if secret.len() != key.len() {
            return Err(KeyError::Backend(format!("{file:?} does not hold 32 bytes")));
        }
        key.copy_from_slice(&secret);
        Ok(key)
    }

    /// Whether the label has a symmetric key, and no signing key.
    pub(crate) fn is_symmetric(&self, label: Label<'_>) -> bool {
        !self.exists(label, SIGNING) && self.exists(label, SYMMETRIC)
    }

    /// All labels, sorted.
    pub(crate) fn labels(&self) -> Result<Vec<String>, KeyError> {
        let failed = |error| io_error(&format!("the folder that {DIR} names"), error);
        let mut labels = BTreeSet::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let label = name.to_str().and_then(|name| name.rsplit_once('.'));
            if let Some((label, SIGNING | SYMMETRIC)) = label
                && Label::new(label).is_ok()
            {
                labels.insert(label.to_owned());
            }
        }
        Ok(labels.into_iter().collect())
    }

    /// Fails unless a key with this label could be made: early, before one is.
    pub(crate) fn check_free(&self, label: Label<'_>) -> Result<&Passphrase, ManageError> {
        if self.exists(label, SIGNING) || self.exists(label, SYMMETRIC) {
            return Err(ManageError::KeyExists(format!("{label}: a key with this label exists")));
        }
        self.passphrase
            .as_ref()
            .ok_or_else(|| ManageError::Unsupported(format!("keys are never written unencrypted: set {PASSPHRASE}")))
    }

    pub(crate) fn create_signing(&self, label: Label<'_>, key: &SigningKey) -> Result<(), ManageError> {
        let passphrase = self.check_free(label)?;
        self.create(label, SIGNING, &key_file::seal_pkcs8(&key.to_pkcs8()?, passphrase)?)
    }

    pub(crate) fn create_symmetric(&self, label: Label<'_>, key: &Symmetric) -> Result<(), ManageError> {
        let passphrase = self.check_free(label)?;
        self.create(label, SYMMETRIC, &key_file::seal_symmetric(key, label, passphrase)?)
    }

    /// Writes a key file that was not there. The unfinished file is also the lock: only its maker looks whether the
    /// label is free and then gives the file its name, so of several makers one wins and none overwrites.
    fn create(&self, label: Label<'_>, extension: &str, content: &[u8]) -> Result<(), ManageError> {
        let unfinished_name = format!(".{}.new", label.as_str());
        let unfinished = self.path.join(&unfinished_name);
        let file = match new_private_file().open(&unfinished) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(ManageError::KeyExists(format!(
                    "{label}: a key with this label is being made; if no longer, remove {unfinished_name:?}"
                )));
            }
            opened => opened.map_err(|error| io_error(&format!("{unfinished_name:?}"), error))?,
        };
        let name = file_name(label, extension);
        let failed = |error| ManageError::from(io_error(&format!("{name:?}"), error));
        let written = write_durably(file, content)
            .map_err(failed)
            .and_then(|()| self.check_free(label).map(|_| ()))
            .and_then(|()| fs::rename(&unfinished, self.path.join(&name)).map_err(failed));
        if written.is_err() {
            // Should this fail too, the file stays and the next attempt says so.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        sync_folder(&self.path).map_err(failed)
    }

    /// Opens a file, unless it is not there.
    fn secret(
        &self,
        file: &str,
        open: impl FnOnce(&[u8]) -> Result<Zeroizing<Vec<u8>>, Fault>,
    ) -> Result<Option<Secret>, KeyError> {
        let Some(bytes) = self.read(file)? else {
            return Ok(None);
        };
        let hash = Hash::sha256(&bytes);
        // The lock is not held while a passphrase is stretched: two threads may do so at once, to the same end.
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, secret)) = opened().get(file)
            && *of == hash
        {
            return Ok(Some(Arc::clone(secret)));
        }
        let secret = Arc::new(open(&bytes).map_err(|fault| explain(file, fault))?);
        opened().insert(file.to_owned(), (hash, Arc::clone(&secret)));
        Ok(Some(secret))
    }

    /// Reads a file, unless it is not there. That is only said of a file in a folder that is: a log must not be made
    /// without keys because a disk was not mounted.
    fn read(&self, file: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let path = self.path.join(file);
        let opened = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return match (fs::read_dir(&self.path), fs::symlink_metadata(&path)) {
                    (Err(error), _) => Err(io_error(&format!("the folder that {DIR} names"), error)),
                    (_, Ok(_)) => Err(KeyError::Backend(format!("{file:?} is a link that leads nowhere"))),
                    _ => Ok(None),
                };
            }
            opened => opened.map_err(|error| io_error(&format!("{file:?}"), error))?,
        };
        // All of the room at once: growing would leave parts of the key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 1));
        let limit = MAX_FILE_BYTES as u64 + 1;
        opened.take(limit).read_to_end(&mut bytes).map_err(|error| io_error(&format!("{file:?}"), error))?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(KeyError::Backend(format!("{file:?} is longer than {MAX_FILE_BYTES} bytes")));
        }
        Ok(Some(bytes))
    }

    fn exists(&self, label: Label<'_>, extension: &str) -> bool {
        fs::symlink_metadata(self.path.join(file_name(label, extension))).is_ok()
    }

    /// What to say of a key of which there is no file: never `NotFound` when the label has a key of the other kind.
    fn absent(&self, label: Label<'_>, wanted: &str, other: &str) -> KeyError {
        if self.exists(label, other) {
            return KeyError::AccessDenied(format!("{label} is a key for another use: .{other}, not .{wanted}"));
        }
        let file = file_name(label, wanted);
        KeyError::NotFound(format!("{label}: there is no {file:?} in the folder that {DIR} names"))
    }
}

fn file_name(label: Label<'_>, extension: &str) -> String {
    format!("{}.{extension}", label.as_str())
}

fn explain(file: &str, fault: Fault) -> KeyError {
    match fault {
        Fault::Malformed(wanted) => KeyError::Backend(format!("{file:?} is malformed: {wanted}")),
        Fault::Unsupported(wanted) => KeyError::UnsupportedAlgorithm(format!("{file:?}: {wanted}")),
        Fault::PassphraseNeeded => KeyError::AccessDenied(format!("{file:?} is encrypted: set {PASSPHRASE}")),
        Fault::NotEncrypted => {
            KeyError::AccessDenied(format!("{file:?} is not encrypted, and is not used while {PASSPHRASE} is set"))
        }
        Fault::WrongPassphrase => {
            KeyError::AccessDenied(format!("{file:?} does not open: {PASSPHRASE} is wrong, or the file is damaged"))
        }
    }
}

fn io_error(what: &str, error: io::Error) -> KeyError {
    match error.kind() {
        ErrorKind::PermissionDenied => KeyError::AccessDenied(format!("{what}: {error}")),
        _ => KeyError::Backend(format!("{what}: {error}")),
    }
}

/// Makes a file that was not there, which only its owner may read.
fn new_private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn write_durably(mut file: File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
}

/// Makes the new name durable. Windows has no such call.
fn sync_folder(path: &std::path::Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}
