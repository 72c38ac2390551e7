//! Following a log: what is given out, in which order, and when.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::world::*;
use secure_log::NativeSecureLog;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::{StreamRules, Tier};
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::tail::{DEFAULT_MAX_BEHIND, Delivery, Lag, Start, Tail, TailOptions, TopicFilter};
use secure_log_testkit::following::{follows_every_writer, seqnos};
use secure_log_testkit::{Effect, Fault, FaultStore, HostileStore, OwnedRecord, SeededRandom, count, seed};

fn topics(filters: &[&str]) -> TailOptions {
    let topics = filters.iter().map(|filter| filter.parse().unwrap()).collect();
    TailOptions { topics, ..TailOptions::default() }
}

fn from(seqno: u64) -> TailOptions {
    TailOptions { start: Start::Seqno(seqno), ..TailOptions::default() }
}

/// All that a tail gives now.
#[track_caller]
fn all<S: SecureLogStore>(tail: &mut Tail, log: &mut SecureLog<S>) -> Vec<Delivery> {
    std::iter::from_fn(|| tail.next(log).unwrap()).collect()
}

/// What a filter means, said another way: on lists, and from the end where `#` stands there.
fn naive(filter: &str, stream: &str, event: &str) -> bool {
    let topic = format!("{stream}/{}", event.replace('.', "/"));
    let topic: Vec<&str> = topic.split('/').collect();
    let mut levels: Vec<&str> = filter.split('/').collect();
    let open = levels.pop_if(|last| *last == "#").is_some();
    let fits = if open { topic.len() >= levels.len() } else { topic.len() == levels.len() };
    fits && levels.iter().zip(&topic).all(|(level, name)| *level == "+" || level == name)
}

fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let alone = levels.iter().all(|level| level.len() == 1 || !level.contains(['+', '#']));
    let last = levels[..levels.len() - 1].iter().all(|level| *level != "#");
    !text.is_empty() && alone && last
}

#[test]
fn filters_agree_with_a_naive_matcher() {
    let mut random = SeededRandom::new(seed());
    let mut text =
        |pieces: &[&str], most: u64| -> String { (0..random.below(most + 1)).map(|_| *random.pick(pieces)).collect() };
    let (mut filters, mut matched) = (0, 0);
    for _ in 0..count(100_000, 5_000_000) {
        let filter = text(&["a", "b", "/", "/", "+", "#", "/#"], 7);
        let (stream, event) = (text(&["a", "b", "/", "+", "#"], 4), text(&["a", "b", ".", "/", "#"], 4));
        let Ok(parsed) = filter.parse::<TopicFilter>() else {
            assert!(!is_filter(&filter), "{filter} was refused");
            continue;
        };
        assert!(is_filter(&filter), "{filter} was taken");
        let matches = parsed.matches(&stream, &event);
        assert_eq!(matches, naive(&filter, &stream, &event), "{filter} {stream} {event}");
        assert!(!matches || parsed.may_match(&stream), "{filter} {stream} {event}");
        // What may match does so for some event type: for one with as many levels as are left, each of which it names.
        if parsed.may_match(&stream) {
            let left: Vec<&str> = filter.split('/').skip(stream.split('/').count()).collect();
            let fitting = if left.is_empty() { "x".into() } else { left.join(".").replace(['+', '#'], "x") };
            assert!(parsed.matches(&stream, &fitting), "{filter} {stream} {fitting}");
        }
        filters += 1;
        matched += u64::from(matches);
    }
    assert!(matched * 50 > filters, "{matched} of {filters} matched, which shows little");
}

