//! A witness that is interrupted at every operation on its files, and one whose requests are judged side by side: it never
//! cosigns two heads of one size, nor a smaller one after a larger one.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::*;
use secure_log_disk::{Disk, Mode, OsDisk};
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_testkit::{count, seed};
use secure_log_witness::AddCheckpoint;

/// What was cosigned: the text of the head of each size.
#[derive(Clone, Default)]
struct Cosigned(BTreeMap<u64, String>);

impl Cosigned {
    /// Notes a head that was cosigned after all those before.
    fn note(&mut self, size: u64, request: &AddCheckpoint, context: &str) {
        let text = &request.note.text;
        if let Some((largest, _)) = self.0.last_key_value() {
            assert!(*largest <= size, "{size} was cosigned after {largest}: {context}");
        }
        let known = self.0.entry(size).or_insert_with(|| text.clone());
        assert_eq!(known, text, "two heads of size {size} were cosigned: {context}");
    }

    fn largest(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(size, _)| *size)
    }
}

/// Steps of a log, each from the size of the one before, beyond what is kept.
const SIZES: [u64; 12] = [0, 1, 2, 3, 5, 8, 8, 13, 21, 34, 40, 41];

/// Submits everything until the disk fails. What is answered with 200 is cosigned.
fn submit(disk: &CrashDisk, log: &Log, cosigned: &mut Cosigned, context: &str) {
    let witness = endpoint(disk.clone(), NAME, STATE, &[ORIGIN]);
    let mut last = 0;
    for size in SIZES {
        let request = log.request(last, size);
        if add(&witness, &request).status == 200 {
            cosigned.note(size, &request, context);
            last = size;
        }
    }
}

/// After a restart: other histories are submitted first, and then the true one, from what the witness says that it has.
fn restart(disk: CrashDisk, log: &Log, mut cosigned: Cosigned, context: &str) {
    let witness = endpoint(disk, NAME, STATE, &[ORIGIN]);
    let at = cosigned.largest();
    // None of this size: it is asked with an old size that it cannot have, and says which it has.
    let asked = add(&witness, &log.request(63, 64));
    let last: u64 = asked.body.trim_end().parse().unwrap_or_else(|_| panic!("{asked:?}: {context}"));
    assert!(last >= at, "it remembers {last} and cosigned {at}: {context}");
    for fork_at in [0, at.saturating_sub(1)] {
        let fork = log.forked(fork_at, 7);
        for size in at.saturating_sub(2)..at + 6 {
            let request = fork.request(last.min(size), size);
            if add(&witness, &request).status == 200 {
                cosigned.note(size, &request, context);
                // From here on the witness is of that history, which nobody was told another of.
                return;
            }
        }
    }
    let request = log.request(last, 64);
    assert_eq!(add(&witness, &request).status, 200, "it works again: {context}");
    cosigned.note(64, &request, context);
}

fn operations() -> u64 {
    let disk = disk_with_state();
    submit(&disk, &Log::new(ORIGIN), &mut Cosigned::default(), "no fault");
    disk.operations()
}

#[test]
fn a_witness_that_loses_power_at_any_operation_never_cosigns_two_heads_of_one_size() {
    let (log, all, images) = (Log::new(ORIGIN), operations(), count(4, 64));
    assert!(all > 60, "{all} operations");
    for at in disk_with_state().operations()..all {
        let disk = disk_with_state();
        disk.fail_at(at, Fault::Crash);
        let mut cosigned = Cosigned::default();
        submit(&disk, &log, &mut cosigned, &format!("crash at {at}"));
        for image in (0..2).chain((0..images).map(|n| seed().wrapping_add(n).max(2))) {
            restart(disk.image(image), &log, cosigned.clone(), &format!("crash at {at}, image {image}"));
        }
    }
}

#[test]
fn a_witness_whose_disk_fails_at_any_operation_never_cosigns_two_heads_of_one_size() {
    let (log, all) = (Log::new(ORIGIN), operations());
    for fault in [Fault::NotDone, Fault::HalfDone, Fault::Done] {
        for at in disk_with_state().operations()..all {
            let disk = disk_with_state();
            disk.fail_at(at, fault);
            let (mut cosigned, context) = (Cosigned::default(), format!("{fault:?} at {at}"));
            submit(&disk, &log, &mut cosigned, &context);
            // It goes on as it is, and after the power is lost as well.
            restart(disk.image(0), &log, cosigned.clone(), &format!("{context}, then a crash"));
            restart(disk, &log, cosigned, &context);
        }
    }
}

