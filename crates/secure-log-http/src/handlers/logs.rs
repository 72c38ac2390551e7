//! The logs of the service.

use serde::Deserialize;
use serde_json::json;

use crate::api::{Admitted, Api, OpenLog};
use crate::json;
use crate::log_id::LogId;
use crate::message::Response;
use crate::problem::Problem;
use crate::service_log::LOG_CREATED;
use crate::token::Logs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLog {
    id: String,
}

pub(super) fn create(api: &Api, request: &Admitted, body: &[u8]) -> Result<Response, Problem> {
    let NewLog { id } = super::posted(request, body)?;
    let id: LogId =
        id.parse().map_err(|bad: crate::log_id::BadLogId| Problem::malformed(bad.to_string()).fact("field", "id"))?;
    if !request.token.as_ref().is_some_and(|token| token.logs.contain(&id)) {
        return Err(api.deny_posted(request, &id));
    }
    let log = match api.make_log(&id) {
        Ok(log) => log,
        Err(problem) if problem.case() == "log-exists" => {
            api.found_log(&id, request.who())?;
            return Err(problem);
        }
        Err(problem) => return Err(problem),
    };
    api.did(LOG_CREATED, &json!({ "log": id.as_str(), "token": request.who() }))?;
    let shown = json::status(id.as_str(), &log.log.lock().status());
    Ok(Response::json(201, &shown).with("location", format!("/v1/logs/{id}")))
}

pub(super) fn show(log: &OpenLog) -> Response {
    Response::json(200, &json::status(log.id.as_str(), &log.log.lock().status()))
}

/// Pages of all logs, of which only those are shown that the token is for: a page may hold fewer than were asked for.
pub(super) fn list(api: &Api, request: &Admitted) -> Result<Response, Problem> {
    let limit = request.params.limit()?;
    let after = request.params.one("after").map(str::parse::<LogId>).transpose();
    let after = after.map_err(|bad| Problem::malformed(bad.to_string()).fact("field", "after"))?;
    let (found, more) = match request.token.as_ref().map(|token| &token.logs) {
        Some(Logs::All) => {
            let mut found = api.list(after.as_ref(), limit + 1)?;
            let more = found.len() > limit as usize;
            found.truncate(limit as usize);
            (found, more)
        }
        // Whether they are there is found by looking at them.
        Some(Logs::Named(names)) => {
            let mut behind = names.iter().filter(|name| after.as_ref().is_none_or(|after| *name > after)).cloned();
            let found: Vec<LogId> = behind.by_ref().take(limit as usize).collect();
            (found, behind.next().is_some())
        }
        None => (Vec::new(), false),
    };
    let next = found.last().filter(|_| more).map(LogId::as_str);
    let ids: Vec<&str> = found.iter().map(LogId::as_str).collect();
    Ok(Response::json(200, &json!({ "logs": ids, "next": next })))
}
