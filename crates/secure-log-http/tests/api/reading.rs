use secure_log::hash::Hash;
use secure_log::proof::{Asked, PageProof, Refused, TlogProof, verify_consistency, verify_inclusion};
use secure_log::query::{Filter, Query};
use secure_log::verify::Trust;
use serde_json::{Value, json};

use crate::world::{KEY, World, case};

fn hash(value: &Value) -> Hash {
    Hash::from_hex(value.as_str().unwrap()).unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn trust(world: &World) -> Trust {
    let key = world.get("/v1/logs/app").1["head_key"].as_str().unwrap().to_owned();
    format!("log {key}\nquorum none\n").parse().unwrap()
}

#[test]
fn entries_are_found_page_by_page_by_every_filter() {
    let world = World::new();
    for n in 0..7 {
        world.append(if n % 2 == 0 { "even" } else { "odd" }, &format!("text {n}"));
    }
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let (status, page) = world.get(&format!("/v1/logs/app/records?limit=3&order=desc{next}"));
        assert_eq!((status, &page["size"]), (200, &json!(7)));
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["seqno"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let count = |query: &str| {
        let (status, page) = world.get(&format!("/v1/logs/app/records?{query}"));
        assert_eq!(status, 200, "{query}: {page}");
        page["entries"].as_array().unwrap().len()
    };
    let (_, first) = world.get("/v1/logs/app/records/1");
    let (session, time) = (first["session"].as_str().unwrap(), first["time"].as_str().unwrap());
    for (query, expected) in [
        ("stream=even", 4),
        ("stream=e*&stream=o*", 7),
        ("event=e", 7),
        ("event=f", 0),
        ("producer=all", 7),
        ("producer=", 0),
        ("severity=info", 7),
        ("severity=error", 0),
        (&format!("session={session}"), 7),
        ("session=x", 0),
        ("actor=agent:x", 0),
        (&format!("since={time}"), 7),
        (&format!("before={time}"), 0),
        ("from=3&to=5", 3),
        ("text=text+3", 1),
        ("stream=odd&text=3", 1),
    ] {
        assert_eq!(count(query), expected, "{query}");
    }
    for bad in [
        "limit=0",
        "limit=1001",
        "order=up",
        "cursor=zz",
        "colour=red",
        "from=5&to=3",
        "severity=x",
        "since=x",
        "proofs=1",
    ] {
        let (status, answer) = world.get(&format!("/v1/logs/app/records?{bad}"));
        assert_eq!(status, 400, "{bad}: {answer}");
    }
}

#[test]
fn a_page_with_proofs_is_checked_with_the_log_s_key_alone() {
    let world = World::new();
    (0..5).for_each(|n| _ = world.append("a", &n.to_string()));
    let (status, page) = world.get("/v1/logs/app/records?proofs=true&from=2&to=4");
    assert_eq!(status, 200, "{page}");
    let proof = PageProof::parse(page["proof"].as_str().unwrap()).unwrap();
    let filter = Filter { from: Some(2), to: Some(4), ..Filter::default() };
    let query = Query { filter, limit: 100, ..Query::default() };
    let verified = proof.verify(&Asked { filter: &query.filter, newest_first: false, after: None }, &trust(&world));
    let verified = verified.unwrap_or_else(|refused: Refused| panic!("{refused}"));
    assert_eq!(verified.entries().iter().map(|(entry, _)| entry.seqno).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn proofs_lead_to_the_roots_that_are_signed() {
    let world = World::new();
    (0..9).for_each(|n| _ = world.append("a", &n.to_string()));
    let (_, inclusion) = world.get("/v1/logs/app/inclusion/3?size=7");
    let root = hash(&inclusion["root"]);
    assert!(verify_inclusion(&hashes(&inclusion["hashes"]), &hash(&inclusion["hash"]), 3, 7, &root).is_ok());
    let (_, consistency) = world.get("/v1/logs/app/consistency/7");
    assert_eq!((hash(&consistency["first_root"]), &consistency["second"]), (root, &json!(9)));
    let second = hash(&consistency["second_root"]);
    assert!(verify_consistency(&hashes(&consistency["hashes"]), (7, &root), (9, &second)).is_ok());
    let (status, proof) = world.get("/v1/logs/app/proof/3");
    assert_eq!(status, 200);
    let verified = TlogProof::parse(proof.as_str().unwrap()).unwrap().verify(&trust(&world)).unwrap();
    assert_eq!((verified.entry().seqno, verified.head().size()), (3, 9));
    for (target, status, expected) in [
        ("inclusion/10", 404, "entry-not-found"),
        ("inclusion/3?size=2", 404, "not-covered"),
        ("inclusion/3?size=99", 404, "head-not-found"),
        ("inclusion/0", 404, "entry-not-found"),
        ("inclusion/x", 400, "malformed"),
        ("inclusion/18446744073709551616", 400, "malformed"),
        ("consistency/0", 400, "unprovable-sizes"),
        ("consistency/7?second=3", 400, "unprovable-sizes"),
        ("consistency/7?second=99", 404, "head-not-found"),
        ("proof/10", 404, "entry-not-found"),
        ("proof/3?size=99", 404, "head-not-found"),
        ("records/10", 404, "entry-not-found"),
        ("records/-1", 400, "malformed"),
        ("segments?stream=none", 404, "stream-not-found"),
        ("segments", 400, "malformed"),
    ] {
        let (found, answer) = world.get(&format!("/v1/logs/app/{target}"));
        assert_eq!((found, case(&answer)), (status, expected), "{target}: {answer}");
    }
}

#[test]
fn streams_and_segments_come_in_pages() {
    let world = World::new();
    ["c", "a", "b"].iter().for_each(|stream| _ = world.append(stream, "x"));
    let (_, page) = world.get("/v1/logs/app/streams?limit=2");
    assert_eq!((page["streams"].as_array().unwrap().len(), page["streams"][0]["tier"].as_str()), (2, Some("public")));
    let (_, rest) = world.get(&format!("/v1/logs/app/streams?limit=100&after={}", page["next"]));
    let mut names: Vec<&str> = Vec::new();
    for page in [&page, &rest] {
        names.extend(page["streams"].as_array().unwrap().iter().map(|stream| stream["name"].as_str().unwrap()));
    }
    assert!(names.ends_with(&["c", "a", "b"]) || names == ["c", "a", "b"], "{names:?}");
    assert_eq!(rest["next"], Value::Null);
    let (status, segments) = world.get("/v1/logs/app/segments?stream=a");
    assert_eq!((status, segments), (200, json!({ "segments": [], "next": null })));
}

#[test]
fn a_checkpoint_is_signed_and_read_as_a_note() {
    let world = World::new();
    world.append("a", "x");
    let (status, signed) = world.post("/v1/logs/app/checkpoint", &json!({ "key_id": KEY }).to_string());
    assert_eq!((status, &signed["size"], &signed["algorithm"]), (200, &json!(1), &json!("ed25519")));
    let (_, note) = world.get("/v1/logs/app/checkpoint");
    let head = secure_log::proof::verify_head(note.as_str().unwrap(), &trust(&world)).unwrap();
    assert_eq!((head.size(), head.root().to_hex()), (1, signed["root"].as_str().unwrap().to_owned()));
    let (status, answer) = world.post("/v1/logs/app/checkpoint", r#"{"key_id":"another"}"#);
    assert_eq!((status, case(&answer)), (409, "key-not-found"));
    for bad in ["", "{}", r#"{"key_id":7}"#, r#"{"key_id":"a","more":1}"#] {
        assert_eq!(world.post("/v1/logs/app/checkpoint", bad).0, 400, "{bad}");
    }
}

#[test]
fn without_a_key_a_checkpoint_says_what_to_set() {
    let world = World::with(Default::default(), true);
    world.append("a", "x");
    let (status, answer) = world.post("/v1/logs/app/checkpoint", &json!({ "key_id": KEY }).to_string());
    assert_eq!((status, case(&answer)), (409, "key-not-found"));
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("SECURE_LOG_KEYSTORE_DIR") && detail.contains("SECURE_LOG_HEAD_IDENTITY"), "{detail}");
    for target in ["checkpoint", "proof/1", "records?proofs=true"] {
        let (status, answer) = world.get(&format!("/v1/logs/app/{target}"));
        assert_eq!((status, case(&answer)), (409, "head-unsigned"), "{target}");
    }
}

#[test]
fn an_export_is_in_each_form_and_the_whole_log_verifies() {
    let world = World::new();
    (0..3).for_each(|n| _ = world.append("a", &format!("=1+{n}")));
    let (_, lines) = world.get("/v1/logs/app/export");
    let report = secure_log::verify::verify_jsonl(lines.as_str().unwrap().as_bytes(), &trust(&world), |_| {});
    let report = report.unwrap();
    assert_eq!((report.entries, report.complete_to, report.verdict), (3, 3, secure_log::verify::Verdict::Valid));
    for (format, holds) in [("csv", "\"'=1+2\""), ("ocsf", "=1+2"), ("otlp", "resourceLogs")] {
        let (status, text) = world.get(&format!("/v1/logs/app/export?format={format}&from=2"));
        assert!(status == 200 && text.to_string().replace("\\\"", "\"").contains(holds), "{format}: {text}");
    }
    for bad in ["format=xml", "from=0x", "stream="] {
        let (status, answer) = world.get(&format!("/v1/logs/app/export?{bad}"));
        assert!(status == 400 || status == 404, "{bad}: {answer}");
    }
    assert_eq!(world.get("/v1/logs/app/export?format=csv&stream=none").0, 404);
}