#[test]
fn a_head_is_not_cosigned_before_it_is_durable() {
    let log = Log::new(ORIGIN);
    let disk = disk_with_state();
    let witness = endpoint(disk.clone(), NAME, STATE, &[ORIGIN]);
    assert_eq!(add(&witness, &log.request(0, 5)).status, 200);
    // The name is given, and the folder that holds it cannot be synced.
    let before = disk.operations();
    disk.fail_at(before + 4, Fault::NotDone);
    assert_eq!(add(&witness, &log.request(5, 6)).status, 500);
    assert_eq!(add(&witness, &log.request(5, 6)).body, "6\n", "it stands there all the same");
    disk.fail_at(disk.operations(), Fault::NotDone);
    assert_eq!(add(&witness, &log.request(6, 6)).status, 500, "and may be lost until the folder is synced");
    assert_eq!(add(&witness, &log.request(6, 6)).status, 200);
    let restarted = endpoint(disk.image(0), NAME, STATE, &[ORIGIN]);
    assert_eq!(add(&restarted, &log.forked(5, 1).request(5, 6)).body, "6\n");
}

/// A disk on which something happens right before a record is numbered.
#[derive(Clone)]
struct Interrupted {
    disk: OsDisk,
    meanwhile: Meanwhile,
}

type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

impl Disk for Interrupted {
    type File = std::fs::File;
    fn open(&self, path: &Path, mode: Mode) -> io::Result<std::fs::File> {
        self.disk.open(path, mode)
    }
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        self.disk.link(from, to)
    }
    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.names(folder)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_folder(path)
    }
}

#[test]
fn a_writer_that_stood_still_notices_however_long_it_did() {
    // One that finds its number given, and those that find it free again.
    for steps in [1, 2, 7, 8, 9, 10, 30] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let log = Log::new(ORIGIN);
        assert_eq!(add(&endpoint(OsDisk, NAME, &path, &[ORIGIN]), &log.request(0, 10)).status, 200);
        let others = {
            let path = path.clone();
            move || {
                let (other, log) = (endpoint(OsDisk, NAME, &path, &[ORIGIN]), Log::new(ORIGIN));
                for size in 10..10 + steps {
                    assert_eq!(add(&other, &log.request(size, size + 1)).status, 200);
                }
            }
        };
        let meanwhile: Meanwhile = Arc::new(Mutex::new(Some(Box::new(others))));
        let slow = endpoint(Interrupted { disk: OsDisk, meanwhile }, NAME, &path, &[ORIGIN]);
        let late = add(&slow, &log.forked(10, 1).request(10, 11));
        assert_eq!((late.status, late.body), (409, format!("{}\n", 10 + steps)), "{steps} steps");
        let after = add(&endpoint(OsDisk, NAME, &path, &[ORIGIN]), &log.request(10 + steps, 50));
        assert_eq!(after.status, 200, "{steps} steps");
    }
}

#[test]
fn of_conflicting_heads_that_come_at_once_one_is_cosigned() {
    const WRITERS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for round in 0..count(30, 1000) {
        // A round a log, from a first head on.
        let state = format!("{path}/{round}");
        std::fs::create_dir(&state).unwrap();
        let log = Log::new(ORIGIN);
        let base = round % 2 * 9;
        if base > 0 {
            assert_eq!(add(&endpoint(OsDisk, NAME, &state, &[ORIGIN]), &log.request(0, base)).status, 200);
        }
        let answers: Vec<_> = std::thread::scope(|threads| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (state, request) = (state.clone(), log.forked(base, writer).request(base, 20));
                    threads.spawn(move || add(&endpoint(OsDisk, NAME, &state, &[ORIGIN]), &request))
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let cosigned = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| (answer.status, &*answer.body) == (409, "20\n")).count();
        assert_eq!((cosigned, refused), (1, 3), "round {round}: {answers:?}");
    }
}

#[test]
fn little_is_left_behind() {
    let disk = disk_with_state();
    let (witness, log) = (endpoint(disk.clone(), NAME, STATE, &[ORIGIN]), Log::new(ORIGIN));
    for size in 0..60 {
        assert_eq!(add(&witness, &log.request(size, size + 1)).status, 200);
    }
    assert_eq!(disk.names().len(), 8, "{:?}", disk.names());
    // Drafts of writers that were killed.
    let folder = disk.names()[0].parent().unwrap().to_owned();
    (0..64).for_each(|n| disk.put(folder.join(format!("new-{n}")), b"half a rec"));
    assert_eq!(add(&witness, &log.request(60, 61)).status, 200);
    assert_eq!(disk.names().len(), 8 + 64, "one of them may be in use");
    disk.put(folder.join("new-64"), b"");
    assert_eq!(add(&witness, &log.request(61, 62)).status, 200);
    assert_eq!(disk.names().len(), 8, "{:?}", disk.names());
}
