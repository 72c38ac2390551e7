//! The OpenAPI 3.1 document, made of the table of routes.

use secure_log::engine::MAX_PAGE;
use secure_log::limits::MAX_BATCH_ENTRIES;
use serde_json::{Map, Value, json};

use crate::limits::MAX_KEY_BYTES;
use crate::log_id::MAX_LOG_ID_CHARS;
use crate::problem::{CASES, PROBLEM_JSON};
use crate::route::{Kind, Needs, Operation, Param, Place, Posted, ROUTES, Route};

/// The largest number that is read. Seqnos and sizes stay far below what a reader of JSON may take for a floating one.
const LARGEST: u64 = u64::MAX;

/// Base64 with padding, and with no bit set that says nothing.
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in &ROUTES {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "secure-log",
            "summary": "Tamper-evident audit logs over HTTP",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut value = json!({
        "operationId": format!("{:?}", route.operation),
        "summary": route.about,
        "parameters": route.params.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(route),
    });
    if let Some(body) = request_body(route.posted) {
        value["requestBody"] = body;
    }
    if route.needs != Needs::Nothing {
        value["security"] = json!([{ "token": [] }]);
    }
    if let Needs::Scope(scope) | Needs::ScopeOfPosted(scope) = route.needs {
        value["x-scope"] = scope.as_str().into();
    }
    value
}

fn parameter(param: &Param) -> Value {
    let schema = schema_of(param.kind);
    let schema = if param.repeated { json!({ "type": "array", "items": schema, "maxItems": 16 }) } else { schema };
    let place = match param.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    json!({ "name": param.name, "in": place, "required": param.required, "description": param.about, "schema": schema })
}