#[test]
fn from_now_on_only_what_comes_and_from_a_cursor_what_was_there() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for stream in ["a", "b", "a"] {
        append(&mut log, stream, b"before");
    }
    let mut now = log.tail(TailOptions::default()).unwrap();
    let mut second = log.tail(from(2)).unwrap();
    let mut only_a = log.tail(TailOptions { start: Start::Seqno(0), ..topics(&["a/test/+", "c/#"]) }).unwrap();
    assert_eq!((now.cursor(), second.cursor(), only_a.cursor()), (4, 2, 1));
    assert_eq!(now.next(&mut log).unwrap(), None);
    log.append_batch(&[entry("b", b"after"), entry("c", b"after")]).unwrap();
    log.close_segment("a").unwrap();
    assert_eq!(seqnos(&all(&mut now, &mut log)), [4, 5, 6]);
    assert_eq!(seqnos(&all(&mut second, &mut log)), [2, 3, 4, 5, 6]);
    // The entry that says that a segment was closed has another topic.
    assert_eq!(seqnos(&all(&mut only_a, &mut log)), [1, 3, 5]);
    assert_eq!((now.cursor(), second.cursor(), only_a.cursor()), (7, 7, 7));
    // What was given out is what a read gives.
    second.skip_to(2);
    let Some(Delivery::Entry(given)) = second.next(&mut log).unwrap() else { panic!("an entry") };
    assert_eq!(*given, log.read(2).unwrap());
    // In the middle of a page the cursor is what comes next.
    assert_eq!(second.cursor(), 3);
    let mut resumed = log.tail(from(second.cursor())).unwrap();
    assert_eq!(all(&mut resumed, &mut log), all(&mut second, &mut log));
}

#[test]
fn a_cursor_beyond_the_next_entry_is_refused() {
    let mut log = World::new().open().unwrap();
    append(&mut log, "a", b"1");
    assert!(log.tail(from(2)).is_ok());
    let refused = log.tail(from(3)).unwrap_err();
    assert!(matches!(refused, LogError::NotCovered { seqno: 2, size: 1 }), "{refused:?}");
    assert!(matches!(log.tail(from(u64::MAX)), Err(LogError::NotCovered { .. })));
}

#[test]
fn pages_of_large_and_of_small_entries_leave_nothing_out() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let small: Vec<NewEntry<'_>> = (0..700).map(|n| entry(if n % 3 == 0 { "a" } else { "b" }, b"small")).collect();
    log.append_batch(&small).unwrap();
    let large = vec![7; 700 << 10];
    log.append_batch(&[entry("a", &large); 5]).unwrap();
    log.append_batch(&small).unwrap();
    for start in [1, 2, 17, 256, 700, 703, 1405] {
        let mut tail = log.tail(from(start)).unwrap();
        assert_eq!(seqnos(&all(&mut tail, &mut log)), (start..=1405).collect::<Vec<_>>(), "from {start}");
    }
    // Of the large ones no more than two are held at once, however many fit in memory.
    let mut tail = log.tail(from(701)).unwrap();
    tail.next(&mut log).unwrap();
    assert_eq!(tail.cursor(), 702);
    tail.next(&mut log).unwrap();
    world.edit(|records| records.retain(|record| record.entry().is_none_or(|entry| entry.seqno != 704)));
    assert!(tail.next(&mut log).is_err(), "the third one had not been read yet");
}

#[test]
fn what_is_pruned_or_sealed_comes_as_what_it_is() {
    let world = World { keys: World::new().keys.wrapping("kek"), ..World::new() };
    let mut log = world.open_with(|options| options.kek_label = Some("kek".into())).unwrap();
    log.create_stream("secret", &StreamRules { tier: Tier::Protected, ..StreamRules::default() }).unwrap();
    let sealed = log.append_sealed(&entry("secret", b"in clear")).unwrap().0;
    let gone = append(&mut log, "old", b"gone");
    append(&mut log, "other", b"stays");
    log.store_mut().prune(&[("old", gone.seqno)]).unwrap();
    let mut tail = log.tail(from(sealed.seqno)).unwrap();
    let given = all(&mut tail, &mut log);
    let Delivery::Entry(given_sealed) = &given[0] else { panic!("{given:?}") };
    assert!(given_sealed.encoding.contains("+aead-") && !given_sealed.payload.ends_with(b"in clear"));
    assert_eq!(*log.open_payload(sealed.seqno).unwrap().payload, b"in clear");
    let pruned = Delivery::Pruned { seqno: gone.seqno, stream: "old".into(), hash: gone.hash };
    assert_eq!(given[1], pruned);
    // A cursor among what is gone is as good as any. Whose topic it cannot have had is not told.
    for (filters, expected) in
        [(["old/#"].as_slice(), vec![pruned.clone()]), (&["old/a/b"], vec![pruned]), (&["olds/#", "old"], vec![])]
    {
        let options = TailOptions { start: Start::Seqno(gone.seqno), ..topics(filters) };
        let mut tail = log.tail(options).unwrap();
        assert_eq!(all(&mut tail, &mut log), expected, "{filters:?}");
    }
}

