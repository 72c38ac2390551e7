//! The JSON of arguments and answers (docs/rpc.md).

mod binary;
mod commit;
mod row;
mod search;

use core::convert::Infallible;
use core::fmt;

use secure_log::store::StoreError;
use serde::{Deserialize, Serialize};

pub(crate) use binary::{Binary, Digest, Digests, Key};
pub(crate) use commit::{Commit, encode as encode_commit, encode_load};
pub(crate) use row::{
    DataKeyRow, HeadRow, IndexRow, LogRow, NodeId, NumberedHead, NumberedWitness, Row, SegmentRow, SignatureRow,
    StreamState, Subject, TreeId, WitnessRow,
};
pub(crate) use search::EntrySearch;

/// What a call answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer<T> {
    Ok(T),
    Err(Error),
}

/// What `init` answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Opened {
    pub(crate) version: u32,
    pub(crate) torn: Option<Torn>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Torn {
    pub(crate) bytes: u64,
    pub(crate) kept_as: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EntryRange {
    pub(crate) stream_id: Option<String>,
    pub(crate) from_seqno: u64,
    pub(crate) to_seqno: u64,
    pub(crate) limit: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct IndexRange {
    pub(crate) key: Key,
    pub(crate) from_seqno: u64,
    pub(crate) to_seqno: u64,
    pub(crate) newest_first: bool,
    pub(crate) limit: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ScanPage<'a> {
    #[serde(borrow)]
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) next: Option<u64>,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Error {
    Conflict(Vec<HeadRow<'static>>),
    Locked(String),
    Corrupt { at: String, detail: String },
    LaterVersion { at: String, what: String },
    Config(String),
    Io { operation: String, detail: String },
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Conflict { heads } => {
                Error::Conflict(heads.iter().map(|head| HeadRow::from(head).into_owned()).collect())
            }
            StoreError::Locked { detail } => Error::Locked(detail),
            StoreError::Corrupt { at, detail } => Error::Corrupt { at, detail },
            StoreError::LaterVersion { at, what } => Error::LaterVersion { at, what },
            StoreError::Config(detail) => Error::Config(detail),
            StoreError::Io { operation, detail } => Error::Io { operation, detail },
            // A case that this crate does not know yet says at least that a write may have happened.
            other => Error::Io { operation: "use the store".into(), detail: other.to_string() },
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match error {
            Error::Conflict(heads) => StoreError::Conflict { heads: heads.into_iter().map(Into::into).collect() },
            Error::Locked(detail) => StoreError::Locked { detail },
            Error::Corrupt { at, detail } => StoreError::Corrupt { at, detail },
            Error::LaterVersion { at, what } => StoreError::LaterVersion { at, what },
            Error::Config(detail) => StoreError::Config(detail),
            Error::Io { operation, detail } => StoreError::Io { operation, detail },
        }
    }
}

/// The other side sent something that the contract rules out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) at: &'static str,
    pub(crate) detail: String,
    /// It is not even JSON: more likely something happened to it on its way than that somebody sent it.
    pub(crate) broken: bool,
}

impl Malformed {
    pub(crate) fn new(at: &'static str, detail: impl Into<String>) -> Malformed {
        Malformed { at, detail: detail.into(), broken: false }
    }
}

impl From<Infallible> for Malformed {
    fn from(never: Infallible) -> Malformed {
        match never {}
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.detail)
    }
}

/// Of our own types, none of which can fail to be written.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("a type of ours has no map with keys that are no text")
}

/// Reads all of the text as a `T`.
pub(crate) fn from_json<'de, T: Deserialize<'de>>(text: &'de str, at: &'static str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|error| {
        // The message may quote what stands there, which may be long and is somebody else's.
        let detail = crate::text::harmless(&error.to_string());
        Malformed { at, detail, broken: !error.is_data() }
    })
}
