//! Crashes and faults at every operation, on a disk that keeps only what was synced and a part of the rest.

use std::time::Duration;

use crate::common::{self, Choices, LogBuilder, assert_same, records, signature};
use secure_log::hash::Hash;
use secure_log::memory::MemoryStore;
use secure_log::record::{Record, Subject};
use secure_log::store::{Commit, SecureLogStore, StoreError};
use secure_log_file::{FileStore, Options};
use secure_log_testkit::crash_disk::{CrashDisk, Fault};

const LOG: &str = "logs/log.jsonl";

fn options(index_every: u64) -> Options {
    let mut options = Options::default();
    options.index_every = index_every;
    options.lock_wait = Duration::from_millis(1);
    // A crash may leave a lock without a word in it, which is waited for.
    options.stale_after = Duration::from_millis(10);
    options
}

fn open(disk: &CrashDisk, index_every: u64) -> Result<FileStore<CrashDisk>, StoreError> {
    FileStore::open_on(disk.clone(), LOG, options(index_every))
}

/// A log is made, and appended to as an append, a close and an erasure do; the commits, and the log after them.
fn history() -> (LogBuilder, Vec<Commit>) {
    let mut log = LogBuilder::new();
    let mut commits = vec![log.create()];
    commits.push(log.commit().entry("a", b"first").finish());
    commits.push(log.commit().entry("a", &[b'x'; 3000]).entry("b", b"second\n").finish());
    let segment = signature(Subject::Segment(1), 0);
    let entry = signature(Subject::Entry(4), 0);
    let close = log.commit().close("a").record(Record::Signature(&entry)).record(Record::Signature(&segment));
    commits.push(close.finish());
    let alice = ("user", "alice");
    commits.push(log.commit().event("a", ("agent", "agent-7"), Some(alice)).event("b", alice, None).finish());
    let mut many = log.commit().event("a", alice, None);
    for n in 0..70 {
        many = many.entry(if n % 3 == 0 { "a" } else { "c" }, b"one of many");
    }
    commits.push(many.finish());
    commits.push(log.commit().close("c").entry("d", &[0; 700]).event("a", ("service", "s"), Some(alice)).finish());
    (log, commits)
}

/// The store after each number of commits.
fn memory_after(commits: &[Commit], count: usize) -> MemoryStore {
    let mut memory = MemoryStore::new();
    commits[..count].iter().for_each(|commit| memory.insert(commit).unwrap());
    memory
}

/// Inserts everything until something fails; answers how many commits were acknowledged.
fn run(disk: &CrashDisk, commits: &[Commit], index_every: u64) -> usize {
    let mut done = 0;
    if let Ok(mut store) = open(disk, index_every) {
        for commit in commits {
            if store.insert(commit).is_err() {
                break;
            }
            done += 1;
        }
    }
    done
}

/// Opens what a crash left, expects `acknowledged` commits or whole ones besides, and goes on to the end.
fn check(image: &CrashDisk, commits: &[Commit], acknowledged: usize, index_every: u64, what: &str) {
    let mut store = open(image, index_every).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = store.heads(None, 1).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = found.first().map_or(0, |numbered| numbered.number as usize);
    assert!(found >= acknowledged, "{what}: {found} of {acknowledged} commits survived");
    assert_same(&mut store, &mut memory_after(commits, found), &mut Choices(1));
    for commit in &commits[found..] {
        store.insert(commit).unwrap_or_else(|e| panic!("{what}: {e}"));
    }
    assert_same(&mut store, &mut memory_after(commits, commits.len()), &mut Choices(2));
    drop(store);
    let mut store = open(image, index_every).unwrap();
    assert_eq!(store.torn(), None, "{what}");
    assert_same(&mut store, &mut memory_after(commits, commits.len()), &mut Choices(3));
}