#[test]
fn what_a_store_shows_otherwise_than_it_was_is_refused_and_the_tail_stays_where_it_is() {
    type Edit = fn(&mut OwnedRecord) -> bool;
    let edits: [(&str, Edit); 4] = [
        ("another payload", |record| {
            if let OwnedRecord::Entry { seqno: 20, bytes, .. } = record {
                let inside = bytes.len() - 40;
                bytes[inside] ^= 1;
            }
            true
        }),
        ("an entry left out", |record| !matches!(record, OwnedRecord::Entry { seqno: 20, .. })),
        ("the last ones left out", |record| !matches!(record, OwnedRecord::Entry { seqno: 39.., .. })),
        ("an entry that is said to be pruned and had another hash", |record| {
            if let OwnedRecord::Entry { seqno: 20, stream, .. } = record {
                *record = OwnedRecord::Pruned { seqno: 20, stream: stream.clone(), hash: Hash::ZERO };
            }
            true
        }),
    ];
    for (what, edit) in edits {
        let world = World::new();
        let lying = Arc::new(AtomicBool::new(false));
        let lies = Arc::clone(&lying);
        let store = HostileStore::new(world.store.clone())
            .rewrite_rows(move |record| !lies.load(Ordering::SeqCst) || edit(record));
        let mut log = world.open_on(store, |_| ()).unwrap();
        for n in 0..40u8 {
            append(&mut log, "a", &[n; 64]);
        }
        // From the beginning, and from where the tree before was not read.
        for start in [1, 9, 20] {
            let mut tail = log.tail(from(start)).unwrap();
            let mut before = Vec::new();
            lying.store(true, Ordering::SeqCst);
            let refused = loop {
                match tail.next(&mut log) {
                    Ok(Some(delivery)) => before.push(delivery),
                    Ok(None) => panic!("{what} from {start}: nothing was found wrong"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(refused, LogError::ChainBroken { .. }), "{what} from {start}: {refused:?}");
            lying.store(false, Ordering::SeqCst);
            before.extend(all(&mut tail, &mut log));
            assert_eq!(seqnos(&before), (start..=40).collect::<Vec<_>>(), "{what} from {start}");
        }
    }
}

#[test]
fn who_is_behind_is_told_once_and_chooses() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let write = |log: &mut Log, entries: u64| {
        for _ in 0..entries {
            append(log, "a", b"x");
        }
    };
    write(&mut log, 20);
    let close_by = TailOptions { max_behind: Some(5), ..TailOptions::default() };
    // What was there when it began is no lag.
    let mut tail = log.tail(TailOptions { start: Start::Seqno(1), ..close_by.clone() }).unwrap();
    assert_eq!(seqnos(&all(&mut tail, &mut log)), (1..=20).collect::<Vec<_>>());
    write(&mut log, 5);
    assert_eq!(seqnos(&all(&mut tail, &mut log)), (21..=25).collect::<Vec<_>>());
    write(&mut log, 6);
    let lag = Lag { first: 26, last: 31 };
    assert_eq!(tail.next(&mut log).unwrap(), Some(Delivery::Lagged(lag)));
    assert_eq!((lag.entries(), tail.cursor()), (6, 26));
    // Who does nothing gets them all, and is not told again while it reads what it knows of.
    write(&mut log, 100);
    assert_eq!(seqnos(&all_until(&mut tail, &mut log, 31)), (26..=31).collect::<Vec<_>>());
    // Some of what came since was read along, and is behind as well.
    let Some(Delivery::Lagged(next)) = all_until_lag(&mut tail, &mut log) else { panic!("behind again") };
    assert_eq!(next.last, 131);
    // Who skips goes on behind it, and finds what it skipped where it was told.
    tail.skip_to(next.last + 1);
    write(&mut log, 1);
    assert_eq!(seqnos(&all(&mut tail, &mut log)), [132]);
    tail.skip_to(next.first);
    assert_eq!(seqnos(&all(&mut tail, &mut log)), (next.first..=132).collect::<Vec<_>>());
    // Who does not want to be told is not.
    let mut tail = log.tail(TailOptions { max_behind: None, ..close_by }).unwrap();
    write(&mut log, 50);
    assert_eq!(all(&mut tail, &mut log).len(), 50);
    assert_eq!(TailOptions::default().max_behind, Some(DEFAULT_MAX_BEHIND));
}

/// What a tail gives up to this seqno.
fn all_until(tail: &mut Tail, log: &mut Log, last: u64) -> Vec<Delivery> {
    let mut given = Vec::new();
    while tail.cursor() <= last {
        given.push(tail.next(log).unwrap().unwrap());
    }
    given
}

/// Reads up to the next lag.
fn all_until_lag(tail: &mut Tail, log: &mut Log) -> Option<Delivery> {
    std::iter::from_fn(|| tail.next(log).unwrap()).find(|delivery| matches!(delivery, Delivery::Lagged(_)))
}

#[test]
fn every_writer_is_followed_whatever_the_process() {
    let world = World::new();
    follows_every_writer(|| world.store.clone());
}

#[test]
fn an_entry_is_given_out_only_once_its_commit_is_durable() {
    let world = World::new();
    let (entered, enters) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let blocked = Arc::new(AtomicBool::new(false));
    let blocks = Arc::clone(&blocked);
    let store = HostileStore::new(world.store.clone()).intercept_commits(move |_, _| {
        if blocks.load(Ordering::SeqCst) {
            entered.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        None
    });
    let log = NativeSecureLog::new(world.open_on(store, |_| ()).unwrap());
    let mut subscription = log.subscribe(TailOptions::default()).unwrap();
    let (given, gives) = mpsc::channel();
    blocked.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| log.append(&entry("a", b"held")).unwrap());
        enters.recv().unwrap();
        // The commit is with the store, which has not said that it is durable.
        scope.spawn(move || given.send(subscription.wait().unwrap()).unwrap());
        assert!(gives.recv_timeout(Duration::from_millis(200)).is_err(), "given out before it was durable");
        release.send(()).unwrap();
        assert_eq!(seqnos(&[gives.recv().unwrap()]), [1]);
    });
}

