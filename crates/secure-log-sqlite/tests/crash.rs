//! What takes something out of the tables, killed at any operation of the disk.

use crate::over_engine::{Engine, open_on};
use secure_log::import::{ImportError, ImportOptions, import_jsonl};
use secure_log::index::{self, IndexRow};
use secure_log::jsonl::export;
use secure_log::record::Record;
use secure_log::store::{Commit, EntryRange, SecureLogStore, StoreError};
use secure_log::verify::Trust;
use secure_log_file::write_archive;
use secure_log_sqlite::SqliteStore;
use secure_log_testkit::archiving::at_every_operation;
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_testkit::interrupted::Interrupted;
use secure_log_testkit::{LogBuilder, count, log_of_parts, seed, witnessed};

const ROWS: u64 = 40;
const DROPPED: usize = 30;

fn store(disk: &CrashDisk) -> Result<SqliteStore<Engine>, StoreError> {
    open_on(disk, "log.db")
}

/// All rows that were to go have gone, or none, and everything else is there.
fn assert_whole(disk: &CrashDisk, when: &str) {
    let (log, rows) = witnessed(ROWS);
    let mut store = store(disk).unwrap_or_else(|error| panic!("{when}: {error}"));
    let left: Vec<_> = store.witnesses(None, u32::MAX).unwrap().into_iter().rev().map(|witness| witness.row).collect();
    assert!(left == rows || left == rows[DROPPED..], "{when}: {} rows are left", left.len());
    assert_eq!(store.heads(None, 1).unwrap()[0].number, log.len() as u64, "{when}");
    store.drop_witnesses(&rows[..DROPPED]).unwrap_or_else(|error| panic!("{when}, going on: {error}"));
    assert_eq!(store.witnesses(None, u32::MAX).unwrap().len(), ROWS as usize - DROPPED, "{when}");
}

/// Each opening makes a write-ahead log of its own, whose name has to be durable before a commit is acknowledged: the one of an
/// earlier opening in its place would take the database back.
#[test]
fn what_an_opening_acknowledged_is_there_after_a_crash_whatever_openings_were_before() {
    let (log, _) = witnessed(12);
    let disk = CrashDisk::new();
    let newest = |image: &CrashDisk| store(image).unwrap().heads(None, 1).unwrap()[0].number;
    for (number, commit) in (1..).zip(&log) {
        let mut opened = store(&disk).unwrap();
        opened.insert(commit).unwrap();
        for image in [0, 1, seed().wrapping_add(number)] {
            assert_eq!(newest(&disk.image(image)), number, "while it is open, image {image}");
        }
        drop(opened);
        for image in [0, 1, seed().wrapping_add(number)] {
            assert_eq!(newest(&disk.image(image)), number, "after it was closed, image {image}");
        }
    }
}