#[test]
fn a_crash_at_every_operation_of_appending() {
    let (_, commits) = history();
    // Once with an index that is written all the time, once with one that stays in memory.
    for index_every in [1, u64::MAX] {
        let disk = CrashDisk::new();
        assert_eq!(run(&disk, &commits, index_every), commits.len());
        let operations = disk.operations();
        assert!(operations > 12);
        for operation in 0..operations {
            let disk = CrashDisk::new();
            disk.fail_at(operation, Fault::Crash);
            let acknowledged = run(&disk, &commits, index_every);
            for seed in seeds(common::count(2, 200)) {
                let what = format!("index every {index_every}, operation {operation}, seed {seed}");
                check(&disk.image(seed), &commits, acknowledged, index_every, &what);
            }
        }
    }
}

#[test]
fn a_crash_leaves_an_index_that_can_be_used() {
    let (_, commits) = history();
    let disk = CrashDisk::new();
    run(&disk, &commits, 1);
    for operation in 0..disk.operations() {
        let disk = CrashDisk::new();
        disk.fail_at(operation, Fault::Crash);
        let acknowledged = run(&disk, &commits, 1);
        // A state of the index follows each commit, so that the one of the first commits is there by now.
        if acknowledged < 3 {
            continue;
        }
        for seed in seeds(common::count(4, 200)) {
            let image = disk.image(seed);
            // Whoever builds the index anew stumbles over the first entry.
            let mut bytes = image.content(LOG).unwrap();
            let entry = memchr::memmem::find(&bytes, br#"{"t":"entry""#).unwrap();
            bytes[entry] = b'!';
            image.put(LOG, &bytes);
            let mut store = open(&image, 1).unwrap();
            assert!(store.heads(None, 1).is_ok(), "operation {operation}, seed {seed}");
            assert_eq!(store.stream("b").unwrap().unwrap().first, Some(3), "operation {operation}, seed {seed}");
        }
    }
}

#[test]
fn a_crash_after_a_crash() {
    let (_, commits) = history();
    let mut choices = Choices(common::seed());
    for round in 0..common::count(60, 5000) {
        let (mut disk, mut acknowledged) = (CrashDisk::new(), 0);
        for crash in 0..4 {
            disk.fail_at(choices.below(40), Fault::Crash);
            if let Ok(mut store) = open(&disk, 1) {
                let found = store.heads(None, 1).unwrap().first().map_or(0, |numbered| numbered.number as usize);
                assert!(found >= acknowledged, "round {round}, crash {crash}");
                acknowledged = found;
                for commit in &commits[found..] {
                    if store.insert(commit).is_err() {
                        break;
                    }
                    acknowledged += 1;
                }
            }
            disk = disk.image(choices.below(1 << 40));
        }
        check(&disk, &commits, acknowledged, 1, &format!("round {round}"));
    }
}

/// A writer that had the lock before knows what it synced itself; what another one wrote since then and may not have
/// synced is on the disk before anybody is told of it.
#[test]
fn what_another_writer_left_unsynced_is_synced_with_the_lock() {
    let (_, commits) = history();
    let shared = |disk: &CrashDisk| {
        let mut options = options(1 << 20);
        options.hold_lock = false;
        FileStore::open_on(disk.clone(), LOG, options).unwrap()
    };
    let mut left_unsynced = 0;
    for operation in 0.. {
        let disk = CrashDisk::new();
        let mut first = shared(&disk);
        first.insert(&commits[0]).unwrap();
        let before = disk.operations();
        disk.fail_at(before + operation, Fault::NotDone);
        let failed = shared(&disk).insert(&commits[1]).is_err();
        if disk.operations() <= before + operation {
            break;
        }
        match first.insert(&commits[1]) {
            Err(StoreError::Conflict { heads }) => {
                assert_eq!(heads.len(), 2, "operation {operation}");
                left_unsynced += u64::from(failed);
            }
            other => other.unwrap(),
        }
        let mut image = open(&disk.image(0), 1).unwrap();
        assert_eq!(image.heads(None, 1).unwrap()[0].number, 2, "operation {operation}");
    }
    assert!(left_unsynced > 0, "a sync that failed left a commit behind");
}

#[test]
fn a_crash_at_every_operation_of_building_the_index() {
    let (_, commits) = history();
    let whole = CrashDisk::new();
    assert_eq!(run(&whole, &commits, 1), commits.len());
    let rebuild = |disk: &CrashDisk| open(disk, 1).and_then(|mut store| store.reindex());
    let disk = whole.image(0);
    rebuild(&disk).unwrap();
    for operation in 0..disk.operations() {
        let disk = whole.image(0);
        disk.fail_at(operation, Fault::Crash);
        let _ = rebuild(&disk);
        for seed in seeds(common::count(2, 200)) {
            check(&disk.image(seed), &commits, commits.len(), 1, &format!("operation {operation}, seed {seed}"));
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_rewriting() {
    let (mut log, mut commits) = history();
    let id = Hash::sha256(b"key");
    commits.push(log.commit().record(Record::DataKey(&common::data_key(id, "a", 77))).entry("a", b"sealed").finish());
    let whole = CrashDisk::new();
    assert_eq!(run(&whole, &commits, 1), commits.len());
    let mut rewritten = memory_after(&commits, commits.len());
    rewritten.prune(&[("a", 60)]).unwrap();
    rewritten.drop_data_keys(&[id]).unwrap();
    let rewrite = |disk: &CrashDisk| {
        let mut store = open(disk, 1)?;
        store.prune(&[("a", 60)])?;
        store.drop_data_keys(&[id])
    };
    let disk = whole.image(0);
    rewrite(&disk).unwrap();
    for operation in 0..disk.operations() {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(operation, fault);
            let _ = rewrite(&disk);
            for seed in seeds(common::count(1, 100)) {
                let image = disk.image(seed);
                let mut store = open(&image, 1).unwrap();
                assert_eq!(store.heads(None, 1).unwrap()[0].number as usize, commits.len());
                // A prune that was done is done; one that was not is done now.
                store.prune(&[("a", 60)]).unwrap();
                store.drop_data_keys(&[id]).unwrap();
                assert_same(&mut store, &mut rewritten, &mut Choices(4));
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_replacing_data_keys_replaces_all_or_none() {
    let (mut log, mut commits) = history();
    let ids = [Hash::sha256(b"one"), Hash::sha256(b"other")];
    let commit =
        ids.iter().fold(log.commit(), |commit, id| commit.record(Record::DataKey(&common::data_key(*id, "a", 77))));
    commits.push(commit.entry("a", b"sealed").finish());
    let whole = CrashDisk::new();
    assert_eq!(run(&whole, &commits, 1), commits.len());
    let before = memory_after(&commits, commits.len()).data_keys("a").unwrap();
    let mut anew = before.clone();
    anew.iter_mut().filter(|row| ids.contains(&row.id)).for_each(|row| row.wrapped = vec![9; 72]);
    assert_ne!(before, anew);
    let replace = |disk: &CrashDisk| open(disk, 1)?.replace_data_keys(&anew);
    let disk = whole.image(0);
    replace(&disk).unwrap();
    for operation in 0..disk.operations() {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(operation, fault);
            let replaced = replace(&disk);
            for seed in seeds(common::count(1, 100)) {
                let mut store = open(&disk.image(seed), 1).unwrap();
                let found = store.data_keys("a").unwrap();
                let at = format!("operation {operation}, {fault:?}, seed {seed}");
                assert!(found == anew || (replaced.is_err() && found == before), "{at}");
                store.replace_data_keys(&anew).unwrap();
                assert_eq!(store.data_keys("a").unwrap(), anew, "{at}");
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_dropping_witness_rows() {
    let (commits, rows) = secure_log_testkit::witnessed(40);
    let whole = CrashDisk::new();
    assert_eq!(run(&whole, &commits, 1), commits.len());
    let mut after = memory_after(&commits, commits.len());
    after.drop_witnesses(&rows[..30]).unwrap();
    let drop_rows = |disk: &CrashDisk| open(disk, 1).and_then(|mut store| store.drop_witnesses(&rows[..30]));
    let disk = whole.image(0);
    drop_rows(&disk).unwrap();
    for operation in 0..disk.operations() {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = whole.image(0);
            disk.fail_at(operation, fault);
            let _ = drop_rows(&disk);
            for seed in seeds(common::count(1, 100)) {
                let image = disk.image(seed);
                let mut store = open(&image, 1).unwrap();
                assert_eq!(store.heads(None, 1).unwrap()[0].number as usize, commits.len());
                let left = store.witnesses(None, u32::MAX).unwrap().len();
                assert!([40, 10].contains(&left), "operation {operation}, {fault:?}: {left} rows are left");
                store.drop_witnesses(&rows[..30]).unwrap();
                assert_same(&mut store, &mut after, &mut Choices(4));
            }
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_setting_aside() {
    let (_, commits) = history();
    let whole = CrashDisk::new();
    assert_eq!(run(&whole, &commits, 1), commits.len());
    let bytes = whole.content(LOG).unwrap();
    let set_aside = |disk: &CrashDisk| open(disk, 1).and_then(|mut store| store.set_aside(3));
    let disk = whole.image(0);
    set_aside(&disk).unwrap();
    for operation in 0..disk.operations() {
        let disk = whole.image(0);
        disk.fail_at(operation, Fault::Crash);
        let _ = set_aside(&disk);
        for seed in seeds(common::count(2, 200)) {
            let image = disk.image(seed);
            let mut store = open(&image, 1).unwrap();
            let left = store.heads(None, 1).unwrap()[0].number as usize;
            assert!(left == 3 || left == commits.len(), "operation {operation}, seed {seed}: {left}");
            assert_same(&mut store, &mut memory_after(&commits, left), &mut Choices(5));
            let cut = image.content(LOG).unwrap().len();
            assert!(
                cut == bytes.len() || image.names().iter().any(|name| image.content(name).unwrap() == bytes[cut..]),
                "what is gone from the log is kept"
            );
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_keeping_a_torn_commit() {
    let (_, commits) = history();
    let whole = CrashDisk::new();
    assert_eq!(run(&whole, &commits[..3], 1), 3);
    let torn: &[u8] = &[&b"{\"t\":\"entry\",\"ver"[..], &[0; 3000]].concat();
    let bytes = [&whole.content(LOG).unwrap()[..], torn].concat();
    let start = || {
        let disk = whole.image(0);
        disk.put(LOG, &bytes);
        disk
    };
    let append = |disk: &CrashDisk| open(disk, 1).and_then(|mut store| store.insert(&commits[3]));
    let disk = start();
    append(&disk).unwrap();
    for operation in 0..disk.operations() {
        let disk = start();
        disk.fail_at(operation, Fault::Crash);
        let acknowledged = 3 + usize::from(append(&disk).is_ok());
        for seed in seeds(common::count(2, 200)) {
            let image = disk.image(seed);
            check(&image, &commits, acknowledged, 1, &format!("operation {operation}, seed {seed}"));
            let kept = image.names().into_iter().any(|name| image.content(name).unwrap() == torn);
            assert!(kept, "operation {operation}, seed {seed}: what was torn is kept");
        }
    }
}

#[test]
fn a_fault_at_every_operation_and_no_crash() {
    fault_everywhere(&options(1));
}

/// A holder shows now and then that it is there, which is one more operation that can fail.
#[test]
fn a_fault_at_every_operation_of_a_holder_that_renews_its_lock_each_time() {
    let mut options = options(1);
    options.stale_after = Duration::ZERO;
    fault_everywhere(&options);
}

fn fault_everywhere(options: &Options) {
    let open_faulty = |disk: &CrashDisk| FileStore::open_on(disk.clone(), LOG, options.clone()).unwrap();
    let (_, commits) = history();
    let disk = CrashDisk::new();
    let mut store = open_faulty(&disk);
    commits.iter().for_each(|commit| store.insert(commit).unwrap());
    drop(store);
    for operation in 0..disk.operations() {
        for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let what = format!("operation {operation}, {fault:?}");
            let disk = CrashDisk::new();
            disk.fail_at(operation, fault);
            let mut store = open_faulty(&disk);
            let mut done = 0;
            let mut faults = 0;
            while done < commits.len() {
                match store.insert(&commits[done]) {
                    Ok(()) => done += 1,
                    Err(StoreError::Io { .. } | StoreError::Locked { .. }) => {
                        faults += 1;
                        assert!(faults <= 1, "{what}: one fault, one failure");
                        // It is there as a whole or not at all, and what is there is durable.
                        let found = store.heads(None, 1).unwrap().first().map_or(0, |n| n.number as usize);
                        assert!(found == done || found == done + 1, "{what}: {found} after {done}");
                        if found > 0 {
                            let mut image = open(&disk.image(0), 1).unwrap();
                            let durable = image.heads(None, 1).unwrap().first().map_or(0, |n| n.number as usize);
                            assert_eq!(durable, found, "{what}: what is answered is durable");
                        }
                        done = found;
                    }
                    Err(e) => panic!("{what}: {e}"),
                }
            }

            assert_same(&mut store, &mut memory_after(&commits, commits.len()), &mut Choices(6));
            drop(store);
            check(&disk.image(0), &commits, commits.len(), 1, &what);
            let whole = disk.content(LOG).unwrap();
            assert!(!whole.contains(&0), "{what}: garbage was appended to");
            assert_eq!(records(&mut open(&disk, 1).unwrap()).len(), whole.iter().filter(|b| **b == b'\n').count());
        }
    }
}

/// The two images that every disk may show, and so many chosen ones.
fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let first = common::seed();
    [0, 1].into_iter().chain((2..2 + count).map(move |n| first.wrapping_mul(1000).wrapping_add(n)))
}

/// What an import leaves behind, whenever it is killed, is no log or all of it, and the next one makes the same of it.
#[test]
fn a_crash_at_every_operation_of_an_import_leaves_no_log_or_all_of_it() {
    use secure_log::import::{ImportError, ImportOptions, import_jsonl};
    use secure_log::verify::Trust;
    use secure_log_testkit::log_of_parts;

    let mut lines = log_of_parts();
    let options = || ImportOptions { trust: Trust::new(), incomplete: true };
    let import = |disk: &CrashDisk, lines: &[u8]| {
        let mut store = open(disk, 1)?;
        match import_jsonl(&mut store, lines, options(), |_| {}) {
            Ok(_) => Ok(()),
            Err(ImportError::Store(error)) => Err(error),
            Err(ImportError::NotEmpty(_)) => Err(StoreError::Conflict { heads: Vec::new() }),
            Err(other) => panic!("{other}"),
        }
    };
    let empty = CrashDisk::new();
    drop(open(&empty, 1).unwrap());
    let disk = empty.image(0);
    import(&disk, &lines).unwrap();
    assert!(disk.content(LOG).unwrap() == lines);
    let operations = disk.operations();
    assert!(operations > 10, "{operations}");
    let (mut none, mut whole) = (0, 0);
    for operation in 0..operations {
        for fault in [Fault::Crash, Fault::NotDone, Fault::HalfDone, Fault::Done] {
            let disk = empty.image(0);
            disk.fail_at(operation, fault);
            let done = import(&disk, &lines);
            for seed in seeds(common::count(1, 50)) {
                let image = disk.image(seed);
                let at = format!("operation {operation}, {fault:?}, seed {seed}");
                let found = open(&image, 1).unwrap().log().unwrap();
                if found.is_some() {
                    whole += 1;
                } else {
                    none += 1;
                    assert!(done.is_err(), "{at}: an import that was done left no log");
                    import(&image, &lines).unwrap_or_else(|error| panic!("{at}: {error}"));
                }
                assert!(image.content(LOG).unwrap() == lines, "{at}");
                assert!(!image.names().iter().any(|name| name.ends_with(".load")), "{at}");
            }
        }
    }
    assert!(none > 10 && whole > 4, "{none} {whole}");
    // One that is refused leaves nothing, whatever fails on the way.
    let root = lines.windows(8).rposition(|bytes| bytes == b"\"root\":\"").unwrap() + 8;
    lines[root] = if lines[root] == b'0' { b'1' } else { b'0' };
    let refuse = |disk: &CrashDisk| {
        let mut store = open(disk, 1).unwrap();
        assert!(import_jsonl(&mut store, &lines[..], options(), |_| {}).is_err());
    };
    let disk = empty.image(0);
    refuse(&disk);
    for operation in 0..disk.operations() {
        let disk = empty.image(0);
        disk.fail_at(operation, Fault::NotDone);
        refuse(&disk);
        assert_eq!(open(&disk.image(0), 1).unwrap().log().unwrap(), None);
    }
}
