//! Exports, in memory that their length does not change.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use secure_log::engine::Export;
use secure_log::error::LogError;
use secure_log::export::{ExportOptions, Format};

use crate::api::{Admitted, Api, OpenLog};
use crate::message::{Next, Response, Stream};
use crate::metrics::Held;
use crate::params::refused;
use crate::problem::Problem;

pub(super) fn export(api: &Api, request: &Admitted, log: Arc<OpenLog>) -> Result<Response, Problem> {
    let params = &request.params;
    let place = api.exports.hold();
    if api.exports.count() > api.limits.exports {
        return Err(Problem::new("busy").retry_after(1).fact("limit", api.limits.exports));
    }
    let format = params.one("format").unwrap_or("jsonl").parse();
    let format: Format = format.map_err(|_| refused("format", "jsonl, csv, ocsf or otlp"))?;
    let options = ExportOptions {
        stream: params.one("stream").map(str::to_owned),
        from: params.number("from")?.unwrap_or(1),
        to: params.number("to")?.unwrap_or(u64::MAX),
        ..ExportOptions::new(format)
    };
    let mut export = log.log.lock().export(&options)?;
    // What is wrong with the first page is an answer of its own, and not one that ends in the middle.
    let first = page(&mut export, &log)?;
    let content_type = if format == Format::Csv { "text/csv; charset=utf-8" } else { "application/x-ndjson" };
    Ok(Response::stream(content_type, Exporting { export, log, first: Some(first), _place: place }))
}

struct Exporting {
    export: Export,
    log: Arc<OpenLog>,
    /// Read, and not given out.
    first: Option<Option<Vec<u8>>>,
    _place: Held,
}

fn page(export: &mut Export, log: &OpenLog) -> Result<Option<Vec<u8>>, LogError> {
    export.next_page(&mut log.log.lock())
}

impl Stream for Exporting {
    fn next(&mut self, _: &Waker) -> Next {
        let page = match self.first.take() {
            Some(first) => Ok(first),
            None => page(&mut self.export, &self.log),
        };
        match page {
            Ok(Some(bytes)) => Next::Bytes(bytes),
            Ok(None) => Next::End,
            Err(error) => Next::Broken(format!("an export of {}: {error}", self.log.id)),
        }
    }

    fn ask_again_after(&self) -> Duration {
        // There is always something or the end.
        Duration::ZERO
    }
}
