//! What the service says of itself.

use secure_log::providers::Clock as _;
use secure_log::system::SystemClock;
use secure_log::time::Timestamp;

use crate::api::{Admitted, Api};
use crate::message::{JSON, Response};
use crate::metrics;
use crate::openapi;
use crate::problem::{CASES, Problem};
use crate::service_log::{last_verification, recorded_logs};

/// Logs that are counted, at most.
const MOST_LOGS: u32 = 100_000;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn metrics(api: &Api) -> Result<Response, Problem> {
    if api.is_for_one_request { recorded(api) } else { Ok(counted(api)) }
}

/// What the logs say, where nothing is counted.
fn recorded(api: &Api) -> Result<Response, Problem> {
    let service = api.service()?;
    let status = service.log.lock().status();
    let recorded = metrics::Recorded {
        logs: recorded_logs(&service.log, None, MOST_LOGS)?.len() as u64,
        entries: status.size,
        anchor_lag: service.lag.entries(),
        verified_ago: last_verification(&service.log)?.and_then(|entry| seconds_since(&entry.time)),
    };
    Ok(Response::of(200, PROMETHEUS, recorded.text()))
}

fn seconds_since(time: &str) -> Option<u64> {
    let nanos = SystemClock.now().nanos_since(time.parse::<Timestamp>().ok()?);
    Some(u64::try_from(nanos / 1_000_000_000).unwrap_or(0))
}

fn counted(api: &Api) -> Response {
    let open = api.open_logs();
    let lags: Vec<u64> = open.iter().filter_map(|log| log.lag.entries()).collect();
    let lag = (!lags.is_empty()).then(|| lags.iter().sum());
    Response::of(200, PROMETHEUS, api.metrics.text(lag, open.len() as u64))
}

pub(super) fn openapi() -> Response {
    Response::of(200, JSON, openapi::document().to_string())
}

pub(super) fn explain(request: &Admitted) -> Result<Response, Problem> {
    let asked = request.captured.as_deref().unwrap_or_default();
    let (case, status, title) =
        CASES.iter().find(|(case, ..)| *case == asked).ok_or_else(|| Problem::new("not-found"))?;
    Ok(Response::text(200, format!("{case} ({status}): {title}.\n")))
}
