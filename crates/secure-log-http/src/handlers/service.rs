//! What the service says of itself.

use crate::api::{Admitted, Api};
use crate::message::{JSON, Response};
use crate::openapi;
use crate::problem::{CASES, Problem};

pub(super) fn metrics(api: &Api) -> Response {
    let open = api.open_logs();
    let lags: Vec<u64> = open.iter().filter_map(|log| log.lag.entries()).collect();
    let lag = (!lags.is_empty()).then(|| lags.iter().sum());
    Response::of(200, "text/plain; version=0.0.4; charset=utf-8", api.metrics.text(lag, open.len() as u64))
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
