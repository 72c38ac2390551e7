//! What a witness answers to HTTP requests. Whoever listens to the network only passes on what stands here.
//!
//! | request | answer |
//! |---|---|
//! | `POST /add-checkpoint` | 200 and the cosignature, or what C2SP tlog-witness says |
//! | `GET /<SHA-256 of the origin in hex>/checkpoint` | the last head of a log, cosigned |
//! | `GET /verifier-key` | the key to give to those who trust the witness, if they have it from somebody they know |
//! | `GET /healthz` | 200 if it could cosign |

use secure_log::hash::Hash;
use secure_log::providers::Keystore;
use secure_log_disk::Disk;

use crate::config::{ConfigError, LABEL_VARIABLE, NAME_VARIABLE, STATE_VARIABLE, WitnessConfig};
use crate::record::Records;
use crate::request::{AddCheckpoint, MAX_REQUEST_BYTES};
use crate::witness::{Refusal, Witness};

/// Where heads are posted to.
pub const ADD_CHECKPOINT_PATH: &str = "/add-checkpoint";
/// Where anybody may ask whether the witness works.
pub const HEALTH_PATH: &str = "/healthz";
/// Where its operator reads its key.
pub const VERIFIER_KEY_PATH: &str = "/verifier-key";
/// The content type of the size in a conflict.
pub const SIZE_TYPE: &str = "text/x.tlog.size";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// A request, without its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// With or without a query.
    pub path: &'a str,
    /// How long the body is, if that was said.
    pub length: Option<u64>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To judge the head in the body.
    AddCheckpoint,
    /// The last head of the log whose origin has this SHA-256.
    Checkpoint(Hash),
    /// The witness's key.
    VerifierKey,
    /// Whether it works.
    Health,
}

impl Route {
    /// What a request asks for, or else the answer to it. Decided before its body is read.
    pub fn of(request: &Request<'_>) -> Result<Route, Response> {
        let path = request.path.split_once('?').map_or(request.path, |(path, _)| path);
        let (route, method) = match path {
            ADD_CHECKPOINT_PATH => (Route::AddCheckpoint, "POST"),
            HEALTH_PATH => (Route::Health, "GET"),
            VERIFIER_KEY_PATH => (Route::VerifierKey, "GET"),
            _ => {
                let hash = path.strip_prefix('/').and_then(|path| path.strip_suffix("/checkpoint"));
                let hash =
                    hash.and_then(Hash::from_hex).ok_or_else(|| Response::sentence(404, "there is nothing here"))?;
                (Route::Checkpoint(hash), "GET")
            }
        };
        if request.method != method {
            return Err(Response::sentence(405, format!("this is asked for with {method}")));
        }
        match request.length {
            Some(length) if length > MAX_REQUEST_BYTES as u64 => Err(Response::too_long()),
            _ => Ok(route),
        }
    }
}

/// A witness behind HTTP.
pub struct Endpoint<D>(Witness<D>);

impl<D: Disk> Endpoint<D> {
    /// Opens the witness that is configured, or says why there is none.
    pub fn open(config: &WitnessConfig, keystore: &dyn Keystore, disk: D) -> Result<Endpoint<D>, Response> {
        let WitnessConfig { name, state, label, logs } = config;
        let signer = keystore.signer(label).map_err(|error| {
            Response::sentence(503, "the witness's key cannot be used").with_note(format!("{LABEL_VARIABLE}: {error}"))
        })?;
        let witness = Witness::new(name, signer, logs.clone(), Records::new(disk, state)).map_err(|error| {
            let why = "the witness's name or key cannot be used";
            Response::sentence(503, why).with_note(format!("{NAME_VARIABLE}, {LABEL_VARIABLE}: {error}"))
        })?;
        Ok(Endpoint(witness))
    }

    /// Answers a request. `body` is that of [`Route::AddCheckpoint`], and `now` in seconds since 1970.
    pub fn serve(&self, route: Route, body: &[u8], now: u64) -> Response {
        match route {
            Route::AddCheckpoint => self.add_checkpoint(body, now),
            Route::Checkpoint(origin) => match self.0.last_checkpoint(&origin, now) {
                Ok(Some(note)) => Response::new(200, TEXT_TYPE, note.to_string()),
                Ok(None) => Response::sentence(404, "no head of such a log was cosigned here"),
                Err(refusal) => refused(&refusal),
            },
            Route::VerifierKey => Response::new(200, TEXT_TYPE, format!("{}\n", self.0.key())),
            Route::Health => match self.0.check() {
                Ok(()) => Response::sentence(200, "ok"),
                Err(error) => Response::sentence(503, format!("{STATE_VARIABLE} names no folder that can be used"))
                    .with_note(error.to_string()),
            },
        }
    }

    fn add_checkpoint(&self, body: &[u8], now: u64) -> Response {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Response::sentence(400, error.to_string()),
        };
        match self.0.add_checkpoint(&request, now) {
            Ok(line) => Response::new(200, TEXT_TYPE, format!("— {line}\n")),
            Err(refusal @ Refusal::Fork { .. }) => {
                // Nobody else may have both heads, and together they show that the log has two histories.
                refused(&refusal).with_note(format!("{refusal}: {:?}", request.note.to_string()))
            }
            Err(refusal) => refused(&refusal),
        }
    }
}

impl<D> core::fmt::Debug for Endpoint<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Endpoint").field(&self.0).finish()
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::NotAHead(_) | Refusal::OldSizeTooLarge { .. } => 400,
        Refusal::NotSigned | Refusal::WrongSignature(_) => 403,
        Refusal::UnknownLog => 404,
        Refusal::Conflict { size } | Refusal::Fork { size } => {
            return Response::new(409, SIZE_TYPE, format!("{size}\n"));
        }
        Refusal::Inconsistent => 422,
        // What is wrong with files and keys is for the operator, not for everybody.
        Refusal::Records(_) | Refusal::Key(_) => {
            return Response::sentence(500, "the witness failed, and cosigned nothing").with_note(refusal.to_string());
        }
    };
    Response::sentence(status, refusal.to_string())
}

/// Nobody but the operator needs more than the variable's name, as there may be paths in the rest.
impl From<ConfigError> for Response {
    fn from(error: ConfigError) -> Response {
        match error {
            ConfigError::NotSet(_) => Response::sentence(503, error.to_string()),
            _ => Response::sentence(503, format!("{} cannot be used", error.variable())).with_note(error.to_string()),
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Of the body.
    pub content_type: &'static str,
    /// What was asked for, or a sentence.
    pub body: String,
    /// What the operator has to know and the caller has not.
    pub note: Option<String>,
}

impl Response {
    fn new(status: u16, content_type: &'static str, body: String) -> Response {
        Response { status, content_type, body, note: None }
    }

    fn sentence(status: u16, body: impl Into<String>) -> Response {
        Response::new(status, TEXT_TYPE, body.into() + "\n")
    }

    fn with_note(mut self, note: String) -> Response {
        self.note = Some(note);
        self
    }

    /// The body is longer than it may be.
    pub fn too_long() -> Response {
        Response::sentence(413, format!("a request is at most {MAX_REQUEST_BYTES} bytes long"))
    }

    /// The body ended before it was all there.
    pub fn cut_short() -> Response {
        Response::sentence(400, "the body was cut short")
    }

    /// The body did not come in time.
    pub fn too_slow() -> Response {
        Response::sentence(408, "the body did not come in time")
    }
}
