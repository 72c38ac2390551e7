//! What each route does.

pub(crate) mod append;
mod export;
mod logs;
mod read;
mod service;
mod signing;
mod tail;

use std::sync::Arc;

use crate::api::{Admitted, Api, OpenLog};
use crate::message::Response;
use crate::metrics::Dropped;
use crate::params::number;
use crate::problem::Problem;
use crate::route::Operation;

pub(crate) fn serve(api: &Api, request: &Admitted, body: &[u8]) -> Result<Response, Problem> {
    match request.route.operation {
        Operation::Health => Ok(Response::text(200, "ok\n")),
        Operation::Ready => api.is_ready().map(|()| Response::text(200, "ready\n")),
        Operation::Metrics => service::metrics(api),
        Operation::OpenApi => Ok(service::openapi()),
        Operation::ExplainProblem => service::explain(request),
        Operation::CreateLog => logs::create(api, request, body),
        Operation::ListLogs => logs::list(api, request),
        Operation::Append => {
            // Until somebody has read how many there are, they count as one.
            let mut records = 1;
            append::append(api, request, body, &mut records).inspect_err(|problem| count_dropped(api, problem, records))
        }
        // A tail holds no place among the requests that are carried out, as it mostly waits.
        Operation::Tail => tail::tail(api, request, open(api, request)?),
        operation => {
            let log = open(api, request)?;
            let _place = log.enter(&api.limits)?;
            match operation {
                Operation::ShowLog => Ok(logs::show(&log)),
                Operation::QueryRecords => read::query(&log, request),
                Operation::ReadRecord => read::record(&log, seqno(request)?),
                Operation::ListStreams => read::streams(&log, request),
                Operation::ListSegments => read::segments(&log, request),
                Operation::ProveInclusion => read::inclusion(&log, request, seqno(request)?),
                Operation::ProveConsistency => read::consistency(&log, request, seqno(request)?),
                Operation::TlogProof => read::tlog_proof(&log, request, seqno(request)?),
                Operation::SignCheckpoint => signing::sign(api, &log, request, body),
                Operation::ReadCheckpoint => signing::note(&log),
                Operation::Export => export::export(api, request, log.clone()),
                Operation::Verify => signing::verify(api, &log, request),
                other => unreachable!("{other:?} is matched above"),
            }
        }
    }
}

/// The log that the path names.
fn open(api: &Api, request: &Admitted) -> Result<Arc<OpenLog>, Problem> {
    let id = request.log.as_ref().expect("each route that comes here names a log");
    api.log(id)
}

/// The number that the path names beside the log.
fn seqno(request: &Admitted) -> Result<u64, Problem> {
    number("the last part of the path", request.captured.as_deref().unwrap_or_default())
}

/// The body as what it is read as, where it has to be JSON.
fn posted<'b, T: serde::Deserialize<'b>>(request: &Admitted, body: &'b [u8]) -> Result<T, Problem> {
    if request.head.media_type().as_deref() != Some("application/json") {
        return Err(unsupported(&["application/json"]));
    }
    serde_json::from_slice(body).map_err(|error| Problem::malformed(error.to_string()))
}

fn unsupported(types: &[&str]) -> Problem {
    let problem = Problem::new("unsupported-media-type").detail(format!("what is read here: {}", types.join(", ")));
    problem.header("accept", types.join(", "))
}

/// Counts records that are not in the log.
fn count_dropped(api: &Api, problem: &Problem, records: u64) {
    if let Some(why) = dropped(problem) {
        api.metrics.dropped(why, records);
    }
}

/// Why the records of an append are not in the log. Of one that found nothing to append to, or that was appended before, there are
/// none.
fn dropped(problem: &Problem) -> Option<Dropped> {
    Some(match problem.case() {
        "idempotency-key-in-use" | "idempotency-key-reused" => return None,
        "forbidden" => Dropped::Denied,
        "busy" | "too-many-logs" => Dropped::Busy,
        "conflict" => Dropped::Conflict,
        _ => match problem.status() {
            400..=408 | 413 | 415 | 422 => Dropped::Invalid,
            409..=412 => Dropped::Refused,
            _ => Dropped::Failed,
        },
    })
}