fn schema_of(kind: Kind) -> Value {
    let text = |least: usize, most: usize| json!({ "type": "string", "minLength": least, "maxLength": most, "pattern": "^[^\\u0000-\\u001f\\u007f]*$" });
    match kind {
        Kind::LogId => log_id(),
        Kind::Number(least) => json!({ "type": "integer", "minimum": least, "maximum": LARGEST }),
        Kind::Limit => json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE }),
        Kind::Text(most) => text(1, most),
        Kind::AnyText(most) => text(0, most),
        // What is white around a header is no part of it.
        Kind::Key => {
            json!({ "type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES, "pattern": "^[^\\u0000-\\u0020\\u007f][^\\u0000-\\u001f\\u007f]*[\\t ]*$" })
        }
        Kind::Payload(most) => json!({ "type": "string", "minLength": 1, "maxLength": most }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Case => json!({ "enum": CASES.iter().map(|(case, ..)| case).collect::<Vec<_>>() }),
        Kind::Actor => json!({ "type": "string", "pattern": "^[^:]+:.+$", "maxLength": 511 }),
        Kind::Cursor => json!({ "type": "string", "pattern": "^[0-9a-f]+$", "maxLength": 255 }),
    }
}

fn log_id() -> Value {
    json!({ "type": "string", "pattern": format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", MAX_LOG_ID_CHARS - 1) })
}

fn request_body(posted: Posted) -> Option<Value> {
    let content = match posted {
        Posted::Nothing => return None,
        Posted::Records => json!({
            "application/json": { "schema": { "oneOf": [
                { "$ref": "#/components/schemas/NewRecord" },
                {
                    "type": "array",
                    "items": { "$ref": "#/components/schemas/NewRecord" },
                    "minItems": 1,
                    "maxItems": MAX_BATCH_ENTRIES - 1,
                },
            ] } },
            "application/x-ndjson": { "schema": { "type": "string" } },
        }),
        Posted::NewLog => json!({ "application/json": { "schema": { "$ref": "#/components/schemas/NewLog" } } }),
        Posted::Signing => json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Signing" } } }),
    };
    Some(json!({ "required": true, "content": content }))
}

fn responses(route: &Route) -> Value {
    let problem = json!({
        "description": "A problem (RFC 9457).",
        "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let mut content = Map::new();
    for media_type in route.answers {
        content.insert((*media_type).into(), json!({ "schema": answer_schema(route, media_type) }));
    }
    let mut responses = Map::new();
    responses.insert(route.status.to_string(), json!({ "description": route.about, "content": content }));
    // What every route may answer, and what is its own.
    let mut statuses = vec![400, 405, 414, 500, 503];
    if route.needs != Needs::Nothing {
        statuses.extend([401, 403, 404, 429]);
    }
    if route.posted != Posted::Nothing {
        statuses.extend([408, 413, 415]);
    }
    statuses.extend(route.problems);
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        responses.insert(status.to_string(), problem.clone());
    }
    responses.insert("default".into(), problem);
    Value::Object(responses)
}

fn answer_schema(route: &Route, media_type: &str) -> Value {
    if media_type != "application/json" {
        return json!({ "type": "string" });
    }
    let name = match route.operation {
        Operation::CreateLog | Operation::ShowLog => "Log",
        Operation::ListLogs => "Logs",
        Operation::Append => "Appended",
        Operation::QueryRecords => "Page",
        Operation::ReadRecord => "Record",
        Operation::ListStreams => "Streams",
        Operation::ListSegments => "Segments",
        Operation::ProveInclusion => "Inclusion",
        Operation::ProveConsistency => "Consistency",
        Operation::SignCheckpoint => "Checkpoint",
        _ => return json!({ "type": "object" }),
    };
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn schemas() -> Value {
    let hash = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let number = json!({ "type": "integer", "minimum": 0 });
    let text = json!({ "type": "string" });
    let name = |least: usize| json!({ "type": "string", "minLength": least, "maxLength": 255, "pattern": "^[^\\u0000-\\u001f\\u007f]*$" });
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    let flag = json!({ "type": "boolean" });
    let record = [
        ("seqno", number.clone()),
        ("version", number.clone()),
        ("stream", text.clone()),
        ("session", text.clone()),
        ("boot", text.clone()),
        ("time", text.clone()),
        ("event", text.clone()),
        ("severity", text.clone()),
        ("producer", text.clone()),
        ("encoding", text.clone()),
        ("prev", hash.clone()),
    ];
    let mut record = object(&record, &[("text", text.clone()), ("b64", text.clone()), ("hash", hash.clone())]);
    record["oneOf"] = json!([{ "required": ["text"] }, { "required": ["b64"] }]);
    let list_of = |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
    json!({
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status"],
            "properties": { "type": text, "title": text, "status": { "type": "integer" }, "detail": text },
        },
        "NewLog": object(&[("id", log_id())], &[]),
        "Signing": object(&[("key_id", name(1))], &[]),
        "NewRecord": {
            "type": "object",
            "required": ["stream", "event"],
            "properties": {
                "stream": name(1), "event": name(1), "producer": name(0), "encoding": name(0),
                "severity": schema_of(Kind::Word(&SEVERITIES)),
                "text": { "type": "string" }, "b64": { "type": "string", "contentEncoding": "base64", "pattern": BASE64 },
            },
            "not": { "required": ["text", "b64"] },
            "additionalProperties": false,
        },
        "Appended": object(
            &[
                ("entries", json!({ "type": "array", "items": object(&[("seqno", number.clone()), ("hash", hash.clone())], &[]) })),
                ("size", number.clone()),
                ("root", hash.clone()),
                ("signed", flag.clone()),
                ("anchored", flag.clone()),
            ],
            &[],
        ),
        "Record": record,
        "Page": { "oneOf": [
            object(&[("entries", list_of("Record")), ("next", or_null("string")), ("size", number.clone())], &[]),
            object(&[("proof", text.clone()), ("next", or_null("string"))], &[]),
        ] },
        "Log": object(
            &[
                ("id", log_id()),
                ("origin", text.clone()),
                ("log_id", text.clone()),
                ("created", text.clone()),
                ("size", number.clone()),
                ("root", hash.clone()),
                ("attested_to", number.clone()),
                ("head_key", or_null("string")),
                ("anchor", flag.clone()),
                ("anchored", flag.clone()),
                ("anchored_to", or_null("integer")),
            ],
            &[],
        ),
        "Logs": object(&[("logs", json!({ "type": "array", "items": log_id() })), ("next", or_null("string"))], &[]),
        "Streams": object(
            &[("streams", json!({ "type": "array", "items": { "type": "object" } })), ("next", or_null("integer"))],
            &[],
        ),
        "Segments": object(
            &[("segments", json!({ "type": "array", "items": { "type": "object" } })), ("next", or_null("integer"))],
            &[],
        ),
        "Inclusion": object(
            &[
                ("seqno", number.clone()),
                ("hash", hash.clone()),
                ("size", number.clone()),
                ("root", hash.clone()),
                ("hashes", json!({ "type": "array", "items": hash })),
            ],
            &[],
        ),
        "Consistency": object(
            &[
                ("first", number.clone()),
                ("first_root", hash.clone()),
                ("second", number.clone()),
                ("second_root", hash.clone()),
                ("hashes", json!({ "type": "array", "items": hash })),
            ],
            &[],
        ),
        "Checkpoint": object(
            &[
                ("origin", text.clone()),
                ("size", number),
                ("root", hash),
                ("timestamp", json!({ "type": "string", "format": "date-time" })),
                ("key_id", text.clone()),
                ("key_hash", text.clone()),
                ("algorithm", text.clone()),
                ("signature", text),
                ("anchored", flag),
            ],
            &[],
        ),
    })
}

const SEVERITIES: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// An object with these members, some of which may be left out, and no other.
fn object(required: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        required.iter().chain(optional).map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": names, "properties": properties, "additionalProperties": false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_stands_in_the_document_with_what_it_takes() {
        let document = document();
        let mut operations = 0;
        for methods in document["paths"].as_object().unwrap().values() {
            operations += methods.as_object().unwrap().len();
        }
        assert_eq!(operations, ROUTES.len());
        let query = &document["paths"]["/v1/logs/{id}/records"]["get"];
        assert_eq!(query["x-scope"], "read");
        assert_eq!(query["parameters"].as_array().unwrap().len(), 16);
        assert_eq!(query["security"], json!([{ "token": [] }]));
        assert!(document["paths"]["/healthz"]["get"].get("security").is_none());
    }

    #[test]
    fn what_the_document_refers_to_is_in_it() {
        let document = document();
        let text = document.to_string();
        let mut found = 0;
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
            found += 1;
        }
        assert!(found > 20, "{found}");
    }
}