#[test]
fn what_was_not_stored_is_never_given_out_and_what_was_is_even_if_nobody_was_told() {
    for effect in [Effect::FailsNotStored, Effect::FailsButStored] {
        let world = World::new();
        let (store, faults) = FaultStore::new(world.store.clone());
        let log = NativeSecureLog::new(world.open_on(store, |_| ()).unwrap());
        let mut subscription = log.subscribe(TailOptions::default()).unwrap();
        faults.arm(Fault::on_write(1, effect));
        let failed = log.append(&entry("a", b"maybe")).unwrap_err();
        assert!(matches!(failed, LogError::Store(StoreError::Io { .. })), "{failed:?}");
        let given = subscription.wait_for(Duration::from_millis(20)).unwrap();
        assert_eq!(given.is_some(), effect == Effect::FailsButStored, "{effect:?}");
        log.append(&entry("a", b"after")).unwrap();
        let Delivery::Entry(last) = subscription.wait().unwrap() else { panic!("an entry") };
        assert_eq!(last.payload, b"after");
    }
}

#[test]
fn a_subscriber_that_stops_reading_holds_up_nobody() {
    let world = World::new();
    let log = NativeSecureLog::new(world.open().unwrap());
    let mut stopped = log.subscribe(TailOptions { max_behind: Some(100), ..TailOptions::default() }).unwrap();
    let mut reader = log.subscribe(TailOptions { max_behind: None, ..TailOptions::default() }).unwrap();
    log.append(&entry("a", b"first")).unwrap();
    assert_eq!(seqnos(&[stopped.wait().unwrap()]), [1]);
    let entries = count(3_000, 100_000);
    for n in 0..entries {
        log.append(&entry("a", &n.to_be_bytes())).unwrap();
        // It looks at nothing by itself, and so holds nothing.
        assert_eq!(stopped.cursor(), 2);
    }
    let read: Vec<Delivery> = (0..=entries).map(|_| reader.wait().unwrap()).collect();
    assert_eq!(seqnos(&read), (1..=entries + 1).collect::<Vec<_>>());
    let lag = Delivery::Lagged(Lag { first: 2, last: entries + 1 });
    assert_eq!(stopped.wait().unwrap(), lag);
    let late: Vec<Delivery> = (0..entries).map(|_| stopped.wait().unwrap()).collect();
    assert_eq!(late, read[1..]);
    assert_eq!(stopped.wait_for(Duration::ZERO).unwrap(), None);
}

