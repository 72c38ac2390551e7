//! The tables of one log, over one connection.

use secure_log::store::StoreError;

use crate::connection::{Answer, Call, Connection, Outcome, Parameter};
use crate::failure::Failed;
use crate::insert::Known;
use crate::row::{Cells, Row};
use crate::search::Times;

/// How many heads a conflict answers.
const CONFLICT_HEADS: u32 = 16;

/// Statements begin in the order in which they were sent, each on what was committed until then. So what is read behind the lock
/// is what nobody changes until the end.
pub(crate) const BEGIN: Call<'static> = Call::Script("BEGIN ISOLATION LEVEL READ COMMITTED");

/// Takes the lock of the log. It changes the row, so that an engine which finds conflicts at the end finds this one, and a standby
/// has what was committed before when this is.
pub(crate) const LOCK: &str = "UPDATE secure_log.log SET changes = changes + 1 WHERE number = $1 AND name = $2";

/// The server ends the session of whoever holds a lock and does nothing with it, after so many milliseconds.
const IDLE: Call<'static> = Call::Script("SET LOCAL idle_in_transaction_session_timeout = 1000");

/// What works on the tables of a log.
pub(crate) struct Tables<'t> {
    pub(crate) connection: &'t mut Connection,
    pub(crate) name: &'t str,
    pub(crate) log: i64,
    /// What this store wrote last.
    pub(crate) known: &'t mut Known,
    /// Which times each part of the log has.
    pub(crate) times: &'t mut Times,
}

impl Tables<'_> {
    /// Does everything of `work` or nothing, while nobody else changes the log. What it does may be done again.
    pub(crate) fn changing<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Failed>) -> Result<T, Failed> {
        self.begin(Vec::new())?;
        match work(self) {
            Ok(done) => self.end_with(Vec::new()).map(|()| done).map_err(|(error, _)| error),
            Err(error) => Err(self.roll_back(error)),
        }
    }

    /// Begins a transaction and takes the log's lock, and keeps both for whatever is done next over this connection. Until then
    /// nobody else changes the log (decision 0146).
    pub(crate) fn take_turn(&mut self) -> Result<(), Failed> {
        if !self.connection.has_turn {
            self.begin(vec![IDLE])?;
            self.connection.has_turn = true;
        }
        Ok(())
    }

    /// Begins a transaction and takes the log's lock, and sends what is to be read first right behind it.
    pub(crate) fn begin(&mut self, first: Vec<Call<'_>>) -> Result<Vec<Answer>, Failed> {
        if core::mem::take(&mut self.connection.has_turn) {
            return self.connection.send(&first).map_err(|error| self.roll_back(error));
        }
        let log = self.log;
        let mut calls = vec![BEGIN, Call::Statement(LOCK, vec![&log, &self.name])];
        calls.extend(first);
        let mut answers = match self.connection.send(&calls) {
            Ok(answers) => answers,
            Err(error) => return Err(self.roll_back(error)),
        };
        if answers[1].count != 1 {
            // A server that did not get everything took the place of the one that knew the log.
            return Err(self.roll_back(Failed::Lost("the log is not there any more under its number".into())));
        }
        Ok(answers.split_off(2))
    }

    /// The last statements of a transaction, and its end.
    pub(crate) fn end_with(&mut self, calls: Vec<Call<'_>>) -> Result<(), (Failed, Outcome)> {
        self.connection.commit(calls).map_err(|(error, outcome)| match outcome {
            Outcome::NotDone => (self.roll_back(error), Outcome::NotDone),
            Outcome::Unknown => (Failed::Lost(text_of(error)), Outcome::Unknown),
        })
    }

    /// Takes back what was begun, so that the connection can be used again.
    pub(crate) fn roll_back(&mut self, error: Failed) -> Failed {
        *self.known = Known::default();
        self.connection.has_turn = false;
        if let Failed::Lost(_) = error {
            return error;
        }
        match self.connection.script("ROLLBACK") {
            Ok(()) => error,
            Err(_) => Failed::Lost(text_of(error)),
        }
    }

    /// What is read all of one state, within a transaction that changes nothing.
    pub(crate) fn reading<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failed>) -> Result<T, Failed> {
        if self.connection.has_turn {
            return read(self);
        }
        self.connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        let done = read(self);
        match self.connection.script("COMMIT") {
            Ok(()) => done,
            Err(error) => done.and(Err(error)),
        }
    }

    /// Why a commit or a log is not taken.
    pub(crate) fn conflict(&mut self) -> Result<Failed, Failed> {
        let heads = self.newest_heads(None, CONFLICT_HEADS)?.into_iter().map(|numbered| numbered.head).collect();
        Ok(StoreError::Conflict { heads }.into())
    }

    /// The first parameter of every statement is the log.
    pub(crate) fn query(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Answer, Failed> {
        let log = self.log;
        let mut values: Vec<Parameter<'_>> = vec![&log];
        values.extend_from_slice(parameters);
        self.connection.query(sql, &values)
    }

    pub(crate) fn run(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<u64, Failed> {
        self.query(sql, parameters).map(|answer| answer.count)
    }

    pub(crate) fn all<T>(
        &mut self,
        table: &'static str,
        sql: &'static str,
        parameters: &[Parameter<'_>],
        read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, Failed> {
        Ok(rows(table, &self.query(sql, parameters)?, read)?)
    }

    /// The first row, if there is one.
    pub(crate) fn one<T>(
        &mut self,
        table: &'static str,
        sql: &'static str,
        parameters: &[Parameter<'_>],
        read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Failed> {
        Ok(self.all(table, sql, parameters, read)?.into_iter().next())
    }
}

/// Reads the rows of an answer.
pub(crate) fn rows<T>(
    table: &'static str,
    answer: &Answer,
    mut read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    answer.rows.iter().map(|values| read(Row { table, values: Cells(values) })).collect()
}

fn text_of(error: Failed) -> String {
    match error {
        Failed::Store(error) => error.to_string(),
        Failed::Again(text) | Failed::Lost(text) => text,
    }
}
