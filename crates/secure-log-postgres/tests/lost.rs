//! What gets lost between a store and its server: connections, answers, commits, and transactions that are in each other's way.
#![cfg(debug_assertions)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secure_log::error::LogError;
use secure_log::shared::SharedLog;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::Verdict;
use secure_log_postgres::{Postgres, PostgresStore};
use secure_log_testkit::postgres::server;
use secure_log_testkit::{LogBuilder, SeededRandom, count, seed};

use support::proxy::Proxy;
use support::writing::{Told, entry, open};

/// A database, and a way to it that loses things. The other string leads there directly.
fn through_proxy(parameters: &str) -> Option<(Proxy, Postgres, Postgres)> {
    let server = server()?;
    let direct = server.database();
    let proxy = Proxy::to(server.port());
    let port = |port: u16| format!("port={port}");
    let string = direct.replace(&port(server.port()), &port(proxy.port));
    let through = Postgres::connect(&format!("{string} {parameters}")).unwrap();
    Some((proxy, through, Postgres::connect(&direct).unwrap()))
}

#[test]
fn an_append_whose_answer_is_lost_is_acknowledged_and_there_once() {
    let Some((proxy, through, direct)) = through_proxy("") else { return };
    let mut log = open(through.store("log")).unwrap();
    log.append(&entry(b"before")).unwrap();
    for number in 0..count(20, 500) {
        let size = log.size();
        match number % 3 {
            0 => proxy.lose_answers(1),
            1 => proxy.lose_commits(1),
            // Nor does the one arrive by which it is found out.
            _ => proxy.lose_answers(2),
        }
        log.append(&entry(&number.to_be_bytes())).unwrap();
        assert!(proxy.lost_all(), "number {number}: something was to be lost");
        assert_eq!(log.size(), size + 1);
    }
    let mut read = open(direct.store("log")).unwrap();
    assert_eq!(read.size(), log.size(), "each is there once");
    assert_eq!(read.verify_log().unwrap().verdict, Verdict::Valid);
}

/// A commit without entries leaves size and root as they were, so that they do not say whether it was stored.
#[test]
fn a_commit_without_entries_whose_answer_is_lost_is_there_once() {
    let Some((proxy, through, direct)) = through_proxy("") else { return };
    let mut builder = LogBuilder::new();
    let mut store = through.store("log");
    store.insert(&builder.create()).unwrap();
    for number in 0..4u64 {
        if number % 2 == 0 {
            proxy.lose_answers(1)
        } else {
            proxy.lose_commits(1)
        }
        store.insert(&builder.commit().finish()).unwrap();
        assert!(proxy.lost_all());
        assert_eq!(direct.store("log").heads(None, 99).unwrap().len() as u64, number + 2);
    }
}

/// Somebody else's commit in the place of one that was lost is a conflict.
#[test]
fn a_commit_that_was_lost_and_overtaken_is_a_conflict() {
    let Some((proxy, through, direct)) = through_proxy("") else { return };
    let mut builder = LogBuilder::new();
    let (create, mut other) = (builder.create(), LogBuilder::new());
    other.create();
    through.store("log").insert(&create).unwrap();
    let (mine, theirs) = (builder.commit().entry("a", b"mine").finish(), other.commit().entry("a", b"theirs").finish());
    proxy.lose_commit_and_swallow();
    let lost = std::thread::spawn(move || through.store("log").insert(&mine));
    while !proxy.lost_all() {
        std::thread::sleep(Duration::from_millis(5));
    }
    direct.store("log").insert(&theirs).unwrap();
    proxy.swallow(false);
    assert!(matches!(lost.join().unwrap(), Err(StoreError::Conflict { .. })));
    assert_eq!(direct.store("log").heads(None, 9).unwrap().len(), 2);
}

