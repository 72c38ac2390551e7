//! What the steps of one run share: the stack, the log under test, its keys and a scratch folder.

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::error::Context;
use wasmtime::{Result, ensure, format_err};

use crate::host::{Instance, Stack, Surroundings};
use crate::keys::{Keys, random};

/// Variables of ours that the steps set themselves or that would change what they may expect.
const NOT_PASSED: [&str; 4] =
    ["SECURE_LOG_SESSION", "SECURE_LOG_BOOT", "SECURE_LOG_HEAD_EVERY", "SECURE_LOG_ANCHOR_EVERY"];

/// One run against one stack and one log.
pub struct Session {
    stack: Stack,
    config: String,
    /// Who signs.
    pub keys: Keys,
    scratch: Scratch,
    main: Option<Instance>,
    run: u32,
}

impl Session {
    /// Gets ready to drive `stack` on the log at `config`. Opens nothing.
    pub fn new(stack: Stack, config: String, keys: Keys) -> Result<Session> {
        Ok(Session { stack, config, keys, scratch: Scratch::new()?, main: None, run: 0 })
    }

    /// The config of the log under test.
    pub fn config(&self) -> String {
        self.config.clone()
    }

    /// The file that the log under test is kept in, if its config names one.
    pub fn file(&self) -> Option<PathBuf> {
        folder_of(&self.config).map(|_| PathBuf::from(&self.config))
    }

    /// The log under test, which an earlier step opened.
    pub fn log(&mut self) -> Result<&mut Instance> {
        self.main.as_mut().ok_or_else(|| format_err!("the log is not open"))
    }

    /// Keeps the instance in which the log was opened. The first time this finds names for the streams of this run.
    pub fn keep(&mut self, mut log: Instance) -> Result<()> {
        if self.run == 0 {
            self.run = 1;
            while log.head(&self.stream("entries"))?.is_ok() {
                self.run += 1;
            }
        }
        self.main = Some(log);
        Ok(())
    }

    /// Lets go of the instance in which the log was opened.
    pub fn let_go(&mut self) {
        self.main = None;
    }

    /// A stream of this run; every run of the same log has its own.
    pub fn stream(&self, topic: &str) -> String {
        format!("verify-{}/{topic}", self.run)
    }

    /// A fresh instance that can reach the log under test.
    pub fn instance(&self) -> Result<Instance> {
        let mut surroundings = environment();
        if let Some(folder) = folder_of(&self.config) {
            surroundings = surroundings.folder(&folder, folder.display().to_string());
        }
        self.stack.instantiate(&self.keys.give_to(surroundings))
    }

    /// A fresh instance on a log of its own, away from the one under test, and its config. None where the store has
    /// neither files nor memory to make one in.
    pub fn elsewhere(&self, name: &str) -> Result<Option<(Instance, String)>> {
        self.elsewhere_with(name, |keys, surroundings| keys.give_to(surroundings))
    }

    /// The same with other keys or variables.
    pub fn elsewhere_with(
        &self,
        name: &str,
        adjust: impl FnOnce(&Keys, Surroundings) -> Surroundings,
    ) -> Result<Option<(Instance, String)>> {
        let config = match folder_of(&self.config) {
            Some(_) => self.file_name(name),
            None if self.config.starts_with(':') => self.config.clone(),
            None => return Ok(None),
        };
        // An anchor remembers the log under test, and is asked about no other.
        let surroundings = environment().folder(&self.scratch.folder, ".").without("SECURE_LOG_ANCHOR");
        Ok(Some((self.stack.instantiate(&adjust(&self.keys, surroundings))?, config)))
    }

    /// Where `elsewhere` keeps the log of this name.
    pub fn elsewhere_file(&self, name: &str) -> PathBuf {
        self.scratch.folder.join(self.file_name(name))
    }

    /// Takes away everything that `elsewhere` keeps for this name: the log, and what the store put beside it.
    pub fn clear_elsewhere(&self, name: &str) -> Result<()> {
        for path in self.beside(name)?.into_iter().chain([self.elsewhere_file(name)]) {
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match gone {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format_err!("{} cannot be taken away: {error}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The files and folders that the store put beside the log of this name, sorted.
    pub fn beside(&self, name: &str) -> Result<Vec<PathBuf>> {
        let log = self.elsewhere_file(name);
        let mut found = Vec::new();
        for file in fs::read_dir(&self.scratch.folder)? {
            let path = file?.path();
            if path != log && path.to_string_lossy().starts_with(&*log.to_string_lossy()) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn file_name(&self, name: &str) -> String {
        let extension = Path::new(&self.config).extension().and_then(|text| text.to_str()).unwrap_or("log");
        format!("{name}.{extension}")
    }
}

/// Fails where the log at `config` cannot be kept.
pub fn check_place(config: &str) -> Result<()> {
    if let Some(folder) = folder_of(config) {
        ensure!(folder.is_dir(), "the folder {} of the log does not exist: make it first", folder.display());
    }
    Ok(())
}

/// What of our own environment a guest sees.
fn environment() -> Surroundings {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("SECURE_LOG_") && !NOT_PASSED.contains(&name.as_str()))
        .fold(Surroundings::default(), |surroundings, (name, value)| surroundings.variable(name, value))
}

/// The folder that a config path lies in; none for a config that is no path, such as `:memory:` or a URL.
fn folder_of(config: &str) -> Option<PathBuf> {
    if config.starts_with(':') || config.contains("://") {
        return None;
    }
    let folder = Path::new(config).parent()?;
    Some(if folder.as_os_str().is_empty() { ".".into() } else { folder.into() })
}

/// A folder that goes when the run ends.
struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    fn new() -> Result<Scratch> {
        let folder = std::env::temp_dir().join(format!("secure-log-verify-{}", const_hex::encode(random::<8>())));
        fs::create_dir(&folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        Ok(Scratch { folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("the scratch folder {} stays behind: {error}", self.folder.display());
        }
    }
}
