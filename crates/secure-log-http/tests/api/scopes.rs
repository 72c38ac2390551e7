use secure_log_http::route::{Needs, Operation, ROUTES};
use secure_log_http::token::Scope;

use crate::world::{World, case};

/// Every route with a token of each scope alone, for that log, for another one, and for all.
#[test]
fn a_route_is_open_to_its_scope_and_to_no_other() {
    let mut world = World::new();
    world.append("a", "x");
    for (scope, name) in Scope::NAMES {
        world.token(&format!("{name}-here"), &[scope], "app", None);
        world.token(&format!("{name}-there"), &[scope], "other", None);
        world.token(&format!("{name}-all"), &[scope], "*", None);
    }
    world.token("nothing-expired", &Scope::NAMES.map(|(scope, _)| scope), "*", Some("2020-01-01T00:00:00Z"));
    let mut seen = 0;
    for route in &ROUTES {
        let target =
            route.path.replace("{id}", "app").replace("{seqno}", "1").replace("{first}", "1").replace("{case}", "busy");
        let target = if route.operation == Operation::ListSegments { format!("{target}?stream=a") } else { target };
        let body = match route.operation {
            Operation::CreateLog => r#"{"id":"app"}"#,
            Operation::Append => r#"{"stream":"a","event":"e"}"#,
            Operation::SignCheckpoint => r#"{"key_id":"checkpoint-ed25519"}"#,
            _ => "",
        };
        let call = |who: &str| {
            let head = world.head(who, route.method, &target).with("content-type", "application/json");
            crate::world::text(world.api.handle(head, body.as_bytes())).0
        };
        let open = route.needs == Needs::Nothing;
        // Making a log that is there is allowed to go as far as to find that out.
        let allowed = |status: u16| {
            if route.operation == Operation::CreateLog { status == 409 } else { (200..300).contains(&status) }
        };
        for nobody in ["nobody", "nothing-expired"] {
            let status = call(nobody);
            assert!(
                if open { allowed(status) } else { status == 401 },
                "{} {target} by {nobody}: {status}",
                route.method
            );
        }
        for (scope, name) in Scope::NAMES {
            for logs in ["here", "there", "all"] {
                let may = match route.needs {
                    Needs::Nothing | Needs::Token => true,
                    Needs::Scope(needed) if !route.path.contains("{id}") => needed == scope && logs == "all",
                    Needs::Scope(needed) | Needs::ScopeOfPosted(needed) => needed == scope && logs != "there",
                };
                let status = call(&format!("{name}-{logs}"));
                let as_expected = if may { allowed(status) } else { status == 403 };
                assert!(as_expected, "{} {target} by {name}-{logs}: {status}", route.method);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, ROUTES.len() * 12);
}

#[test]
fn what_is_no_token_is_answered_alike() {
    let world = World::new();
    let secret = world.secrets[0].1.clone();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        &secret,
        &format!("Bearer  {secret}"),
        &format!("Bearer {secret} "),
        &format!("Bearer {}", &secret[..secret.len() - 1]),
        &format!("Bearer {secret}0"),
        "Bearer \u{fffd}",
    ] {
        let head = secure_log_http::Head::new("GET", "/v1/logs/app").with("authorization", value);
        let response = world.api.handle(head, b"");
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some("Bearer")), "{value}");
    }
    let lower = secure_log_http::Head::new("GET", "/v1/logs/app").with("authorization", &format!("bearer {secret}"));
    assert_eq!(world.api.handle(lower, b"").status, 200);
    let (status, answer) = world.call(secure_log_http::Head::new("GET", "/v1/logs/app"), "");
    assert_eq!((status, case(&answer)), (401, "unauthorized"));
}

#[test]
fn a_list_of_logs_shows_those_of_the_token() {
    let mut world = World::new();
    for id in ["b", "c"] {
        assert_eq!(world.post("/v1/logs", &format!(r#"{{"id":"{id}"}}"#)).0, 201);
    }
    world.token("some", &[Scope::Append], "b,app", None);
    assert_eq!(world.get("/v1/logs").1["logs"], serde_json::json!(["app", "b", "c", "service"]));
    let (_, page) = world.get("/v1/logs?limit=2&after=app");
    assert_eq!((&page["logs"], &page["next"]), (&serde_json::json!(["b", "c"]), &serde_json::json!("c")));
    let (_, some) = world.call(world.head("some", "GET", "/v1/logs"), "");
    assert_eq!(some["logs"], serde_json::json!(["app", "b"]));
}