/// Two stores of one log, of which the second was too late twice, and what both of them commit next.
fn who_lost_twice(postgres: &Postgres) -> (PostgresStore, PostgresStore, LogBuilder) {
    let (mut first, mut second, mut builder) = (postgres.store("log"), postgres.store("log"), LogBuilder::new());
    first.insert(&builder.create()).unwrap();
    let late = builder.clone().commit().entry("a", b"late").finish();
    first.insert(&builder.commit().entry("a", b"first").finish()).unwrap();
    for _ in 0..2 {
        assert!(matches!(second.insert(&late), Err(StoreError::Conflict { .. })));
    }
    (first, second, builder)
}

#[test]
fn who_lost_races_is_next_and_the_others_wait_for_its_commit() {
    let Some(server) = server() else { return };
    let (mut first, mut second, mut builder) =
        who_lost_twice(&Postgres::connect(&server.config(&server.new_database())).unwrap());
    let (theirs, mine) =
        (builder.clone().commit().entry("a", b"theirs").finish(), builder.commit().entry("a", b"mine").finish());
    assert_eq!(second.heads(None, 1).unwrap()[0].head.size, 1);
    let waits = std::thread::spawn(move || first.insert(&theirs));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!waits.is_finished(), "it commits although it is another one's turn");
    // Reading is no end of it.
    assert_eq!(second.stream("a").unwrap().unwrap().last, Some(1));
    second.insert(&mine).unwrap();
    assert!(matches!(waits.join().unwrap(), Err(StoreError::Conflict { .. })));
    // It is at an end with the commit.
    second.insert(&builder.commit().entry("a", b"next").finish()).unwrap();
    assert_eq!(second.heads(None, 1).unwrap()[0].head.size, 3);
}

#[test]
fn a_turn_that_is_not_used_keeps_nobody_waiting_for_long() {
    let Some(server) = server() else { return };
    let postgres = Postgres::connect(&server.config(&server.new_database())).unwrap();
    let (mut first, mut second, mut builder) = who_lost_twice(&postgres);
    second.heads(None, 1).unwrap();
    let begun = Instant::now();
    first.insert(&builder.commit().entry("a", b"waits").finish()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Whose turn it was goes on without noticing, and so does who is dropped in the middle of one.
    second.insert(&builder.commit().entry("a", b"later").finish()).unwrap();
    let (mut first, mut dropped, mut builder) =
        who_lost_twice(&Postgres::connect(&server.config(&server.new_database())).unwrap());
    dropped.heads(None, 1).unwrap();
    drop(dropped);
    first.insert(&builder.commit().entry("a", b"at once").finish()).unwrap();
}

#[test]
fn writers_go_on_while_connections_are_cut() {
    let Some((proxy, through, direct)) = through_proxy("") else { return };
    const WRITERS: u64 = 4;
    let (told, stop) = (Told::default(), AtomicBool::new(false));
    let logs: Vec<_> = (0..2).map(|_| SharedLog::new(open(through.store("log")).unwrap())).collect();
    let mut random = SeededRandom::new(seed());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (log, told, stop) = (&logs[writer as usize % logs.len()], &told, &stop);
            scope.spawn(move || {
                for number in 0u64.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    told.append(log, &[writer.to_be_bytes(), number.to_be_bytes()].concat());
                }
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(count(4, 120)) {
            std::thread::sleep(Duration::from_millis(10 + random.below(120)));
            proxy.cut();
        }
        stop.store(true, Ordering::SeqCst);
    });
    told.check(direct.store("log"));
}

