//! Reading: entries, streams, segments, and proofs of them.

use secure_log::engine::SignedSegment;
use serde_json::{Value, json};

use crate::api::{Admitted, OpenLog};
use crate::json;
use crate::message::Response;
use crate::problem::Problem;

pub(super) fn query(log: &OpenLog, request: &Admitted) -> Result<Response, Problem> {
    let query = request.params.query()?;
    if request.params.flag("proofs")? {
        let page = log.log.lock().query_proven(&query)?;
        let next = page.next.map(|cursor| cursor.to_string());
        return Ok(Response::json(200, &json!({ "proof": page.proof.to_string(), "next": next })));
    }
    let page = log.log.lock().query(&query)?;
    let entries: Vec<Value> = page.entries.iter().map(json::entry).collect();
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Response::json(200, &json!({ "entries": entries, "next": next, "size": page.size })))
}

pub(super) fn record(log: &OpenLog, seqno: u64) -> Result<Response, Problem> {
    let (entry, hash) = log.log.lock().read_hashed(seqno)?;
    let mut value = json::entry(&entry);
    value["hash"] = hash.to_hex().into();
    Ok(Response::json(200, &value))
}

pub(super) fn streams(log: &OpenLog, request: &Admitted) -> Result<Response, Problem> {
    let (after, limit) = (request.params.number("after")?.unwrap_or(0), request.params.limit()?);
    let found = log.log.lock().streams(after, limit)?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|stream| stream.number);
    let streams: Vec<Value> = found.iter().map(|stream| json::stream(&stream.row)).collect();
    Ok(Response::json(200, &json!({ "streams": streams, "next": next })))
}

pub(super) fn segments(log: &OpenLog, request: &Admitted) -> Result<Response, Problem> {
    let (after, limit) = (request.params.number("after")?.unwrap_or(0), request.params.limit()?);
    let stream = request.params.one("stream").expect("a parameter that is required is there");
    let found: Vec<SignedSegment> = log.log.lock().segments(stream, after, limit)?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|segment| segment.row.id);
    let segments: Vec<Value> = found.iter().map(json::segment).collect();
    Ok(Response::json(200, &json!({ "segments": segments, "next": next })))
}

pub(super) fn inclusion(log: &OpenLog, request: &Admitted, seqno: u64) -> Result<Response, Problem> {
    let size = request.params.number("size")?;
    let proof = log.log.lock().prove_inclusion(seqno, size)?;
    Ok(Response::json(200, &json::inclusion(&proof)))
}

pub(super) fn consistency(log: &OpenLog, request: &Admitted, first: u64) -> Result<Response, Problem> {
    let second = request.params.number("second")?;
    let proof = log.log.lock().prove_consistency(first, second)?;
    Ok(Response::json(200, &json::consistency(&proof)))
}

pub(super) fn tlog_proof(log: &OpenLog, request: &Admitted, seqno: u64) -> Result<Response, Problem> {
    let size = request.params.number("size")?;
    let proof = log.log.lock().tlog_proof(seqno, size)?;
    Ok(Response::text(200, proof.to_string()))
}