#[test]
fn witness_rows_are_dropped_as_a_whole_or_not_at_all() {
    let (log, rows) = witnessed(ROWS);
    let whole = CrashDisk::new();
    log.iter().for_each(|commit| store(&whole).unwrap().insert(commit).unwrap());
    let drop_rows = |disk: &CrashDisk| store(disk).and_then(|mut store| store.drop_witnesses(&rows[..DROPPED]));
    let disk = whole.image(0);
    drop_rows(&disk).unwrap();
    let operations = disk.operations();
    assert!(operations > 10, "it takes {operations} operations of the disk");
    for at in 0..operations {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(at, fault);
            let _ = drop_rows(&disk);
            for image in 0..count(2, 50) {
                let image = disk.image(seed().wrapping_add(image * at));
                assert_whole(&image, &format!("operation {at}, {fault:?}"));
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_an_erasure_leaves_it_done_or_not_begun() {
    Interrupted::Erasing.at_every_operation(store);
}

#[test]
fn a_crash_at_every_operation_of_wrapping_anew_leaves_all_keys_or_none() {
    Interrupted::Rewrapping.at_every_operation(store);
}

#[test]
fn a_crash_at_every_operation_of_archiving_leaves_a_whole_archive_or_none_and_one_log_that_continues() {
    at_every_operation(open_on, |disk, path, log| write_archive(disk, path, log).map_err(|error| error.to_string()));
}

/// What the entries of a store say of their rows, and the rows that it has. Both in the order of rows.
fn said_and_stored(store: &mut SqliteStore<Engine>) -> [Vec<IndexRow>; 2] {
    let mut said = Vec::new();
    let all = EntryRange { stream: None, from: 1, to: u64::MAX, limit: u32::MAX };
    let visit = &mut |record: Record<'_>| {
        if let Record::Entry(row) = record {
            said.extend(index::rows(row.bytes));
        }
    };
    store.entries(all, visit).unwrap();
    said.sort_unstable();
    [said, store.index_rows(None, u32::MAX).unwrap()]
}

/// A commit of so many events, each by somebody and on behalf of one of a few.
fn events(log: &mut LogBuilder, count: u64) -> Commit {
    let commit = (0..count).fold(log.commit(), |commit, number| {
        let (who, other) = (format!("agent-{number}"), format!("user-{}", number % 3));
        commit.event("a", ("agent", &who), Some(("user", &other)))
    });
    commit.finish()
}

/// Whether they are given to SQLite one by one, many at once, or both.
#[test]
fn every_row_of_a_large_commit_is_in_the_index() {
    let mut log = LogBuilder::new();
    let mut store = store(&CrashDisk::new()).unwrap();
    store.insert(&log.create()).unwrap();
    let mut rows = 0;
    for count in [1, 49, 50, 51, 100, 273] {
        store.insert(&events(&mut log, count)).unwrap();
        rows += 2 * count as usize;
        let [said, stored] = said_and_stored(&mut store);
        assert_eq!((said.len(), &stored), (rows, &said), "a commit of {count} events");
    }
}

#[test]
fn events_and_their_rows_in_the_index_are_stored_together_or_not_at_all() {
    let mut log = LogBuilder::new();
    let whole = CrashDisk::new();
    store(&whole).unwrap().insert(&log.create()).unwrap();
    let commit = events(&mut log, 3);
    let insert = |disk: &CrashDisk| store(disk).and_then(|mut store| store.insert(&commit));
    let disk = whole.image(0);
    insert(&disk).unwrap();
    let operations = disk.operations();
    let (mut none, mut all) = (0, 0);
    for at in 0..operations {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(at, fault);
            let acknowledged = insert(&disk).is_ok();
            for image in 0..count(2, 50) {
                let when = format!("operation {at} of {operations}, {fault:?}, image {image}");
                let image = disk.image(seed().wrapping_add(image * at));
                let mut found = store(&image).unwrap_or_else(|error| panic!("{when}: {error}"));
                let [said, stored] = said_and_stored(&mut found);
                assert_eq!(stored, said, "{when}");
                match said.len() {
                    0 => none += 1,
                    6 => all += 1,
                    other => panic!("{when}: {other} rows"),
                }
                assert!(!acknowledged || said.len() == 6, "{when}: it was acknowledged");
            }
        }
    }
    assert!(none > 10 && all > 10, "{none} {all}");
}

/// What an import leaves behind, whenever it is killed, is no log or all of it, and the next one makes the same of it.
#[test]
fn an_import_that_is_killed_leaves_no_log_or_all_of_it() {
    // Two parts, so that one is committed before the log is whole.
    let lines = log_of_parts();
    let import = |disk: &CrashDisk| {
        let mut store = store(disk)?;
        let options = ImportOptions { trust: Trust::new(), incomplete: true };
        match import_jsonl(&mut store, &lines[..], options, |_| {}) {
            Ok(_) => Ok(()),
            Err(ImportError::Store(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    };
    let empty = CrashDisk::new();
    let disk = empty.image(0);
    import(&disk).unwrap();
    let operations = disk.operations();
    let (mut none, mut whole) = (0, 0);
    // Each takes about a second: a few of them, others each time the seed is another one.
    let step = if count(1, 2) == 1 { operations / 12 } else { 1 };
    for at in ((seed() % step)..operations).step_by(step as usize) {
        for fault in [Fault::Crash, Fault::NotDone, Fault::Done] {
            let disk = empty.image(0);
            disk.fail_at(at, fault);
            let done = import(&disk);
            let image = disk.image(seed().wrapping_add(at));
            let when = format!("operation {at} of {operations}, {fault:?}");
            let mut found = store(&image).unwrap_or_else(|error| panic!("{when}: {error}"));
            if found.log().unwrap().is_some() {
                whole += 1;
            } else {
                none += 1;
                assert!(done.is_err(), "{when}: an import that was done left no log");
                // Nobody makes another log on top of what was left.
                drop(found);
                import(&image).unwrap_or_else(|error| panic!("{when}, again: {error}"));
                found = store(&image).unwrap();
            }
            let mut again = Vec::new();
            export(&mut found, &mut again).unwrap();
            assert!(again == lines, "{when}");
        }
    }
    assert!(none > 5, "{none} {whole}");
}

/// A database whose log is not whole is no log, and none is made on top of it.
#[test]
fn nothing_is_made_on_top_of_an_unfinished_import() {
    let disk = CrashDisk::new();
    let mut half = store(&disk).unwrap();
    let mut rows = Commit::new(None);
    LogBuilder::new().create().records().for_each(|record| rows.push(record));
    half.load(0, &rows, false).unwrap();
    for mut store in [half, store(&disk).unwrap()] {
        assert_eq!(store.log().unwrap(), None);
        match store.insert(&LogBuilder::new().create()) {
            Err(StoreError::Config(why)) => assert!(why.contains("import it again"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let mut dropped = store(&disk).unwrap();
    dropped.load(0, &Commit::new(None), false).unwrap();
    dropped.insert(&LogBuilder::new().create()).unwrap();
}
