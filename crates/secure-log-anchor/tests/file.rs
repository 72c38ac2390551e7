//! The anchor in a file, on the system's disk and on one that crashes.

use std::path::PathBuf;
use std::time::Duration;

use secure_log::hash::Hash;
use secure_log::note::Note;
use secure_log::providers::{Anchor, AnchorError, AnchorView};
use secure_log::record::HeadRow;
use secure_log_anchor::FileAnchor;
use secure_log_disk::{Lock, OsDisk, Patience, Watch};
use secure_log_testkit::crash_disk::{CrashDisk, Fault};

mod conformance {
    use super::FileAnchor;

    secure_log_testkit::anchor_conformance!(|| {
        let folder = tempfile::tempdir().expect("a folder");
        move || FileAnchor::open(folder.path().join("heads"))
    });
}

const PATH: &str = "anchor/heads";
/// A crash may leave a lock without a word in it, which is waited for.
const PATIENCE: Patience = Patience { wait: Duration::from_millis(1), stale_after: Duration::from_millis(10) };

fn note(size: u64) -> String {
    let sigs = vec!["log AAAAAAAA".to_owned()];
    Note::of_head("log", &HeadRow { size, root: Hash([size as u8; 32]), sigs }).to_string()
}

fn on(disk: &CrashDisk) -> FileAnchor<CrashDisk> {
    FileAnchor::open_on(disk.clone(), PATH, PATIENCE)
}

fn size_of(view: &AnchorView) -> Option<u64> {
    match view {
        AnchorView::Head(note) => Some(Note::parse(note).unwrap().checkpoint().unwrap().size),
        AnchorView::Unknown => None,
        other => panic!("a file shows what it has, and not {other:?}"),
    }
}

/// Publishes heads until one is not taken; answers the last that was.
fn run(disk: &CrashDisk) -> Option<u64> {
    let mut taken: Option<u64> = None;
    for size in [0, 1, 2, 5] {
        if on(disk).publish(&note(size), taken.unwrap_or(0), &[]).taken.is_err() {
            break;
        }
        taken = Some(size);
    }
    taken
}

/// What a crash or a fault left holds the last head that was taken or the next one, and goes on.
fn check(disk: &CrashDisk, taken: Option<u64>, what: &str) {
    let mut anchor = on(disk);
    let found = size_of(&anchor.latest(Some("log")).unwrap_or_else(|e| panic!("{what}: {e}")));
    assert!(found >= taken, "{what}: {found:?} is there, and {taken:?} was taken");
    anchor.publish(&note(9), found.unwrap_or(0), &[]).taken.unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(anchor.latest(None), Ok(AnchorView::Head(note(9))), "{what}");
}

#[test]
fn a_crash_at_any_operation_leaves_the_head_before_or_the_new_one() {
    let whole = CrashDisk::new();
    assert_eq!(run(&whole), Some(5));
    let operations = whole.operations();
    assert!(operations > 20, "four heads are some work");
    for operation in 0..operations {
        let disk = CrashDisk::new();
        disk.fail_at(operation, Fault::Crash);
        let taken = run(&disk);
        for seed in 0..secure_log_testkit::count(16, 256) {
            check(&disk.image(seed), taken, &format!("crash at operation {operation}, image {seed}"));
        }
    }
}

#[test]
fn a_fault_at_any_operation_is_an_error_and_the_anchor_goes_on() {
    let whole = CrashDisk::new();
    run(&whole);
    for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done] {
        for operation in 0..whole.operations() {
            let disk = CrashDisk::new();
            disk.fail_at(operation, fault);
            let taken = run(&disk);
            check(&disk, taken, &format!("{fault:?} at operation {operation}"));
        }
    }
}

#[test]
fn a_head_that_is_taken_at_the_second_try_is_durable() {
    let whole = CrashDisk::new();
    on(&whole).publish(&note(1), 0, &[]).taken.unwrap();
    let mut retried = 0;
    for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done] {
        for operation in 0..whole.operations() {
            let disk = CrashDisk::new();
            disk.fail_at(operation, fault);
            if on(&disk).publish(&note(1), 0, &[]).taken.is_err() {
                on(&disk).publish(&note(1), 0, &[]).taken.unwrap();
                retried += 1;
            }
            let found = on(&disk.image(0)).latest(None);
            assert_eq!(found, Ok(AnchorView::Head(note(1))), "{fault:?} at operation {operation}");
        }
    }
    assert!(retried > 0);
}

#[test]
fn a_file_that_is_damaged_is_neither_believed_nor_replaced() {
    let disk = CrashDisk::new();
    run(&disk);
    let mut damaged = disk.content(PATH).unwrap();
    *damaged.last_mut().unwrap() = b' ';
    disk.put(PATH, &damaged);
    assert!(matches!(on(&disk).latest(None), Err(AnchorError::Unavailable(what)) if what.contains("damaged")));
    assert!(matches!(on(&disk).publish(&note(9), 5, &[]).taken, Err(AnchorError::Unavailable(_))));
    assert_eq!(disk.content(PATH), Some(damaged));
}

#[test]
fn a_folder_that_is_not_there_is_no_empty_anchor() {
    let folder = tempfile::tempdir().unwrap();
    let mut anchor = FileAnchor::open(folder.path().join("not-mounted/heads"));
    assert!(matches!(anchor.latest(None), Err(AnchorError::Unavailable(_))));
    assert!(matches!(anchor.publish(&note(1), 0, &[]).taken, Err(AnchorError::Unavailable(_))));
}

#[test]
fn a_file_that_was_taken_away_under_way_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heads");
    let mut anchor = FileAnchor::open(&path);
    anchor.publish(&note(3), 0, &[]).taken.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(anchor.publish(&note(4), 3, &[]).taken, Err(AnchorError::Conflict(0)));
    assert!(!path.exists());
}

#[test]
fn two_openers_never_take_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("heads");
    FileAnchor::open(&path).publish(&note(0), 0, &[]).taken.unwrap();
    let count = secure_log_testkit::count(40, 1000);
    std::thread::scope(|threads| {
        for opener in 0..2 {
            let mut anchor = FileAnchor::open(&path);
            threads.spawn(move || {
                for size in (1 + opener..=count).step_by(2) {
                    match anchor.publish(&note(size), 0, &[]).taken {
                        Ok(_) => {}
                        Err(AnchorError::Refused(larger)) => {
                            assert!(size_of(&AnchorView::Head(larger)) >= Some(size));
                        }
                        Err(other) => panic!("size {size}: {other}"),
                    }
                    assert!(size_of(&anchor.latest(Some("log")).unwrap()) >= Some(size));
                }
            });
        }
    });
    assert_eq!(FileAnchor::open(&path).latest(None), Ok(AnchorView::Head(note(count))));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["heads"], "nothing is left behind");
}

#[test]
fn a_writer_that_holds_it_is_waited_for_and_then_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heads");
    let held = Lock::acquire(&OsDisk, &path, &mut Watch::default(), PATIENCE).unwrap();
    let refused = FileAnchor::open_on(OsDisk, &path, PATIENCE).publish(&note(1), 0, &[]).taken;
    let Err(AnchorError::Unavailable(what)) = &refused else { panic!("{refused:?}") };
    assert!(what.contains(&format!("process {}", std::process::id())), "{what}");
    held.release(&OsDisk);
    FileAnchor::open(&path).publish(&note(1), 0, &[]).taken.unwrap();
}