#[test]
fn who_reads_much_lets_those_who_append_go_first() {
    let log = NativeSecureLog::new(World::new().open().unwrap());
    let many: Vec<NewEntry<'_>> = (0..30_000).map(|_| entry("a", b"x")).collect();
    log.append_batch(&many).unwrap();
    // It finds nothing that it wants, and so goes from page to page without a pause.
    let options = TailOptions { start: Start::Seqno(1), ..topics(&["unwanted/#"]) };
    let mut all = log.subscribe(options).unwrap();
    let pages = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while all.cursor() <= 30_000 {
                assert_eq!(all.wait_for(Duration::ZERO).unwrap(), None);
                pages.fetch_add(1, Ordering::SeqCst);
            }
        });
        let read = || pages.load(Ordering::SeqCst);
        let mut waited = Vec::new();
        for _ in 0..10 {
            // In the middle of its reading.
            let before = read();
            while read() == before && !reader.is_finished() {
                std::thread::yield_now();
            }
            let before = read();
            log.append(&entry("b", b"y")).unwrap();
            waited.push(read() - before);
        }
        // The page that is being read is waited for, and at most one that began before somebody was seen to wait.
        assert!(waited.iter().sum::<u64>() <= 30, "pages that were read while an append waited: {waited:?}");
    });
}

#[test]
fn what_is_committed_here_wakes_who_waits_without_asking() {
    let log = NativeSecureLog::new(World::new().open().unwrap());
    let options = TailOptions { poll_every: Duration::MAX, ..TailOptions::default() };
    let mut subscription = log.subscribe(options).unwrap();
    std::thread::scope(|scope| {
        let given = scope.spawn(move || {
            [(); 2].map(|()| {
                let began = Instant::now();
                let given = subscription.wait_for(Duration::from_secs(20)).unwrap().expect("an entry");
                assert!(began.elapsed() < Duration::from_secs(10), "it was found when the time was over");
                given
            })
        });
        for _ in 0..2 {
            // Long enough that the other one waits again.
            std::thread::sleep(Duration::from_millis(20));
            log.append(&entry("a", b"x")).unwrap();
        }
        assert_eq!(seqnos(&given.join().unwrap()), [1, 2]);
    });
}

#[test]
fn a_wait_ends_in_time_and_others_entries_are_found_by_asking() {
    let world = World::new();
    let log = NativeSecureLog::new(world.open().unwrap());
    let options = TailOptions { poll_every: Duration::from_millis(5), ..topics(&["wanted/#"]) };
    let mut subscription = log.subscribe(options).unwrap();
    let began = Instant::now();
    assert_eq!(subscription.wait_for(Duration::from_millis(30)).unwrap(), None);
    assert!(began.elapsed() >= Duration::from_millis(30));
    log.append(&entry("unwanted", b"x")).unwrap();
    assert_eq!(subscription.wait_for(Duration::from_millis(10)).unwrap(), None);
    assert_eq!(subscription.cursor(), 2);
    let mut other = world.open().unwrap();
    append(&mut other, "wanted", b"x");
    assert_eq!(seqnos(&[subscription.wait().unwrap()]), [2]);
    // The log sees them, too, and says so to those who wait.
    append(&mut other, "wanted", b"x");
    assert_eq!(log.lock().look().unwrap(), 3);
}
