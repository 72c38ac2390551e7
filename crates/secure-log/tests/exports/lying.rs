//! A store that lies: whatever it changes, leaves out or puts in, an export of rows does not come to its end.

use super::*;
use secure_log_testkit::OwnedRecord;
use secure_log_testkit::forge::{Reach, rechain};

/// Changes what a store hands out.
type Lie = dyn Fn(&mut Vec<OwnedRecord>);

/// Whether exports of the whole, of a range and of a stream were all refused.
fn refused(log: &mut Log, stream: &str, from: u64, to: u64) -> [bool; 3] {
    let of = |options: ExportOptions, log: &mut Log| match log.export(&options) {
        Ok(mut export) => loop {
            match export.next_page(log) {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => {
                    assert!(export.next_page(log).is_err(), "what was refused stays refused");
                    break true;
                }
            }
        },
        Err(_) => true,
    };
    let range = ExportOptions { from, to, ..whole(Format::Csv) };
    [
        of(whole(Format::Csv), log),
        of(range, log),
        of(ExportOptions { stream: Some(stream.into()), ..whole(Format::Csv) }, log),
    ]
}

#[test]
fn no_lie_comes_to_the_end_of_an_export() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for round in 0..6u8 {
        for stream in ["a", "b", "c"] {
            append(&mut log, stream, &[b'x', round]);
        }
    }
    let records = world.records();
    let entries: Vec<usize> = (0..records.len()).filter(|index| records[*index].entry().is_some()).collect();
    assert_eq!(refused(&mut log, "a", 2, 17), [false; 3], "the truth is told");
    let mut tried = 0;
    for index in entries {
        let (seqno, stream) = (records[index].seqno().unwrap(), records[index].entry().unwrap().stream);
        let (from, to) = (seqno.saturating_sub(2).max(1), seqno + 2);
        let lies: [Box<Lie>; 4] = [
            Box::new(move |records| records[index].edit_entry(|entry| entry.payload = b"another".to_vec())),
            // And everything behind it recomputed, heads included: only their signatures are not those of the key.
            Box::new(move |records| {
                records[index].edit_entry(|entry| entry.payload = b"another".to_vec());
                rechain(records, Reach::Entries);
            }),
            Box::new(move |records| drop(records.remove(index))),
            Box::new(move |records| {
                records[index].edit_entry(|entry| entry.payload = b"another".to_vec());
                records[index].rehash();
            }),
        ];
        for (number, lie) in lies.iter().enumerate() {
            let mut changed = records.clone();
            lie(&mut changed);
            world.put(&changed);
            assert_eq!(refused(&mut log, &stream, from, to), [true; 3], "lie {number} about entry {seqno}");
            tried += 1;
        }
        world.put(&records);
    }
    assert_eq!(tried, 18 * 4);
    assert_eq!(refused(&mut log, "a", 2, 17), [false; 3]);
}

/// What is gone says no more what stood before it, so that a forged entry before it has to be proven by itself.
#[test]
fn a_forged_entry_before_a_pruned_one_is_found() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for number in 0..4u8 {
        append(&mut log, "a", &[number]);
    }
    let mut records = world.records();
    let at = |seqno: u64| records.iter().position(|record| record.seqno() == Some(seqno)).unwrap();
    let (first, second) = (at(1), at(2));
    records[first].edit_entry(|entry| entry.payload = b"forged".to_vec());
    records[first].rehash();
    let OwnedRecord::Entry { seqno, stream, hash, .. } = records[second].clone() else { panic!("no entry") };
    records[second] = OwnedRecord::Pruned { seqno, stream, hash };
    world.put(&records);
    let stream = ExportOptions { stream: Some("a".into()), ..whole(Format::Csv) };
    assert!(export(&mut log, &stream).is_err());
    assert!(export(&mut log, &ExportOptions { to: 1, ..stream }).is_err());
}

/// The log's own lines are not verified by who writes them: who reads them finds what is wrong.
#[test]
fn the_logs_own_lines_are_as_the_store_has_them() {
    let world = World::new();
    let mut log = world.open().unwrap();
    append(&mut log, "a", b"right");
    world.edit(|records| {
        let entry = records.iter_mut().find(|record| record.seqno() == Some(1)).unwrap();
        entry.edit_entry(|entry| entry.payload = b"wrong".to_vec());
    });
    let (lines, _) = export(&mut log, &whole(Format::JsonLines)).unwrap();
    assert!(lines.contains("wrong"));
    let report = secure_log::verify::verify_jsonl(lines.as_bytes(), &secure_log_testkit::attacks::trust(), |_| {});
    assert_eq!(report.unwrap().verdict.as_str(), "invalid");
    assert!(export(&mut log, &whole(Format::Csv)).is_err());
}
