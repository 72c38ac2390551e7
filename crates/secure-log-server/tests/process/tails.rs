use std::time::{Duration, Instant};

use secure_log_testkit::count;

use crate::support::{Client, Folder};

const RECORD: &str = r#"{"stream":"door","event":"opened","text":"x"}"#;

/// Reads until an event of this seqno.
fn read_to(client: &mut Client, seqno: u64) {
    let wanted = format!("id: {seqno}\n");
    let mut seen = String::new();
    while !seen.contains(&wanted) {
        let chunk = client.chunk().unwrap().expect("the tail is open");
        seen.push_str(str::from_utf8(&chunk).unwrap());
    }
}

#[test]
fn many_tails_see_what_is_appended_and_take_no_thread_each() {
    let folder = Folder::new("file").set("SECURE_LOG_HTTP_THREADS", "8");
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    let many = count(100, 1000) as usize;
    let mut tails: Vec<Client> = (0..many)
        .map(|_| {
            let mut client = server.connect();
            client.send("GET", "/v1/logs/app/tail?topic=door/%23", "", b"").unwrap();
            assert_eq!(client.head().unwrap().header("content-type"), Some("text/event-stream"));
            assert_eq!(client.chunk().unwrap().unwrap(), b": open\n\n");
            client
        })
        .collect();
    assert_eq!(server.metric("secure_log_tails"), many as f64);
    let threads = server.threads();
    assert!(threads <= 8 + 4 + 3, "{threads} threads");
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(server.call("POST", "/v1/logs/app/records", RECORD).0, 201);
    }
    let appended = begun.elapsed();
    tails.iter_mut().for_each(|tail| read_to(tail, 20));
    println!("20 appends beside {many} tails: {appended:?}; all tails saw them after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30));
    // One that goes away gives its place back, and the others end with the server.
    tails.truncate(many / 2);
    let until = Instant::now() + Duration::from_secs(20);
    while server.metric("secure_log_tails") > (many / 2) as f64 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(server.end());
    for mut tail in tails {
        while let Ok(Some(_)) = tail.chunk() {}
    }
}

#[test]
fn a_tail_goes_on_behind_the_last_event() {
    let folder = Folder::new("sqlite");
    let server = folder.start();
    assert_eq!(server.call("POST", "/v1/logs", r#"{"id":"app"}"#).0, 201);
    (0..5).for_each(|_| assert_eq!(server.call("POST", "/v1/logs/app/records", RECORD).0, 201));
    let mut tail = server.connect();
    tail.send("GET", "/v1/logs/app/tail", "last-event-id: 3\r\n", b"").unwrap();
    tail.head().unwrap();
    let mut seen = String::new();
    while !seen.contains("id: 5\n") {
        seen.push_str(str::from_utf8(&tail.chunk().unwrap().unwrap()).unwrap());
    }
    assert!(seen.contains("id: 4\n") && !seen.contains("id: 3\n"), "{seen}");
}
