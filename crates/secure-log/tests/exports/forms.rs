//! What is written, in each form.

use super::checker::{check, read};
use super::*;
use secure_log::verify::{Verdict, verify_jsonl};
use secure_log_testkit::attacks::trust;

const ROWS: [Format; 3] = [Format::Csv, Format::Ocsf, Format::Otlp];

#[test]
fn every_row_hashes_to_its_hash_and_a_deletion_is_found() {
    let world = sealing();
    let mut log = written(&world);
    for format in ROWS {
        let (text, exported) = export(&mut log, &whole(format)).unwrap();
        let rows = read(format, &text);
        assert_eq!(rows.len() as u64, log.size(), "{format:?}");
        assert_eq!((exported.entries, exported.last), (log.size(), rows.last().map(|row| (row.seqno, row.hash))));
        check(&rows, true).unwrap();
        for (row, seqno) in rows.iter().zip(1..) {
            let (entry, hash) = log.read_hashed(seqno).unwrap();
            assert_eq!((row.entry.as_ref(), row.hash), (Some(&entry), hash), "{format:?}");
        }
        for gone in 0..rows.len() - 1 {
            let mut rows = rows.clone();
            rows.remove(gone);
            if gone > 0 {
                assert!(check(&rows, true).is_err(), "{format:?} without row {gone}");
            }
            // Also where nobody minds the sequence, as long as the stream has a row before and one behind it.
            let stream = |rows: &[checker::Row]| rows.iter().any(|row| row.stream == rows_stream(&text, format, gone));
            if stream(&rows[..gone]) && stream(&rows[gone..]) {
                assert!(check(&rows, false).is_err(), "{format:?} without row {gone} of its stream");
            }
        }
    }
}

fn rows_stream(text: &str, format: Format, index: usize) -> String {
    read(format, text)[index].stream.clone()
}

#[test]
fn a_part_is_what_the_whole_has_there() {
    let world = sealing();
    let mut log = written(&world);
    let size = log.size();
    for format in ROWS {
        let all = read(format, &export(&mut log, &whole(format)).unwrap().0);
        for (from, to) in [(1, 1), (1, 17), (5, 40), (size, size), (40, u64::MAX), (7, 3), (size + 1, u64::MAX), (0, 2)]
        {
            let options = ExportOptions { from, to, ..whole(format) };
            let rows = read(format, &export(&mut log, &options).unwrap().0);
            let expected: Vec<_> = all.iter().filter(|row| (from..=to).contains(&row.seqno)).cloned().collect();
            assert_eq!(rows, expected, "{format:?} {from}-{to}");
            for stream in ["plain", "keyed", "=formula\u{202e}\"name", "sealed", "secure-log"] {
                let options = ExportOptions { stream: Some(stream.into()), ..options.clone() };
                if !all.iter().any(|row| row.stream == stream) {
                    assert!(matches!(export(&mut log, &options), Err(LogError::StreamNotFound(_))));
                    continue;
                }
                let rows = read(format, &export(&mut log, &options).unwrap().0);
                let expected: Vec<_> = expected.iter().filter(|row| row.stream == stream).cloned().collect();
                assert_eq!(rows, expected, "{format:?} {stream:?} {from}-{to}");
                check(&rows, false).unwrap();
            }
        }
    }
}

#[test]
fn the_logs_own_lines_verify_as_a_whole_and_as_a_part() {
    let world = sealing();
    let mut log = written(&world);
    let (lines, exported) = export(&mut log, &whole(Format::JsonLines)).unwrap();
    assert_eq!(exported.entries, log.size());
    let (_, hash) = log.read_hashed(log.size()).unwrap();
    assert_eq!(exported.last, Some((log.size(), hash)));
    let report = verify_jsonl(lines.as_bytes(), &trust(), |_| {}).unwrap();
    assert_eq!((&report.verdict, report.complete_to), (&Verdict::Valid, log.size()), "{report:?}");
    let parts = [
        ExportOptions { from: 3, to: 9, ..whole(Format::JsonLines) },
        ExportOptions { stream: Some("signed".into()), ..whole(Format::JsonLines) },
    ];
    for options in parts {
        let (bundle, _) = export(&mut log, &options).unwrap();
        let report = secure_log::bundle::verify_bundle(bundle.as_bytes(), &trust()).unwrap();
        assert_eq!(report.report.verdict, Verdict::Valid, "{options:?}");
    }
    for refused in [
        ExportOptions { stream: Some("signed".into()), from: 20, ..whole(Format::JsonLines) },
        ExportOptions { open: true, ..whole(Format::JsonLines) },
    ] {
        assert!(matches!(export(&mut log, &refused), Err(LogError::Invalid(_))), "{refused:?}");
    }
}

