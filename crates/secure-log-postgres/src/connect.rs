//! From a connection string to a session that can be written through.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secure_log::store::StoreError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

use crate::failure::{Failed, with_causes};
use crate::settings::Settings;
use crate::tls::Tls;

/// A warning of the server that was not looked at yet.
pub(crate) type Warning = Arc<Mutex<Option<String>>>;

/// Asked of each session. The answers are told apart by their order.
const STATE: &str = "SHOW transaction_read_only; SHOW server_encoding; SHOW synchronous_commit";

/// A commit is acknowledged when it is durable, whoever waits for a lock does not wait for ever, and a transaction whose client is
/// gone lets go of its own.
const SETUP: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'";
const DURABLE: &str = "SET synchronous_commit = on";

/// Connects to the first of the hosts that can be used.
pub(crate) async fn connect(settings: &Settings, tls: Option<&Tls>, warning: &Warning) -> Result<Client, Failed> {
    let hosts = Place::all(settings)?;
    let mut said = Vec::new();
    let mut refused = None;
    for host in &hosts {
        // One that says nothing takes no time from the others.
        let found = timeout(2 * settings.connect, host.connect(settings, tls, warning)).await;
        match found.unwrap_or_else(|_| Err(Failed::Lost("it does not answer".into()))) {
            Ok(client) => return Ok(client),
            Err(Failed::Lost(why) | Failed::Again(why)) => said.push(format!("{}: {why}", host.shown)),
            Err(Failed::Store(error)) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if said.is_empty() => Err(Failed::Store(error)),
        Some(error) => Err(Failed::Lost(format!("{}; {error}", said.join("; ")))),
        None => Err(Failed::Lost(said.join("; "))),
    }
}

/// One of the hosts.
struct Place {
    at: Host,
    /// What its certificate has to name.
    name: String,
    port: u16,
    shown: String,
}

impl Place {
    fn all(settings: &Settings) -> Result<Vec<Place>, StoreError> {
        let (hosts, addresses) = (settings.config.get_hosts(), settings.config.get_hostaddrs());
        let ports = settings.config.get_ports();
        let count = hosts.len().max(addresses.len());
        let fits = |length: usize, least: usize| length <= least || length == count;
        if !fits(hosts.len(), 0) || !fits(addresses.len(), 0) || !fits(ports.len(), 1) {
            return Err(StoreError::Config("there are not as many hosts as addresses or ports".into()));
        }
        let place = |at: usize| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            let address = addresses.get(at).map(|address| Host::Tcp(address.to_string()));
            let host = hosts.get(at).cloned().or_else(|| address.clone()).expect("there is one or the other");
            let name = match &host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            };
            let shown = format!("{name}:{port}");
            Place { at: address.unwrap_or(host), name, port, shown }
        };
        Ok((0..count).map(place).collect())
    }

    async fn connect(&self, settings: &Settings, tls: Option<&Tls>, warning: &Warning) -> Result<Client, Failed> {
        let client = match &self.at {
            Host::Tcp(name) => {
                self.begin(tcp(name, self.port, settings.connect).await?, settings, tls, warning).await?
            }
            #[cfg(unix)]
            Host::Unix(folder) => {
                let path = folder.join(format!(".s.PGSQL.{}", self.port));
                let stream = tokio::net::UnixStream::connect(path).await.map_err(unconnected)?;
                // Nobody is in between.
                self.begin(stream, settings, None, warning).await?
            }
        };
        prepare(&client, settings).await?;
        Ok(client)
    }

    async fn begin<S>(
        &self,
        stream: S,
        settings: &Settings,
        tls: Option<&Tls>,
        warning: &Warning,
    ) -> Result<Client, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut config = settings.config.clone();
        match tls {
            Some(tls) => {
                let (client, connection) = config.connect_raw(stream, tls.to(&self.name)).await.map_err(unbegun)?;
                drive(connection, warning);
                Ok(client)
            }
            None => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(unbegun)?;
                drive(connection, warning);
                Ok(client)
            }
        }
    }
}

/// Reads and writes for as long as there is a client, and keeps what the server warns of.
fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, warning: &Warning)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let warning = warning.clone();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message
                && notice.severity() == "WARNING"
            {
                *warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice.message().into());
            }
        }
    });
}

/// Finds out whether the session is of use, and says how it is to be.
async fn prepare(client: &Client, settings: &Settings) -> Result<(), Failed> {
    let mut answers = Vec::new();
    for message in client.simple_query(STATE).await? {
        if let SimpleQueryMessage::Row(row) = message {
            answers.push(row.get(0).unwrap_or_default().to_owned());
        }
    }
    let [read_only, encoding, synchronous] = &answers[..] else {
        return Err(Failed::Lost("it does not say what it is".into()));
    };
    if settings.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite && read_only != "off" {
        return Err(Failed::Lost("it cannot be written to".into()));
    }
    if !encoding.eq_ignore_ascii_case("utf8") {
        let detail = format!("the database's encoding is {encoding}: make one with encoding UTF8");
        return Err(StoreError::Config(detail).into());
    }
    client.batch_execute(SETUP).await?;
    if synchronous == "off" {
        client.batch_execute(DURABLE).await?;
    }
    Ok(())
}

#[cfg(not(target_family = "wasm"))]
async fn tcp(name: &str, port: u16, patience: Duration) -> Result<TcpStream, Failed> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await.map_err(unconnected)?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name stands for no address");
    for address in addresses {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(unconnected)?;
                keep_alive(&stream, patience).map_err(unconnected)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unconnected(last))
}

/// A connection that waits in the pool, and whose other end is gone, is noticed before it is used.
#[cfg(not(target_family = "wasm"))]
fn keep_alive(stream: &TcpStream, every: Duration) -> io::Result<()> {
    let keep_alive = socket2::TcpKeepalive::new().with_time(every).with_interval(every);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// A component has the sockets of the standard library, which wait.
#[cfg(target_family = "wasm")]
async fn tcp(name: &str, port: u16, _: Duration) -> Result<TcpStream, Failed> {
    use std::net::ToSocketAddrs;
    let addresses: Vec<SocketAddr> = (name, port).to_socket_addrs().map_err(unconnected)?.collect();
    let stream = std::net::TcpStream::connect(&addresses[..]).map_err(unconnected)?;
    stream.set_nonblocking(true).map_err(unconnected)?;
    TcpStream::from_std(stream).map_err(unconnected)
}

fn unconnected(error: io::Error) -> Failed {
    Failed::Lost(error.to_string())
}

/// What a server says to a greeting.
fn unbegun(error: tokio_postgres::Error) -> Failed {
    match error.as_db_error() {
        // Who we are, or the database that we want: trying again does not help.
        Some(said) if said.code().code().starts_with("28") || said.code().code() == "3D000" => {
            Failed::Store(StoreError::Config(format!("the server refuses the connection: {}", said.message())))
        }
        Some(said) => Failed::Lost(said.message().into()),
        None => Failed::Lost(with_causes(&error)),
    }
}
