//! RFC 4180: a header, one row an entry, CRLF after each, text fields in quotes.
//!
//! A spreadsheet takes a field for a formula that begins with `=`, `+`, `-`, `@`, a tab or a line break, or with one of the wide
//! forms of the signs. Such a field is written with an apostrophe before it, and so is one that begins with an apostrophe:
//! who takes one apostrophe from each field that begins with one has what was there.

use super::row::{ExportRow, suite_name};

/// The columns, in their order.
const COLUMNS: [&str; 16] = [
    "seqno",
    "time",
    "stream",
    "event",
    "severity",
    "producer",
    "session",
    "boot",
    "version",
    "suite",
    "encoding",
    "state",
    "payload_form",
    "payload",
    "prev",
    "hash",
];

pub(super) fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(COLUMNS.join(",").as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(super) fn row(row: &ExportRow<'_>, out: &mut Vec<u8>) {
    let state = row.state().as_str();
    out.extend_from_slice(row.seqno.to_string().as_bytes());
    let Some(content) = &row.content else {
        out.extend_from_slice(b",,");
        text(row.stream, out);
        out.extend_from_slice(b",,,,,,,,,");
        out.extend_from_slice(state.as_bytes());
        out.extend_from_slice(b",,,,");
        return end(row, out);
    };
    out.push(b',');
    text(content.time, out);
    for field in [row.stream, content.event, content.severity, content.producer, content.session, content.boot] {
        out.push(b',');
        text(field, out);
    }
    out.extend_from_slice(format!(",{},{},", content.version, suite_name(content.version)).as_bytes());
    text(content.encoding, out);
    out.push(b',');
    out.extend_from_slice(state.as_bytes());
    match content.text() {
        Some(payload) => {
            out.extend_from_slice(b",text,");
            text(payload, out);
        }
        None => {
            out.extend_from_slice(b",base64,");
            text(&content.base64(), out);
        }
    }
    out.push(b',');
    out.extend_from_slice(content.prev.to_string().as_bytes());
    out.push(b',');
    end(row, out);
}

fn end(row: &ExportRow<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(row.hash.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.starts_with(is_dangerous) {
        out.push(b'\'');
    }
    let mut parts = text.split('"');
    out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        out.extend_from_slice(b"\"\"");
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

fn is_dangerous(first: char) -> bool {
    matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\'' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    #[test]
    fn no_field_begins_like_a_formula_and_every_one_can_be_had_back() {
        for field in
            ["", "plain", "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=x", "\n=x", "'", "'=1", "＝1", "a\"b,c\r\nd"]
        {
            let mut out = Vec::new();
            text(field, &mut out);
            let quoted = String::from_utf8(out).unwrap();
            let inner = quoted[1..quoted.len() - 1].replace("\"\"", "\"");
            assert!(!inner.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝']), "{quoted}");
            assert_eq!(inner.strip_prefix('\'').unwrap_or(&inner), field);
        }
    }

    #[test]
    fn what_is_gone_has_as_many_columns_as_what_is_there() {
        let mut out = Vec::new();
        row(&ExportRow { seqno: 7, stream: "a", hash: Hash::ZERO, content: None }, &mut out);
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line.split(',').count(), COLUMNS.len());
        assert_eq!(line.split(',').nth(11), Some("pruned"));
    }
}
