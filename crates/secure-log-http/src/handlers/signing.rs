//! Signed heads, and verifying the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::note::{SignatureLine, VerifierKey};
use secure_log::providers::Clock as _;
use secure_log::system::SystemClock;
use serde::Deserialize;
use serde_json::json;

use crate::api::{Admitted, Api, OpenLog};
use crate::message::{JSON, Response};
use crate::problem::Problem;
use crate::service_log::LOG_VERIFIED;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signing {
    key_id: String,
}

pub(super) fn sign(api: &Api, log: &OpenLog, request: &Admitted, body: &[u8]) -> Result<Response, Problem> {
    let Signing { key_id } = super::posted(request, body)?;
    if key_id != api.identity {
        let detail = "the key that signs heads is the one that SECURE_LOG_HEAD_IDENTITY names, and it is not this one";
        return Err(Problem::new("key-not-found").detail(detail).fact("key_id", key_id));
    }
    let mut held = log.log.lock();
    let head = held.sign_head()?;
    let status = held.status();
    drop(held);
    log.lag.committed(status.size, status.anchored);
    let unusable = |what: &str| Problem::new("internal").note(format!("a head that was signed just now: {what}"));
    let key: VerifierKey = status
        .head_key
        .ok_or_else(|| unusable("there is no key"))?
        .parse()
        .map_err(|_| unusable("the key cannot be read"))?;
    let line = head.sigs.iter().filter_map(|line| SignatureLine::parse(line).ok()).find(|line| key.is_named_by(line));
    let line = line.ok_or_else(|| unusable("it has no signature of the key"))?;
    Ok(Response::json(
        200,
        &json!({
            "origin": status.log.origin,
            "size": head.size,
            "root": head.root.to_hex(),
            "timestamp": SystemClock.now().to_string(),
            "key_id": key_id,
            "key_hash": const_hex::encode(key.id()),
            "algorithm": key.public_key().algorithm().as_str(),
            "signature": BASE64.encode(&line.signature),
            "anchored": status.anchored,
        }),
    ))
}

pub(super) fn note(log: &OpenLog) -> Result<Response, Problem> {
    Ok(Response::text(200, log.log.lock().signed_head()?.to_string()))
}

/// One at a time, as it takes all cores for as long as the log is.
pub(super) fn verify(api: &Api, log: &OpenLog, request: &Admitted) -> Result<Response, Problem> {
    let Ok(_one) = api.verifying.try_lock() else {
        return Err(Problem::new("busy").detail("another log is being verified").retry_after(5));
    };
    let report = log.log.verify_log()?;
    api.metrics.verified(&report.verdict);
    let facts = json!({ "log": log.id.as_str(), "token": request.who(), "verdict": report.verdict.as_str(), "size": report.size });
    api.did(LOG_VERIFIED, &facts)?;
    Ok(Response::of(200, JSON, report.to_json(Some(&SystemClock.now().to_string()))))
}
