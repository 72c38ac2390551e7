//! A subscription as an asynchronous stream, without a runtime: polled by hand.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use secure_log::engine::NewEntry;
use secure_log::shared::{SharedLog, Subscription};
use secure_log::tail::{Delivery, Start, TailOptions};
use secure_log_file::disk::OsDisk;
use secure_log_file::{FileStore, Options};
use secure_log_testkit::following::{entry, open_log, seqnos};

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

type Polled = Poll<Option<Delivery>>;

fn poll(subscription: &mut Subscription<FileStore>, woken: &Arc<Woken>) -> Polled {
    let waker = Waker::from(Arc::clone(woken));
    let polled = Pin::new(subscription).poll_next(&mut Context::from_waker(&waker));
    polled.map(|given| given.map(|delivery| delivery.unwrap()))
}

#[track_caller]
fn assert_gives(polled: Polled, seqno: u64) {
    let Poll::Ready(Some(delivery)) = polled else { panic!("{polled:?}") };
    assert_eq!(seqnos(&[delivery]), [seqno]);
}

/// As one opens a file that others append to as well.
fn open(path: &Path) -> SharedLog<FileStore> {
    let mut shared = Options::default();
    shared.hold_lock = false;
    SharedLog::new(open_log(FileStore::open_on(OsDisk, path, shared).unwrap()).unwrap())
}

#[test]
fn a_stream_is_woken_by_what_is_committed_here_and_by_a_look_at_what_others_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = open(&path);
    let mut subscription = log.subscribe(TailOptions::default()).unwrap();
    let woken = Arc::new(Woken::default());
    // Polled again before anything came, it is still woken once.
    for _ in 0..2 {
        assert_eq!(poll(&mut subscription, &woken), Poll::Pending);
    }
    log.append(&entry("a")).unwrap();
    assert_eq!(woken.times(), 1);
    assert_gives(poll(&mut subscription, &woken), 1);
    assert_eq!(poll(&mut subscription, &woken), Poll::Pending);
    let in_a_thread = log.clone();
    std::thread::spawn(move || in_a_thread.append(&entry("a")).unwrap()).join().unwrap();
    assert_eq!(woken.times(), 2);
    assert_gives(poll(&mut subscription, &woken), 2);
    assert_eq!(poll(&mut subscription, &woken), Poll::Pending);
    // What another opening appends wakes nobody until somebody looks.
    open(&path).append(&entry("a")).unwrap();
    assert_eq!(woken.times(), 2);
    assert_eq!(log.lock().look().unwrap(), 3);
    assert_eq!(woken.times(), 3);
    assert_gives(poll(&mut subscription, &woken), 3);
}

#[test]
fn what_nobody_wants_is_passed_a_page_at_a_time_and_a_dropped_stream_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("audit.jsonl"));
    let mut entries: Vec<NewEntry<'_>> = vec![entry("unwanted"); 1000];
    entries.push(entry("wanted"));
    log.append_batch(&entries).unwrap();
    let options =
        TailOptions { topics: vec!["wanted/#".parse().unwrap()], start: Start::Seqno(1), ..TailOptions::default() };
    let mut subscription = log.subscribe(options).unwrap();
    let woken = Arc::new(Woken::default());
    let mut pages = 0;
    let given = loop {
        match poll(&mut subscription, &woken) {
            Poll::Pending => pages += 1,
            given => break given,
        }
        assert_eq!(woken.times(), pages, "who comes back for more wakes itself");
    };
    assert_gives(given, 1001);
    assert!(pages >= 3, "{pages}");
    assert_eq!(poll(&mut subscription, &woken), Poll::Pending);
    assert_eq!(Arc::strong_count(&woken), 2, "its waker is kept");
    drop(subscription);
    assert_eq!(Arc::strong_count(&woken), 1, "and is gone with it");
    log.append(&entry("wanted")).unwrap();
    assert_eq!(woken.times(), pages);
}
