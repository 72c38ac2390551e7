//! The server is killed in the middle of load: nothing that was acknowledged is lost, and nothing is there twice.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secure_log_testkit::count;

use crate::support::{Folder, Server};

const WRITERS: usize = 8;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_with_a_key_is_there_twice() {
    for folder in [Folder::new("file"), Folder::new("sqlite")].into_iter().chain(Folder::with_postgres()) {
        let kind = folder.kind;
        let server = folder.start();
        assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
        server.kill();
        // What each writer was told of each of its records, by their text.
        let acknowledged: Mutex<HashMap<String, u64>> = Mutex::default();
        let mut unanswered: Vec<Option<String>> = vec![None; WRITERS];
        let mut next = 0;
        let rounds = count(4, 100) as usize;
        for round in 0..rounds {
            let server = folder.start();
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let writers: Vec<_> = unanswered
                    .iter_mut()
                    .enumerate()
                    .map(|(writer, unanswered)| {
                        let (server, stop, acknowledged) = (&server, &stop, &acknowledged);
                        scope.spawn(move || write(server, stop, acknowledged, unanswered, &format!("{round}-{writer}")))
                    })
                    .collect();
                let mut byte = [0];
                getrandom::fill(&mut byte).unwrap();
                std::thread::sleep(Duration::from_millis(100 + u64::from(byte[0])));
                server.signal("KILL");
                stop.store(true, Ordering::SeqCst);
                writers.into_iter().for_each(|writer| writer.join().unwrap());
            });
            next += 1;
        }
        assert_eq!(next, rounds);
        let server = folder.start();
        // What was not answered is sent again, once more, by the last server.
        for left in unanswered.iter().flatten() {
            let headers = format!("idempotency-key: {left}\r\n");
            let answer = server.connect().ask("POST", "/v1/logs/app/records", &headers, &record(left)).unwrap();
            assert_eq!(answer.status, 201);
        }
        let mut found: HashMap<String, u64> = HashMap::new();
        let mut cursor = String::new();
        loop {
            let (status, page) = server.call("GET", &format!("/v1/logs/app/records?stream=a&limit=1000{cursor}"), "");
            assert_eq!(status, 200, "{page}");
            for entry in page["entries"].as_array().unwrap() {
                let before = found.insert(entry["text"].as_str().unwrap().into(), entry["seqno"].as_u64().unwrap());
                assert_eq!(before, None, "{kind}: {entry} is there twice");
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let acknowledged = acknowledged.into_inner().unwrap();
        for (text, seqno) in &acknowledged {
            assert_eq!(found.get(text), Some(seqno), "{kind}: {text} was acknowledged");
        }
        for text in unanswered.iter().flatten() {
            assert!(found.contains_key(text), "{kind}: {text} was sent again");
        }
        println!("{kind}: {} acknowledged in {rounds} rounds, {} found", acknowledged.len(), found.len());
        assert!(acknowledged.len() > rounds * WRITERS, "the load was none");
        assert_eq!(server.call("GET", "/v1/logs/app/verify", "").1["finding"], serde_json::Value::Null);
    }
}

fn record(text: &str) -> String {
    serde_json::json!({ "stream": "a", "event": "e", "text": text }).to_string()
}

/// Appends one record after the other, each with a key, beginning with the one that was not answered before.
fn write(
    server: &Server,
    stop: &AtomicBool,
    acknowledged: &Mutex<HashMap<String, u64>>,
    unanswered: &mut Option<String>,
    name: &str,
) {
    let mut client = server.connect();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let text = unanswered.take().unwrap_or_else(|| format!("{name}-{number}"));
        let headers = format!("idempotency-key: {text}\r\n");
        match client.ask("POST", "/v1/logs/app/records", &headers, &record(&text)) {
            Ok(answer) if answer.status == 201 => {
                let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                acknowledged.lock().unwrap().insert(text, body["entries"][0]["seqno"].as_u64().unwrap());
            }
            Ok(answer) => panic!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(_) => {
                *unanswered = Some(text);
                return;
            }
        }
    }
}
