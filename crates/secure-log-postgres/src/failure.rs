//! What goes wrong on the way to a server, by what can be done about it.

use secure_log::store::StoreError;
use tokio_postgres::error::{DbError, SqlState};

/// Why an operation was not done, or is not known to be.
#[derive(Debug)]
pub(crate) enum Failed {
    /// For the caller to know. The connection is good.
    Store(StoreError),
    /// Somebody else was in the way, and nothing was written: once more.
    Again(String),
    /// The connection is gone, or is of no use any more: what was under way may have been done or not.
    Lost(String),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        Failed::Store(error)
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Failed {
        match error.as_db_error() {
            Some(said) => said_by_server(said),
            None => Failed::Lost(with_causes(&error)),
        }
    }
}

/// Whether an error leaves open what became of a transaction whose end was asked for.
pub(crate) fn is_of_unknown_outcome(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        // Of an error the server has taken the transaction back, but where it says that it does not know, or ends itself.
        Some(said) => *said.code() == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN || ends_the_session(said),
        None => true,
    }
}

fn said_by_server(said: &DbError) -> Failed {
    let code = said.code();
    let text = || format!("{} (SQLSTATE {})", said.message(), code.code());
    if ends_the_session(said) {
        return Failed::Lost(text());
    }
    match code.code() {
        "40001" | "40P01" => Failed::Again(text()),
        "55P03" => Failed::Store(StoreError::Locked { detail: text() }),
        // A constraint: what the rows are derived from is not what it should be.
        code if code.starts_with("23") => Failed::Store(StoreError::Corrupt {
            at: said.table().map_or_else(|| "a record of the commit".into(), |table| format!("table {table}")),
            detail: text(),
        }),
        // A table or a column that is not there, or is another.
        code if code.starts_with("42") && code != "42501" => {
            Failed::Store(StoreError::Corrupt { at: "the tables".into(), detail: text() })
        }
        _ => Failed::Store(StoreError::Io { operation: "work with the database".into(), detail: text() }),
    }
}

/// The server shuts down, or is one that cannot be written to any more, as a primary that became a standby.
fn ends_the_session(said: &DbError) -> bool {
    let code = said.code().code();
    matches!(said.severity(), "FATAL" | "PANIC")
        || code.starts_with("08")
        || code.starts_with("57P")
        || code == "25006"
        || code == "25P03"
}

/// An error and what it came of. None of them holds what was sent.
pub(crate) fn with_causes(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
