//! Collecting witness rows: what goes, what stays, and what becomes of it when it fails.

use crate::world::{World, append};
use secure_log::engine::{Collected, MAX_COLLECTED};
use secure_log::record::{Record, WitnessResult, WitnessRow};
use secure_log::store::{Commit, Expected, SecureLogStore};
use secure_log_testkit::{Effect, Fault, FaultStore, OwnedRecord};

/// So many rows are kept as the newest ones.
const NEWEST: u64 = 256;

fn line(size: u64) -> String {
    format!("w.example AAAA{size:04}")
}

fn row(size: u64, result: WitnessResult) -> WitnessRow {
    let detail = if result == WitnessResult::Cosigned { line(size) } else { "why".into() };
    WitnessRow { size, name: "w.example".into(), at: "2026-11-20T04:07:11.000000000Z".into(), result, detail }
}

/// Such rows, of which no two are equal.
fn refused(sizes: impl IntoIterator<Item = u64>) -> Vec<WitnessRow> {
    let numbered = (0..).zip(sizes);
    numbered.map(|(n, size)| WitnessRow { detail: format!("why {n}"), ..row(size, WitnessResult::Refused) }).collect()
}

/// Puts rows, and a head that is repeated with these lines, behind the last head.
fn put(world: &World, rows: &[WitnessRow], lines: &[String]) {
    let mut head = world.heads().pop().unwrap();
    let segments = world.store.clone().segment_count().unwrap();
    let mut commit = Commit::new(Some(Expected { size: head.size, root: head.root, segments }));
    rows.iter().for_each(|row| commit.push(Record::Witness(row)));
    head.sigs.extend_from_slice(lines);
    commit.push(Record::Head(&head));
    world.store.clone().insert(&commit).unwrap();
}

/// A log of so many entries, each of which a witness cosigned; the heads carry the lines but for those of the sizes that
/// `bare` names.
fn witnessed(size: u64, bare: impl Fn(u64) -> bool) -> World {
    let world = World::new();
    let mut log = world.open().unwrap();
    for n in 1..=size {
        append(&mut log, "a", &n.to_le_bytes());
        let lines = if bare(n) { vec![] } else { vec![line(n)] };
        put(&world, &[row(n, WitnessResult::Cosigned)], &lines);
    }
    world
}

/// The sizes of the rows, oldest first.
fn sizes(world: &World) -> Vec<u64> {
    let newest_first = world.store.clone().witnesses(None, u32::MAX).unwrap();
    newest_first.iter().rev().map(|witness| witness.row.size).collect()
}

fn collect(world: &World, below: u64) -> Collected {
    world.open().unwrap().collect_witness_rows(below).unwrap()
}

fn others(world: &World) -> Vec<OwnedRecord> {
    world.records().into_iter().filter(|record| !matches!(record, OwnedRecord::Witness(_))).collect()
}

#[test]
fn rows_below_a_size_go_and_all_else_stays() {
    let world = witnessed(300, |_| false);
    let before = others(&world);
    let went = collect(&world, 11);
    assert_eq!(went, Collected { rows: 10, sizes: Some((1, 10)), more: false });
    assert_eq!(sizes(&world), (11..=300).collect::<Vec<_>>());
    assert_eq!(collect(&world, 11), Collected::default(), "nothing is dropped twice");
    assert_eq!(others(&world), before, "nothing but rows has changed");
    world.assert_valid(300);
    append(&mut world.open().unwrap(), "a", b"goes on");
    world.assert_valid(301);
}

#[test]
fn the_newest_rows_stay_whatever_the_size() {
    let world = witnessed(300, |_| false);
    let went = collect(&world, u64::MAX);
    assert_eq!(went, Collected { rows: 300 - NEWEST, sizes: Some((1, 300 - NEWEST)), more: false });
    assert_eq!(sizes(&world), (300 - NEWEST + 1..=300).collect::<Vec<_>>());
}

#[test]
fn the_newest_cosignature_stays_behind_many_other_answers() {
    let world = witnessed(20, |_| false);
    put(&world, &refused((0..2 * NEWEST).map(|n| n % 20)), &[]);
    let went = collect(&world, u64::MAX);
    assert_eq!(went.rows, 19 + NEWEST);
    let cosigned = |world: &World| {
        let rows = world.store.clone().witnesses(None, u32::MAX).unwrap();
        rows.into_iter().map(|w| w.row).filter(|row| row.result == WitnessResult::Cosigned).collect::<Vec<_>>()
    };
    assert_eq!(cosigned(&world), [row(20, WitnessResult::Cosigned)]);
}

