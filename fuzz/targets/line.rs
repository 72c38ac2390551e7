//! A line that is a record of a known kind is its one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::jsonl::{parse_line, write_record};
use secure_log::record::Record;

fuzz_target!(|bytes: &[u8]| {
    let Ok(line) = parse_line(bytes) else { return };
    let mut scratch = Vec::new();
    let Ok(record) = line.record(&mut scratch) else { return };
    if let Record::Unknown(_) = record {
        return;
    }
    let mut written = Vec::new();
    write_record(&record, &mut written).expect("what was read can be written");
    assert_eq!(written.strip_suffix(b"\n"), Some(bytes));
});
