//! A connection, and statements that are sent together.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use secure_log::store::StoreError;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use crate::connect::{Warning, connect};
use crate::failure::{Failed, is_of_unknown_outcome};
use crate::settings::Settings;
use crate::tls::Tls;

/// A parameter of a statement.
pub(crate) type Parameter<'p> = &'p (dyn ToSql + Sync);

/// A statement to be sent.
pub(crate) enum Call<'p> {
    /// As it stands, and without an answer of interest.
    Script(&'p str),
    /// With parameters, prepared once for each connection.
    Statement(&'static str, Vec<Parameter<'p>>),
}

/// What a statement answered.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Rows that it changed or answered.
    pub(crate) count: u64,
}

/// A session on a server. It is driven by whoever calls it and does nothing in between.
pub(crate) struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    warning: Warning,
    answer: Duration,
    /// A transaction is open that has the log's lock, for a commit to come: see [`Tables::take_turn`](crate::tables::Tables::take_turn).
    pub(crate) has_turn: bool,
    // `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // An ordinary drop waits, which a thread that drives other tasks must not do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Connection {
    pub(crate) fn open(settings: &Settings, tls: Option<&Tls>) -> Result<Connection, Failed> {
        let begin = |error: std::io::Error| StoreError::Io {
            operation: "get ready to connect".into(),
            detail: error.to_string(),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(begin)?;
        let warning = Warning::default();
        match runtime.block_on(connect(settings, tls, &warning)) {
            Ok(client) => {
                let answer = settings.answer;
                let statements = HashMap::new();
                Ok(Connection { client, statements, warning, answer, has_turn: false, runtime: Some(runtime) })
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Whether it is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Failed> {
        self.send(&[Call::Script(sql)]).map(drop)
    }

    pub(crate) fn query(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Answer, Failed> {
        let mut answers = self.send(&[Call::Statement(sql, parameters.to_vec())])?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Sends statements without waiting in between, and answers what each of them answered, or the first error.
    pub(crate) fn send(&mut self, calls: &[Call<'_>]) -> Result<Vec<Answer>, Failed> {
        self.prepare(calls)?;
        let sent = self.send_prepared(calls)?;
        Ok(sent.into_iter().collect::<Result<_, Error>>()?)
    }

    /// Sends statements and, behind them, the end of the transaction. The flag says whether what became of it is known.
    pub(crate) fn commit(&mut self, mut calls: Vec<Call<'_>>) -> Result<(), (Failed, Outcome)> {
        self.prepare(&calls).map_err(|error| (error, Outcome::NotDone))?;
        calls.push(Call::Script("COMMIT"));
        self.take_warning();
        let answers = self.send_prepared(&calls).map_err(|error| (error, Outcome::Unknown))?;
        let failed = answers.into_iter().find_map(Result::err);
        if let Some(error) = failed {
            let outcome = if is_of_unknown_outcome(&error) { Outcome::Unknown } else { Outcome::NotDone };
            return Err((error.into(), outcome));
        }
        // As when somebody makes the server stop waiting for the standby.
        match self.take_warning() {
            Some(warning) => Err((Failed::Lost(warning), Outcome::Unknown)),
            None => Ok(()),
        }
    }

    fn take_warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn prepare(&mut self, calls: &[Call<'_>]) -> Result<(), Failed> {
        let mut missing: Vec<&'static str> = Vec::new();
        for call in calls {
            if let Call::Statement(sql, _) = call
                && !self.statements.contains_key(sql)
                && !missing.contains(sql)
            {
                missing.push(sql);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let client = &self.client;
        let prepared = self.wait(together(missing.iter().map(|sql| boxed(client.prepare(sql))).collect()))?;
        for (sql, statement) in missing.into_iter().zip(prepared) {
            self.statements.insert(sql, statement?);
        }
        Ok(())
    }

    fn send_prepared(&self, calls: &[Call<'_>]) -> Result<Vec<Result<Answer, Error>>, Failed> {
        let futures = calls
            .iter()
            .map(|call| match call {
                Call::Script(sql) => boxed(async { self.client.batch_execute(sql).await.map(|()| Answer::default()) }),
                Call::Statement(sql, parameters) => {
                    boxed(self.collect(&self.statements[sql], parameters.iter().copied()))
                }
            })
            .collect();
        self.wait(together(futures))
    }

    async fn collect<'p>(
        &self,
        statement: &Statement,
        parameters: impl ExactSizeIterator<Item = Parameter<'p>>,
    ) -> Result<Answer, Error> {
        let mut found = Box::pin(self.client.query_raw(statement, parameters).await?);
        let mut rows = Vec::new();
        while let Some(row) = poll_fn(|cx| found.as_mut().poll_next(cx)).await {
            rows.push(row?);
        }
        Ok(Answer { rows, count: found.rows_affected().unwrap_or(0) })
    }

    /// Waits for as long as a server may take.
    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Failed> {
        let runtime = self.runtime.as_ref().expect("it is there until the connection is dropped");
        let late = |_| Failed::Lost(format!("the server has not answered within {} seconds", self.answer.as_secs()));
        runtime.block_on(async { timeout(self.answer, work).await }).map_err(late)
    }
}

/// Whether a transaction whose end was asked for may have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    NotDone,
    Unknown,
}

type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

fn boxed<'f, T>(future: impl Future<Output = T> + 'f) -> Boxed<'f, T> {
    Box::pin(future)
}

/// Waits for all of them. They begin in the order in which they stand, in which statements are sent.
async fn together<T>(mut futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