#[test]
fn a_cosignature_that_no_head_carries_stays() {
    let world = witnessed(400, |size| size % 7 == 0);
    let went = collect(&world, 101);
    assert_eq!((went.rows, went.sizes), (100 - 14, Some((1, 100))));
    let kept: Vec<u64> = (1..=100).filter(|size| size % 7 == 0).chain(101..=400).collect();
    assert_eq!(sizes(&world), kept);
    // One by another key of the same size is not the same line.
    let stranger = WitnessRow { detail: "w.example AAAAother".into(), ..row(50, WitnessResult::Cosigned) };
    put(&world, std::slice::from_ref(&stranger), &[]);
    let filler: Vec<WitnessRow> = (0..NEWEST).map(|_| row(399, WitnessResult::Cosigned)).collect();
    put(&world, &filler, &[]);
    collect(&world, 101);
    let left = world.store.clone().witnesses(None, u32::MAX).unwrap();
    assert!(left.iter().any(|witness| witness.row == stranger));
}

/// Between the heads of two rows may stand any number of others, and rows need not be in the order of sizes.
#[test]
fn heads_are_found_however_far_apart() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let sizes_of_rows = [3, 900, 901, 2, 1500];
    for n in 1..=1600u64 {
        append(&mut log, "a", &n.to_le_bytes());
        if sizes_of_rows.contains(&n) {
            put(&world, &[], &[line(n)]);
        }
    }
    let rows: Vec<WitnessRow> = sizes_of_rows.iter().map(|size| row(*size, WitnessResult::Cosigned)).collect();
    put(&world, &rows, &[]);
    let missing = WitnessRow { detail: "w.example AAAAnone".into(), ..row(1000, WitnessResult::Cosigned) };
    put(&world, std::slice::from_ref(&missing), &[]);
    let filler: Vec<WitnessRow> = (0..NEWEST).map(|_| row(1600, WitnessResult::Cosigned)).collect();
    put(&world, &filler, &[]);
    let went = collect(&world, u64::MAX);
    assert_eq!(went, Collected { rows: 5, sizes: Some((2, 1500)), more: false });
    assert_eq!(sizes(&world)[0], 1000, "the one that no head carries");
}

#[test]
fn rows_about_the_last_signed_head_stay() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    put(&world, &refused((0..2 * NEWEST).map(|_| 1)), &[]);
    assert_eq!(collect(&world, u64::MAX), Collected::default());
    append(&mut world.open().unwrap(), "a", b"2");
    assert_eq!(collect(&world, u64::MAX).rows, NEWEST);
}

/// A store cannot tell them apart.
#[test]
fn a_row_that_equals_one_that_stays_stays() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    append(&mut world.open().unwrap(), "a", b"2");
    let same: Vec<WitnessRow> = (0..2 * NEWEST).map(|_| row(1, WitnessResult::Refused)).collect();
    put(&world, &same, &[]);
    assert_eq!(collect(&world, u64::MAX), Collected::default());
    assert_eq!(sizes(&world).len() as u64, 2 * NEWEST);
}

#[test]
fn one_call_is_bounded_and_says_that_there_is_more() {
    let world = World::new();
    append(&mut world.open().unwrap(), "a", b"1");
    append(&mut world.open().unwrap(), "a", b"2");
    let many = MAX_COLLECTED as u64 + 10 + NEWEST;
    let rows: Vec<WitnessRow> =
        (0..many).map(|n| WitnessRow { name: format!("w{n}"), ..row(1, WitnessResult::Refused) }).collect();
    put(&world, &rows, &[]);
    let went = collect(&world, u64::MAX);
    assert_eq!((went.rows, went.more), (MAX_COLLECTED as u64, true));
    let went = collect(&world, u64::MAX);
    assert_eq!((went.rows, went.more), (10, false));
    assert_eq!(sizes(&world).len() as u64, NEWEST);
}

#[test]
fn one_that_fails_is_before_or_after() {
    for (effect, left) in [(Effect::FailsNotStored, 300), (Effect::FailsButStored, 290)] {
        let world = witnessed(300, |_| false);
        let (store, faults) = FaultStore::new(world.store.clone());
        let mut log = world.open_on(store, |_| ()).unwrap();
        faults.arm(Fault::on_write(1, effect));
        assert!(log.collect_witness_rows(11).is_err());
        assert_eq!(sizes(&world).len(), left, "{effect:?}");
        // Doing it again does what is left to do, and the log goes on.
        assert_eq!(log.collect_witness_rows(11).unwrap().rows, left as u64 - 290, "{effect:?}");
        append(&mut log, "a", b"goes on");
        world.assert_valid(301);
    }
}
