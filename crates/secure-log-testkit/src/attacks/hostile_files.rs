//! Rows 24 and 26: files that are made to hurt their reader, and logs that say what should not reach a terminal.

use secure_log::tree::empty_root;

use super::sample::{ORIGIN, sample_records};
use crate::{OwnedRecord, to_jsonl};

/// The first commit of the sample log, with this line in it.
pub fn file_with_line(line: &[u8]) -> Vec<u8> {
    let sample = to_jsonl(&sample_records());
    let mut lines = sample.split_inclusive(|byte| *byte == b'\n');
    let (log, head) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    [log, line, b"\n", head].concat()
}

/// Files that are no logs, each for its own reason.
pub fn hostile_files() -> Vec<(&'static str, Vec<u8>)> {
    let sample = to_jsonl(&sample_records());
    let log_line = sample.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let deep = "[".repeat(1 << 20);
    let signatures = r#""x y","#.repeat(100_000);
    let signatures = format!(r#"{{"t":"head","size":0,"root":"{}","sigs":[{signatures}"x y"]}}"#, empty_root());
    let file = file_with_line;
    vec![
        ("nothing", Vec::new()),
        ("an empty line", b"\n".to_vec()),
        ("no JSON", b"\x7fELF\n".to_vec()),
        ("invalid UTF-8", file(b"{\"t\":\"head\",\"size\":0,\"root\":\"\xff\xfe\"}")),
        ("an overlong encoding", file(b"{\"t\":\"head\xc0\xaf\"}")),
        ("nested arrays", file(format!("{{\"t\":\"head\",\"size\":{deep}").as_bytes())),
        ("nested objects", file(format!("{{\"t\":\"head\",\"size\":{}", r#"{"a":"#.repeat(1 << 18)).as_bytes())),
        ("a huge size", file(br#"{"t":"head","size":99999999999999999999999999,"root":"","sigs":[]}"#)),
        ("a negative size", file(br#"{"t":"head","size":-1,"root":"","sigs":[]}"#)),
        ("a fraction", file(br#"{"t":"head","size":1e400,"root":"","sigs":[]}"#)),
        ("a lone surrogate", file(br#"{"t":"head\ud800"}"#)),
        ("a carriage return", file(b"{\"t\":\"head\"}\r")),
        ("a byte order mark", [b"\xef\xbb\xbf", &sample[..]].concat()),
        ("two objects on a line", [log_line.strip_suffix(b"\n").unwrap_or_default(), log_line].concat()),
        ("many signatures", file(signatures.as_bytes())),
    ]
}

/// Logs with marks of direction in names that a report or an error may quote. No control character stands in a line.
pub fn marked_logs() -> Vec<(&'static str, Vec<OwnedRecord>)> {
    let mut signed = sample_records();
    for record in &mut signed {
        if let OwnedRecord::Signature(row) = record {
            row.identity = "sign\u{202e}er".into();
        }
    }
    let mut named = signed.clone();
    if let OwnedRecord::Log(row) = &mut named[0] {
        assert_eq!(row.origin, ORIGIN);
        row.origin = "log\u{202e}example".into();
    }
    let mut unknown = sample_records();
    unknown.insert(9, OwnedRecord::Unknown("n\u{202e}w\u{2066}".into()));
    let mut rules = sample_records();
    for record in &mut rules {
        if let OwnedRecord::Stream(row) = record {
            row.name = format!("{}\u{202e}\u{2066}", row.name);
        }
    }
    vec![("signers", signed), ("signers and origin", named), ("a kind of record", unknown), ("streams", rules)]
}

/// Whether a character can stand in what a terminal shows: it moves no cursor, is seen, and turns no text around.
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