#[test]
fn sealed_payloads_stay_sealed_unless_they_are_to_be_opened() {
    let world = sealing();
    let mut log = written(&world);
    for format in ROWS {
        let closed = read(format, &export(&mut log, &whole(format)).unwrap().0);
        let open = read(format, &export(&mut log, &ExportOptions { open: true, ..whole(format) }).unwrap().0);
        let states = |rows: &[checker::Row], state: &str| rows.iter().filter(|row| row.state == state).count();
        let sealed = HOSTILE.len() * 2 + 1;
        assert_eq!((states(&closed, "sealed"), states(&closed, "opened")), (sealed, 0), "{format:?}");
        // What was erased nobody opens.
        assert_eq!((states(&open, "sealed"), states(&open, "opened")), (HOSTILE.len(), HOSTILE.len() + 1));
        let payloads: Vec<&[u8]> = open
            .iter()
            .filter(|row| row.state == "opened" && row.stream == "restricted")
            .map(|row| &*row.entry.as_ref().unwrap().payload)
            .collect();
        assert_eq!(payloads, HOSTILE, "{format:?}");
        let restricted = open.iter().find(|row| row.stream == "restricted" && row.state == "opened").unwrap();
        let entry = restricted.entry.as_ref().unwrap();
        assert_eq!((&*entry.event, &*entry.producer, &*entry.encoding), ("test.event", "test", "text"));
        check(&open, true).unwrap();
    }
}

#[test]
fn what_was_pruned_is_said_to_be_gone_with_its_hash() {
    let world = sealing();
    let mut log = written(&world);
    let before: Vec<_> = (1..=log.size()).map(|seqno| log.read_hashed(seqno).unwrap().1).collect();
    assert!(world.store.clone().prune(&[("blake3", u64::MAX)]).unwrap() > 5);
    for format in ROWS {
        let (text, exported) = export(&mut log, &whole(format)).unwrap();
        let rows = read(format, &text);
        assert_eq!(rows.iter().map(|row| row.hash).collect::<Vec<_>>(), before);
        assert_eq!(exported.entries, log.size());
        check(&rows, true).unwrap();
        assert_eq!(rows.iter().filter(|row| row.state == "pruned").count(), HOSTILE.len());
        let stream = ExportOptions { stream: Some("blake3".into()), ..whole(format) };
        let rows = read(format, &export(&mut log, &stream).unwrap().0);
        assert!(rows.iter().all(|row| row.stream == "blake3" && (row.entry.is_some() || row.state == "pruned")));
    }
}

#[test]
fn an_export_ends_where_the_log_ended_when_it_was_begun() {
    let world = sealing();
    let mut log = written(&world);
    let size = log.size();
    for format in [Format::JsonLines, Format::Csv, Format::Ocsf, Format::Otlp] {
        let mut of_all = log.export(&whole(format)).unwrap();
        let stream = ExportOptions { stream: Some("signed".into()), ..whole(format) };
        let mut of_stream = log.export(&stream).unwrap();
        let size_now = log.size();
        append(&mut log, "signed", b"late");
        let mut text = Vec::new();
        while let Some(page) = of_all.next_page(&mut log).unwrap() {
            text.extend(page);
            append(&mut log, "signed", b"later");
        }
        while of_stream.next_page(&mut log).unwrap().is_some() {}
        assert_eq!(of_all.exported().last.unwrap().0, size_now, "{format:?}");
        if format == Format::JsonLines {
            let report = verify_jsonl(&text[..], &trust(), |_| {}).unwrap();
            assert_eq!((&report.verdict, report.complete_to), (&Verdict::Valid, size), "{report:?}");
        }
        assert!(of_all.next_page(&mut log).unwrap().is_none(), "an export that ended stays ended");
    }
}

#[test]
fn a_log_without_entries_is_exported_as_what_it_is() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for (format, lines) in [(Format::JsonLines, 2), (Format::Csv, 1), (Format::Ocsf, 0), (Format::Otlp, 0)] {
        let (text, exported) = export(&mut log, &whole(format)).unwrap();
        assert_eq!((text.lines().count(), exported.entries, exported.last), (lines, 0, None), "{format:?}");
    }
}

/// No line break of a payload ends a line of JSON, and nothing that hides or turns text around stands in one.
#[test]
fn json_forms_have_one_line_a_value_and_nothing_that_a_terminal_obeys() {
    let world = sealing();
    let mut log = written(&world);
    for format in [Format::Ocsf, Format::Otlp] {
        let (text, _) = export(&mut log, &ExportOptions { open: true, ..whole(format) }).unwrap();
        assert!(!text.contains(|character: char| {
            character != '\n' && (character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2028}'))
        }));
    }
}
