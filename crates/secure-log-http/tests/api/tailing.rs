use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};

use secure_log_http::{Body, Next, Stream};

use crate::world::World;

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn stream(world: &World, target: &str, last: Option<&str>) -> Box<dyn Stream + Send> {
    let head = world.head("all", "GET", target);
    let head = match last {
        Some(last) => head.with("Last-Event-ID", last),
        None => head,
    };
    let response = world.api.handle(head, b"");
    assert_eq!(response.header("content-type"), Some("text/event-stream"), "{response:?}");
    let Body::Stream(stream) = response.body else { panic!("a stream") };
    stream
}

fn read(stream: &mut Box<dyn Stream + Send>, waker: &Waker) -> String {
    let mut all = Vec::new();
    while let Next::Bytes(bytes) = stream.next(waker) {
        all.extend(bytes);
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn a_tail_gives_what_is_appended_and_is_woken_by_it() {
    let world = World::new();
    world.append("door", "before");
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut tail = stream(&world, "/v1/logs/app/tail?topic=door/%23", None);
    assert_eq!(read(&mut tail, &waker), ": open\n\n");
    assert_eq!(tail.next(&waker), Next::Nothing);
    world.append("window", "x");
    world.append("door", "a\nb\u{202e}");
    assert!(woken.0.load(Ordering::SeqCst) > 0);
    let events = read(&mut tail, &waker);
    let lines: Vec<&str> = events.lines().collect();
    assert_eq!(lines[..2], ["id: 3", "event: entry"]);
    assert!(lines[2].starts_with("data: {\"seqno\":3,") && lines[2].contains("a\\nb\\u202e"), "{events}");
    assert_eq!(lines.len(), 4, "{events}");
}

#[test]
fn a_tail_goes_on_where_it_was() {
    let world = World::new();
    (0..600).for_each(|n| _ = world.append("a", &n.to_string()));
    let count = |target: &str, last: Option<&str>| {
        let mut tail = stream(&world, target, last);
        read(&mut tail, Waker::noop()).matches("event: entry").count()
    };
    assert_eq!(count("/v1/logs/app/tail", None), 0);
    assert_eq!(count("/v1/logs/app/tail?from=1", None), 600);
    assert_eq!(count("/v1/logs/app/tail?from=591", None), 10);
    assert_eq!(count("/v1/logs/app/tail?from=1", Some("590")), 10);
    assert_eq!(count("/v1/logs/app/tail?from=1&topic=none", None), 0);
    for (target, last, status) in [
        ("/v1/logs/app/tail?from=9999", None, 404),
        ("/v1/logs/app/tail", Some("x"), 400),
        ("/v1/logs/app/tail?topic=a%23", None, 400),
        ("/v1/logs/none/tail", None, 404),
    ] {
        let mut head = world.head("all", "GET", target);
        if let Some(last) = last {
            head = head.with("last-event-id", last);
        }
        assert_eq!(world.call(head, "").0, status, "{target}");
    }
    let many = vec!["topic=a"; 17].join("&");
    assert_eq!(world.get(&format!("/v1/logs/app/tail?{many}")).0, 400);
}
