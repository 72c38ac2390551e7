//! A primary with a synchronous standby: what was acknowledged survives the primary, and writers go on by themselves.
#![cfg(debug_assertions)]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secure_log::shared::SharedLog;
use secure_log_postgres::Postgres;
use secure_log_testkit::count;
use secure_log_testkit::postgres::Server;

use support::writing::{Told, entry, open};

/// How soon after a promotion every writer has to have appended something.
const GOES_ON: Duration = Duration::from_secs(10);

/// A server, and one that has everything before it is acknowledged.
fn pair() -> Option<(Server, Server)> {
    let primary = Server::start(&["-c", "fsync=off"])?;
    let standby = primary.standby(&["-c", "fsync=off"]);
    primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    primary.psql("postgres", "SELECT pg_reload_conf()");
    let begun = Instant::now();
    while primary.psql("postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1" {
        assert!(begun.elapsed() < Duration::from_secs(30), "the standby does not follow");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some((primary, standby))
}

fn both(primary: &Server, standby: &Server) -> String {
    let port = format!("host=127.0.0.1 port={}", primary.port());
    let ports = format!("host=127.0.0.1,127.0.0.1 port={},{}", primary.port(), standby.port());
    primary.config("postgres").replace(&port, &ports)
}

#[test]
fn sixteen_writers_go_on_when_the_primary_is_killed_and_its_standby_promoted() {
    const WRITERS: usize = 16;
    for _ in 0..count(1, 10) {
        let Some((primary, standby)) = pair() else { return };
        let config = both(&primary, &standby);
        // Four programs, each with writers of its own.
        let logs: Vec<_> =
            (0..4).map(|_| SharedLog::new(open(Postgres::connect(&config).unwrap().store("log")).unwrap())).collect();
        let (told, stop) = (Told::default(), AtomicBool::new(false));
        let latest = Mutex::new(vec![Instant::now(); WRITERS]);
        let is_on_since = |instant: Instant| latest.lock().unwrap().iter().all(|last| *last > instant);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (log, told, stop, latest) = (&logs[writer % logs.len()], &told, &stop, &latest);
                scope.spawn(move || {
                    for number in 0u64.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let begun = Instant::now();
                        if told.append(log, &[writer.to_be_bytes(), number.to_be_bytes()].concat()) {
                            latest.lock().unwrap()[writer] = begun;
                        }
                    }
                });
            }
            let stop_at_end = StopAtEnd(&stop);
            std::thread::sleep(Duration::from_secs(2));
            primary.kill();
            std::thread::sleep(Duration::from_millis(500));
            standby.promote();
            let promoted = Instant::now();
            while !is_on_since(promoted) {
                assert!(promoted.elapsed() < GOES_ON, "not every writer goes on");
                std::thread::sleep(Duration::from_millis(10));
            }
            eprintln!("every writer went on {:?} after the promotion", promoted.elapsed());
            drop(stop_at_end);
        });
        told.check(Postgres::connect(&config).unwrap().store("log"));
    }
}

/// Writers stop also where the test fails.
struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A server that is made to stop waiting for its standby says that all is done, and warns that the standby may not have it.
#[test]
fn what_a_standby_may_not_have_is_not_acknowledged() {
    let Some((primary, standby)) = pair() else { return };
    let postgres = Postgres::connect(&primary.config("postgres")).unwrap();
    let log = SharedLog::new(open(postgres.store("log")).unwrap());
    log.append(&entry(b"before")).unwrap();
    standby.pause();
    std::thread::scope(|scope| {
        let append = scope.spawn(|| log.append(&entry(b"waits")).unwrap());
        let resumed = Resumed(&standby);
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        for _ in 0..3 {
            let begun = Instant::now();
            while primary.psql("postgres", cancel) == "0" {
                assert!(begun.elapsed() < Duration::from_secs(20) && !append.is_finished(), "nobody waits");
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(300));
            assert!(!append.is_finished(), "it was acknowledged");
        }
        drop(resumed);
        append.join().unwrap();
    });
    primary.kill();
    standby.promote();
    let mut kept = open(Postgres::connect(&standby.config("postgres")).unwrap().store("log")).unwrap();
    let last = kept.size();
    assert_eq!(kept.read(last).unwrap().payload, b"waits");
}

struct Resumed<'s>(&'s Server);

impl Drop for Resumed<'_> {
    fn drop(&mut self) {
        self.0.resume();
    }
}
