//! Lines as which tables keep what is no part of their log: records that were set aside, and the first one of a log that is not loaded
//! to its end.

use secure_log::jsonl::{Line, WriteError, parse_line, write_record};
use secure_log::record::{LogRow, Record};

/// The line of a record, without its end.
pub fn of(record: &Record<'_>) -> Result<String, WriteError> {
    let mut line = Vec::new();
    write_record(record, &mut line)?;
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

/// The row of a log, of its line.
pub fn log_row(line: &str) -> Option<LogRow> {
    match parse_line(line.as_bytes()) {
        Ok(Line::Log(kept)) => kept.row().ok().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use secure_log::record::HeadRow;

    use super::*;

    #[test]
    fn the_row_of_a_log_comes_back_from_its_line_and_from_no_other() {
        let row =
            LogRow { id: [7; 16], origin: "example.org/log".into(), created: "2026-01-02T03:04:05.000000000Z".into() };
        let line = of(&Record::Log(&row)).unwrap();
        assert!(!line.ends_with('\n'));
        assert_eq!(log_row(&line), Some(row));
        let head = HeadRow { size: 1, root: secure_log::hash::Hash([7; 32]), sigs: Vec::new() };
        for line in ["", "{}", &of(&Record::Head(&head)).unwrap()] {
            assert_eq!(log_row(line), None, "{line}");
        }
    }
}