#[test]
fn a_server_that_stops_answering_is_an_error_in_bounded_time() {
    let Some((proxy, through, direct)) = through_proxy("answer_timeout=1 patience=2 connect_timeout=1") else { return };
    let mut log = open(through.store("log")).unwrap();
    log.append(&entry(b"before")).unwrap();
    proxy.swallow(true);
    let begun = Instant::now();
    let refused = log.append(&entry(b"lost")).unwrap_err();
    assert!(matches!(&refused, LogError::Store(StoreError::Io { .. })), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    proxy.swallow(false);
    log.append(&entry(b"after")).unwrap();
    assert_eq!(open(direct.store("log")).unwrap().verify_log().unwrap().verdict, Verdict::Valid);
}

/// One of two hosts says nothing: the other one is used.
#[test]
fn a_host_that_says_nothing_is_passed_over() {
    let Some(server) = server() else { return };
    let proxy = Proxy::to(server.port());
    proxy.swallow(true);
    let hosts = format!("host=127.0.0.1,127.0.0.1 port={},{}", proxy.port, server.port());
    let string = server.database().replace(&format!("host=127.0.0.1 port={}", server.port()), &hosts);
    let postgres = Postgres::connect(&format!("{string} connect_timeout=1")).unwrap();
    postgres.store("log").insert(&LogBuilder::new().create()).unwrap();
}

/// Makes every commit fail that the statement says.
fn fail_commits(database: &str, when: &str) {
    let sql = format!(
        "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') {when} THEN RAISE EXCEPTION 'injected' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER fail BEFORE INSERT ON secure_log.head FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    server().unwrap().psql(database, &sql);
}

#[test]
fn transactions_that_fail_to_serialize_are_done_again_and_not_for_ever() {
    let Some(server) = server() else { return };
    let database = server.new_database();
    let mut log = open(Postgres::connect(&server.config(&database)).unwrap().store("log")).unwrap();
    log.append(&entry(b"before")).unwrap();
    fail_commits(&database, "% 4 <> 0");
    for number in 0..5u64 {
        log.append(&entry(&number.to_be_bytes())).unwrap();
    }
    let size = log.size();
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    assert_eq!(server.psql(&database, "SELECT last_value FROM tries"), "20", "three of four failed");
    server.psql(&database, "DROP TRIGGER fail ON secure_log.head; DROP FUNCTION fail; DROP SEQUENCE tries");
    fail_commits(&database, "> 0");
    let refused = log.append(&entry(b"never")).unwrap_err();
    assert!(matches!(&refused, LogError::Store(StoreError::Locked { .. })), "{refused:?}");
    server.psql(&database, "DROP TRIGGER fail ON secure_log.head");
    log.append(&entry(b"after")).unwrap();
    assert_eq!(log.size(), size + 1);
}

#[test]
fn a_session_that_would_acknowledge_early_is_told_to_wait() {
    let Some(server) = server() else { return };
    let database = server.new_database();
    server.psql("postgres", &format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    let mut store = Postgres::connect(&server.config(&database)).unwrap().store("log");
    let mut builder = LogBuilder::new();
    store.insert(&builder.create()).unwrap();
    let sql = "CREATE TABLE seen (value TEXT); CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
        CREATE TRIGGER look BEFORE INSERT ON secure_log.head FOR EACH ROW EXECUTE FUNCTION look()";
    server.psql(&database, sql);
    store.insert(&builder.commit().entry("a", b"x").finish()).unwrap();
    assert_eq!(server.psql(&database, "SELECT value FROM seen"), "on");
}

/// The disk is full for a while: what was acknowledged is there, and nothing else.
#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let Some(server) = secure_log_testkit::postgres::Server::start(&[]) else { return };
    let Some(disk) = server.small_disk("16m") else {
        eprintln!("NOT RUN: a small disk cannot be mounted here");
        return;
    };
    server.psql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display()));
    server.psql("postgres", "CREATE DATABASE small TABLESPACE small");
    let mut log = open(Postgres::connect(&server.config("small")).unwrap().store("log")).unwrap();
    // What is compressed fills no disk.
    let mut random = SeededRandom::new(seed());
    let payload: Vec<u8> = (0..200_000).map(|_| random.below(256) as u8).collect();
    let (refused, size) = loop {
        let before = log.size();
        match log.append(&entry(&payload)) {
            Ok(_) => assert!(before < 1000, "the disk never gets full"),
            Err(error) => break (error, before),
        }
    };
    assert!(matches!(&refused, LogError::Store(StoreError::Io { .. })), "{refused:?}");
    assert!(size > 0 && refused.to_string().contains("space"), "{refused}");
    disk.resize("64m");
    log.append(&entry(b"room")).unwrap();
    assert_eq!(log.size(), size + 1);
    assert_eq!(log.verify_log().unwrap().verdict, Verdict::Valid);
    drop(log);
}
