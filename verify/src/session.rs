//! What the steps of one run share: the stack, the log under test, its keys and a scratch folder.

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::error::Context;
use wasmtime::{Result, ensure, format_err};

use crate::database::Database;
use crate::endpoint::{Endpoints, URL_VARIABLE};
use crate::host::{Instance, Stack, Surroundings};
use crate::keys::{Keys, random};
use crate::pipe::{PROGRAM_VARIABLE, Pipes};

/// Variables of ours that the steps set themselves or that would change what they may expect.
const NOT_PASSED: [&str; 4] =
    ["SECURE_LOG_SESSION", "SECURE_LOG_BOOT", "SECURE_LOG_HEAD_EVERY", "SECURE_LOG_ANCHOR_EVERY"];

/// One run against one stack and one log.
pub struct Session {
    stack: Stack,
    stack_file: PathBuf,
    config: String,
    place: Place,
    /// Who signs.
    pub keys: Keys,
    scratch: Scratch,
    main: Option<Instance>,
    run: u32,
}

/// Where logs are kept.
enum Place {
    /// In files that the stack's store opens.
    Files,
    /// In files, each behind a server of its own.
    Servers(Endpoints),
    /// In programs at the other ends of pipes.
    Pipes(Pipes),
    /// In a database on the network.
    Database(Database),
    /// Nowhere: each instance has its own.
    Memory,
    /// With somebody who has this one log.
    Elsewhere,
}

impl Session {
    /// Gets ready to drive the stack that was loaded from `file` on the log at `config`. Opens nothing.
    pub fn new(stack: Stack, file: &Path, config: String, keys: Keys) -> Result<Session> {
        let scratch = Scratch::new()?;
        // Who calls a witness has its store here.
        let stores_elsewhere = stack.calls_out() && witness_url().is_none();
        let place = if config.starts_with(':') {
            Place::Memory
        } else if Database::is_named_by(&config) {
            Place::Database(Database::of(&config)?)
        } else if let Some(program) = std::env::var_os(PROGRAM_VARIABLE) {
            Place::Pipes(Pipes::to(program))
        } else if stores_elsewhere && std::env::var_os(URL_VARIABLE).is_none() {
            Place::Servers(Endpoints::beside(file, &scratch.folder)?)
        } else if stores_elsewhere || config.contains("://") {
            Place::Elsewhere
        } else {
            Place::Files
        };
        Ok(Session { stack, stack_file: file.into(), config, place, keys, scratch, main: None, run: 0 })
    }

    /// The config of the log under test.
    pub fn config(&self) -> String {
        self.config.clone()
    }

    /// The file that the log under test is kept in, if its config names one.
    pub fn file(&self) -> Option<PathBuf> {
        matches!(self.place, Place::Files | Place::Servers(_)).then(|| PathBuf::from(&self.config))
    }

    /// The verifier that imports nothing, if it lies beside the stack.
    pub fn verifier(&self) -> Option<PathBuf> {
        Some(self.stack_file.with_file_name(crate::verifier::FILE)).filter(|file| file.is_file())
    }

    /// Whether a config names a file that the stack itself opens, so that it can name one that cannot be opened.
    pub fn opens_files(&self) -> bool {
        matches!(self.place, Place::Files)
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
        let surroundings = match &self.place {
            Place::Files => {
                let folder = folder_of(&self.config);
                environment().folder(&folder, folder.display().to_string())
            }
            Place::Servers(servers) => servers.reach(Path::new(&self.config), environment())?,
            Place::Pipes(pipes) => pipes.reach(Path::new(&self.config), environment())?,
            Place::Database(_) => environment().network(),
            Place::Memory | Place::Elsewhere => environment(),
        };
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
        // An anchor remembers the log under test, and is asked about no other.
        let surroundings = environment().without("SECURE_LOG_ANCHOR").without("SECURE_LOG_TRUST");
        let (surroundings, config) = match &self.place {
            Place::Files => (surroundings.folder(&self.scratch.folder, "."), self.file_name(name)),
            Place::Servers(servers) => (servers.reach(&self.elsewhere_file(name), surroundings)?, self.file_name(name)),
            Place::Pipes(pipes) => (pipes.reach(&self.elsewhere_file(name), surroundings)?, self.file_name(name)),
            Place::Database(database) => (surroundings.network(), database.config(name)),
            Place::Memory => (surroundings, self.config.clone()),
            Place::Elsewhere => return Ok(None),
        };
        Ok(Some((self.stack.instantiate(&adjust(&self.keys, surroundings))?, config)))
    }

    /// Whether a log that `elsewhere` keeps is there after its instance has gone.
    pub fn outlives(&self) -> bool {
        matches!(self.place, Place::Files | Place::Servers(_) | Place::Pipes(_) | Place::Database(_))
    }

    /// Whether a log that `elsewhere` keeps is in files of this machine.
    pub fn has_files(&self) -> bool {
        matches!(self.place, Place::Files | Place::Servers(_))
    }

    /// Address of the witness that cosigns the heads of the log under test, if one does.
    pub fn witness(&self) -> Option<String> {
        witness_url().filter(|_| self.stack.calls_out())
    }

    /// Whether the stack exports the audit profile.
    pub fn has_audit(&self) -> bool {
        self.stack.has_audit()
    }

    /// A folder of this name among what goes when the run ends.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.folder.join(format!("anchor-of-{name}"))
    }

    /// Where `elsewhere` keeps the log of this name.
    pub fn elsewhere_file(&self, name: &str) -> PathBuf {
        self.scratch.folder.join(self.file_name(name))
    }

    /// Takes away everything that `elsewhere` keeps for this name: the log, and what the store put beside it.
    pub fn clear_elsewhere(&self, name: &str) -> Result<()> {
        if let Place::Database(database) = &self.place {
            database.clear(name);
        }
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
    if !config.starts_with(':') && !config.contains("://") {
        let folder = folder_of(config);
        ensure!(folder.is_dir(), "the folder {} of the log does not exist: make it first", folder.display());
    }
    Ok(())
}

/// The address of a witness, where the anchor is one.
fn witness_url() -> Option<String> {
    std::env::var("SECURE_LOG_ANCHOR").ok().filter(|anchor| anchor.contains("://"))
}

/// What of our own environment a guest sees.
fn environment() -> Surroundings {
    std::env::vars()
        .filter(|(name, _)| name.starts_with("SECURE_LOG_") && !NOT_PASSED.contains(&name.as_str()))
        .fold(Surroundings::default(), |surroundings, (name, value)| surroundings.variable(name, value))
}

/// The folder that a config path lies in.
fn folder_of(config: &str) -> PathBuf {
    match Path::new(config).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => ".".into(),
    }
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
