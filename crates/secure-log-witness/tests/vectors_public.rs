//! The request that C2SP prints as an example. It is read where `SECURE_LOG_PUBLIC_VECTORS` says it is.

use crate::support::*;
use secure_log_witness::{AddCheckpoint, Head};

#[test]
fn the_request_of_the_specification() {
    let Some(folder) = std::env::var_os("SECURE_LOG_PUBLIC_VECTORS") else {
        eprintln!("NOT RUN: SECURE_LOG_PUBLIC_VECTORS is not set, so the request of the specification was not read");
        return;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join("note/golden.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let example = vectors.as_array().unwrap().iter().find(|case| case["id"] == "tlog-witness-add-checkpoint-example");
    let body = example.unwrap()["request_body"].as_str().unwrap();
    let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!((request.old_size, request.proof.len(), request.note.sigs.len()), (20_852_014, 4, 2));
    let head = Head::parse(&request.note.text).unwrap();
    assert_eq!((&*head.origin, head.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(request.to_string(), body, "it is written as it was read");
    // Its keys were not published: to a witness that knows a log of this name by another key nobody signed it.
    let witness = endpoint(disk_with_state(), NAME, STATE, &["example.com/behind-the-sofa"]);
    assert_eq!(answer(&witness, "POST", "/add-checkpoint", body.as_bytes()).status, 403);
}
