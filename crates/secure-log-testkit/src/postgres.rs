//! PostgreSQL servers of tests' own: each in a folder of its own, on a free port, gone with the process that started it.
//!
//! The binaries are those of Debian's package `postgresql`, or on the PATH. They refuse to run as root, so that another user's
//! rights are taken then. Where they are missing, whoever wanted a server says that it did not run.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The password of the user `postgres`.
pub const PASSWORD: &str = "a secret, 'quoted'";

/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server until its own input ends, and leaves nothing. Arguments: the folder, and the server with its options.
const SUPERVISE: &str = r#"
folder=$1; shift
"$@" >"$folder/said" 2>&1 </dev/null &
server=$!
read -r word || :
kill -KILL $server $(ps -o pid= --ppid $server) 2>/dev/null
wait $server 2>/dev/null
rm -rf "$folder"
"#;

/// A server.
pub struct Server {
    folder: PathBuf,
    port: u16,
    user: Option<User>,
    supervisor: Child,
}

/// Whose rights a server gets.
#[derive(Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

/// The one server that the tests of a process share; `None` where there can be none, which is said.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["-c", "fsync=off"])).as_ref()
}

impl Server {
    /// A new one with these options of the program `postgres`.
    pub fn start(options: &[&str]) -> Option<Server> {
        let bin = binaries()?;
        let (folder, user) = new_folder();
        fs::write(folder.join("password"), PASSWORD).expect("the folder takes a file");
        give(&folder.join("password"), user);
        let data = folder.join("data");
        let mut initdb = as_user(user, bin.join("initdb"));
        initdb.args(["--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        initdb.arg("--pwfile").arg(folder.join("password")).arg("-D").arg(&data);
        done(initdb, "initdb");
        let server = Server::over(folder, user, options);
        server.wait();
        Some(server)
    }

    /// A standby of this server, which streams from it under the name `standby`.
    pub fn standby(&self, options: &[&str]) -> Server {
        let bin = binaries().expect("there is a server already");
        let (folder, user) = new_folder();
        let mut copy = as_user(user, bin.join("pg_basebackup"));
        let source = format!("{} application_name=standby", self.config("postgres"));
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname", &source]);
        copy.arg("-D").arg(folder.join("data"));
        done(copy, "pg_basebackup");
        let server = Server::over(folder, user, options);
        server.wait();
        server
    }

    /// Runs the server whose data are in a folder.
    fn over(folder: PathBuf, user: Option<User>, options: &[&str]) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let supervisor = supervise(&folder, user, port, options);
        Server { folder, port, user, supervisor }
    }

    /// A connection string for a database of this server.
    pub fn config(&self, database: &str) -> String {
        format!("{} sslmode=disable", self.place(database))
    }

    /// The same as a URL.
    pub fn url(&self, database: &str) -> String {
        let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("postgresql://postgres:{password}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The same without a word about TLS.
    pub fn place(&self, database: &str) -> String {
        let password = PASSWORD.replace('\'', "\\'");
        format!("host=127.0.0.1 port={} user=postgres password='{password}' dbname={database}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data are.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes a database of a new name, and answers a connection string for it.
    pub fn database(&self) -> String {
        self.config(&self.new_database())
    }

    /// Makes a database and answers its name.
    pub fn new_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// What `psql` answers to statements.
    ///
    /// # Panics
    /// Where they fail.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// The same, or what it says when they fail.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let bin = binaries().expect("there is a server already");
        let mut psql = Command::new(bin.join("psql"));
        psql.args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-qtA", "-d", &self.config(database), "-c", sql]);
        let output = psql.output().expect("psql runs");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().into()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
        }
    }

    /// Puts a file of the server's own into its folder, and answers where.
    pub fn keep(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, content).expect("the folder takes a file");
        let mut permissions = fs::metadata(&path).expect("it is there").permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        fs::set_permissions(&path, permissions).expect("it is ours");
        give(&path, self.user);
        path
    }

    /// An empty folder of its own on a disk of this size, as `mount` spells it; `None` where none can be mounted.
    pub fn small_disk(&self, size: &str) -> Option<SmallDisk> {
        let disk = SmallDisk(self.folder.join("small"));
        fs::create_dir(&disk.0).expect("a folder");
        disk.mount(&format!("size={size}")).ok()?;
        give(&disk.0, self.user);
        Some(disk)
    }

    /// Its processes stand still until [`Server::resume`].
    pub fn pause(&self) {
        signal("STOP", &self.processes());
    }

    /// They go on.
    pub fn resume(&self) {
        signal("CONT", &self.processes());
    }

    fn processes(&self) -> Vec<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let server = file.lines().next().and_then(|line| line.trim().parse().ok());
        server.into_iter().flat_map(|server| [vec![server], children(server)].concat()).collect()
    }

    /// Kills all its processes at once, as when its machine stops.
    pub fn kill(&self) {
        // None of them sees another one go.
        self.pause();
        signal("KILL", &self.processes());
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        self.psql("postgres", "SELECT pg_promote(true, 60)");
    }

    /// Runs it again after it was killed, with these options.
    pub fn restart(&mut self, options: &[&str]) {
        // The supervisor goes without taking the folder.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        self.supervisor = supervise(&self.folder, self.user, self.port, options);
        self.wait();
    }

    /// Waits until it answers.
    fn wait(&self) {
        let begun = Instant::now();
        while self.try_psql("postgres", "SELECT 1").is_err() {
            if begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
                panic!("the server does not begin: {said}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A disk in memory, mounted for as long as this lives.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it another size.
    pub fn resize(&self, size: &str) {
        self.mount(&format!("remount,size={size}")).expect("it was mounted before");
    }

    fn mount(&self, options: &str) -> Result<(), String> {
        let mut command = Command::new("mount");
        let output = command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Where nothing was mounted, there is nothing to take away.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input ends.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

fn supervise(folder: &Path, user: Option<User>, port: u16, options: &[&str]) -> Child {
    let bin = binaries().expect("there is a server already");
    let mut command = as_user(user, "sh");
    command.args(["-c", SUPERVISE, "sh"]).arg(folder).arg(bin.join("postgres")).arg("-D").arg(folder.join("data"));
    command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    command.args(["-c", "max_connections=200"]).args(options);
    // Another process that the test starts meanwhile must not hold its input open.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a shell runs")
}

/// Where the programs of PostgreSQL are, the newest of them; says that nothing is run where there are none.
fn binaries() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let mut folders: Vec<(u32, PathBuf)> = Vec::new();
        for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
            let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            folders.push((version, entry.path().join("bin")));
        }
        folders.sort();
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let all = folders.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&on_path));
        let found = all.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
        if found.is_none() {
            let _ = writeln!(std::io::stderr(), "NOT RUN: PostgreSQL is not installed (Debian's package postgresql)");
        }
        found
    };
    FOUND.get_or_init(find).clone()
}

/// A folder of the user that the server runs as.
fn new_folder() -> (PathBuf, Option<User>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("secure-log-postgres-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("a folder for the server");
    let user = other_user(&folder);
    give(&folder, user);
    (folder, user)
}

/// Somebody else, where this process is root's.
#[cfg(unix)]
fn other_user(folder: &Path) -> Option<User> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata(folder).expect("it was just made").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("root reads it");
    let user = |name: &str| {
        let fields: Vec<&str> = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').collect();
        Some(User { id: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
    };
    user("postgres").or_else(|| user("nobody"))
}

#[cfg(not(unix))]
fn other_user(_: &Path) -> Option<User> {
    None
}

fn give(path: &Path, user: Option<User>) {
    #[cfg(unix)]
    if let Some(User { id, group }) = user {
        std::os::unix::fs::chown(path, Some(id), Some(group)).expect("root gives files away");
    }
    #[cfg(not(unix))]
    let _ = (path, user);
}

/// A program with a user's rights, in a folder that everybody may be in.
fn as_user(user: Option<User>, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = match user {
        None => Command::new(program),
        Some(User { id, group }) => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={id}"), format!("--regid={group}"), "--clear-groups".into()]).arg(program);
            command
        }
    };
    command.current_dir("/");
    command
}

fn done(mut command: Command, name: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

fn children(of: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", &of.to_string()]).output().expect("ps runs");
    String::from_utf8_lossy(&output.stdout).split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn signal(name: &str, processes: &[u32]) {
    let processes = processes.iter().map(u32::to_string);
    // One of them may be gone already.
    let _ = Command::new("kill").arg(format!("-{name}")).args(processes).stderr(Stdio::null()).status();
}
