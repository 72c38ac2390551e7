use secure_log_http::token::Scope;
use serde_json::{Value, json};

use crate::world::World;

fn recorded(world: &World, event: &str) -> Vec<Value> {
    let (_, page) = world.get(&format!("/v1/logs/service/records?event={event}&limit=1000"));
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| serde_json::from_str(entry["text"].as_str().unwrap()).unwrap()).collect()
}

#[test]
fn what_administrators_do_is_recorded() {
    let world = World::new();
    world.append("a", "x");
    assert_eq!(world.get("/v1/logs/app/verify").0, 200);
    assert_eq!(recorded(&world, "log.created"), [json!({ "log": "app", "token": "all" })]);
    assert_eq!(recorded(&world, "log.verified")[0]["verdict"], "valid");
    assert_eq!(recorded(&world, "service.started").len(), 1);
    assert_eq!(world.metric("secure_log_verification_age_seconds"), 0);
    assert!(world.api.stop().is_empty());
    let world = world.again();
    assert_eq!((recorded(&world, "service.started").len(), recorded(&world, "service.stopped").len()), (2, 1));
}

#[test]
fn the_first_denial_of_a_kind_is_recorded_and_those_behind_it_are_counted() {
    let mut world = World::new();
    world.token("reader", &[Scope::Read], "app", None);
    let denied = |who: &str, target: &str| world.call(world.head(who, "GET", target), "").0;
    assert_eq!(denied("nobody", "/v1/logs/app"), 401);
    let first = recorded(&world, "call.denied");
    assert_eq!(
        first,
        [json!({ "why": "unauthorized", "token": null, "route": "/v1/logs/{id}", "log": "app", "count": 1 })]
    );
    assert_eq!(denied("reader", "/v1/logs/other"), 403);
    assert_eq!(denied("reader", "/v1/logs/app/verify"), 403);
    let all = recorded(&world, "call.denied");
    assert_eq!(
        all.iter().map(|denial| denial["why"].as_str().unwrap()).collect::<Vec<_>>(),
        ["unauthorized", "another-log", "scope"]
    );
    assert_eq!(all[1]["token"], "reader");
    // A flood, of as many names as it likes.
    let before = world.get("/v1/logs/service").1["size"].as_u64().unwrap();
    for n in 0..500 {
        denied("nobody", &format!("/v1/logs/log-{n}"));
        denied("nobody", "/v1/logs/app");
    }
    let after = world.get("/v1/logs/service").1["size"].as_u64().unwrap();
    assert!(after - before <= 16, "{before} to {after}");
    let world = {
        assert!(world.api.stop().is_empty());
        world.again()
    };
    let counted = recorded(&world, "calls.denied");
    let total: u64 =
        counted.iter().chain(&recorded(&world, "call.denied")).map(|denial| denial["count"].as_u64().unwrap()).sum();
    assert_eq!(total, 1003, "{counted:?}");
    assert!(counted.len() <= 16);
}

#[test]
fn nobody_appends_to_the_service_s_own_log() {
    let world = World::new();
    let (status, answer) = world.post("/v1/logs/service/records", r#"{"stream":"service","event":"log.created"}"#);
    assert_eq!(status, 403, "{answer}");
    assert_eq!(world.post("/v1/logs", r#"{"id":"service"}"#).0, 409);
}

#[test]
fn a_log_is_made_once() {
    let world = World::new();
    for (body, status) in [
        (r#"{"id":"new"}"#, 201),
        (r#"{"id":"new"}"#, 409),
        (r#"{"id":"app"}"#, 409),
        (r#"{"id":"../etc"}"#, 400),
        (r#"{"id":"New"}"#, 400),
        (r#"{"id":""}"#, 400),
        (r#"{"id":null}"#, 400),
        (r#"{"name":"x"}"#, 400),
    ] {
        assert_eq!(world.post("/v1/logs", body).0, status, "{body}");
    }
    let world = world.again();
    assert_eq!(world.get("/v1/logs/new").1["origin"], "example.org/new");
    assert_eq!(world.post("/v1/logs", r#"{"id":"new"}"#).0, 409);
}
