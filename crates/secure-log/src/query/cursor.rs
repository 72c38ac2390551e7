//! Where a page ended, as a text that says nothing to who carries it.

use core::fmt;
use core::str::FromStr;

use crate::hash::Hash;
use crate::limits::Invalid;
use crate::query::Query;

/// Where a page ended. The text is opaque: it is handed back as it was given out, with the same filter and order, and to the same
/// log. Nothing secret is in it, and one that was made up leads to other entries of the same query at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The log, the filter and the order, as a hash each of which half is kept.
    log: [u8; 16],
    filter: [u8; 16],
    newest_first: bool,
    place: Place,
}

/// What a query goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first seqno that was not looked at: the smallest one of an ascending query, the largest one of a descending query.
    pub(crate) next: u64,
    /// Entries in the log when the first page was read.
    pub(crate) size: u64,
}

/// The version of the text, the order, two hashes and two numbers.
const BYTES: usize = 1 + 1 + 16 + 16 + 8 + 8;
const VERSION: u8 = 1;

impl Cursor {
    pub(crate) fn new(log: &[u8; 16], query: &Query, place: Place) -> Cursor {
        Cursor { log: log_mark(log), filter: filter_mark(query), newest_first: query.newest_first, place }
    }

    /// Where the query goes on, if the cursor is one of this log and query.
    pub(crate) fn place(&self, log: &[u8; 16], query: &Query) -> Result<Place, Invalid> {
        let other = |what: &str| Err(Invalid::unusable("cursor", format!("it was made by a query {what}")));
        if self.log != log_mark(log) {
            return other("of another log");
        }
        if self.filter != filter_mark(query) {
            return other("with another filter");
        }
        if self.newest_first != query.newest_first {
            return other("in the other order");
        }
        Ok(self.place)
    }
}

fn log_mark(log: &[u8; 16]) -> [u8; 16] {
    half(&Hash::sha256(&[b"secure-log/v1/cursor\n", &log[..]].concat()))
}

fn filter_mark(query: &Query) -> [u8; 16] {
    half(&query.filter.digest())
}

fn half(hash: &Hash) -> [u8; 16] {
    *hash.0.first_chunk().expect("a hash has 32 bytes")
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend([VERSION, u8::from(self.newest_first)]);
        bytes.extend(self.log);
        bytes.extend(self.filter);
        bytes.extend(self.place.next.to_be_bytes());
        bytes.extend(self.place.size.to_be_bytes());
        f.write_str(&const_hex::encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Cursor, Invalid> {
        let none = || Invalid::unusable("cursor", "a text that a page has given out");
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(none());
        }
        let bytes: [u8; BYTES] = const_hex::decode_to_array(text).map_err(|_| none())?;
        let newest_first = match bytes[..2] {
            [VERSION, 0] => false,
            [VERSION, 1] => true,
            _ => return Err(none()),
        };
        let number = |at: usize| u64::from_be_bytes(*bytes[at..].first_chunk().expect("the length was checked"));
        let mark = |at: usize| *bytes[at..].first_chunk().expect("the length was checked");
        let place = Place { next: number(34), size: number(42) };
        Ok(Cursor { log: mark(2), filter: mark(18), newest_first, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Filter;

    #[test]
    fn a_cursor_comes_back_and_is_held_to_its_log_filter_and_order() {
        let query = Query { newest_first: true, ..Query::default() };
        let place = Place { next: 7, size: u64::MAX };
        let cursor = Cursor::new(&[1; 16], &query, place);
        assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
        assert_eq!(cursor.place(&[1; 16], &query), Ok(place));
        let refused = |log: [u8; 16], query: &Query| cursor.place(&log, query).unwrap_err().to_string();
        assert_eq!(refused([2; 16], &query), "cursor: it was made by a query of another log");
        let other = Query { filter: Filter { from: Some(1), ..Filter::default() }, ..query.clone() };
        assert_eq!(refused([1; 16], &other), "cursor: it was made by a query with another filter");
        assert_eq!(refused([1; 16], &Query::default()), "cursor: it was made by a query in the other order");
        // How many are on a page may change from one to the next.
        assert_eq!(cursor.place(&[1; 16], &Query { limit: 9, ..query }), Ok(place));
    }

    #[test]
    fn what_no_page_gave_out_is_refused() {
        let text = Cursor::new(&[1; 16], &Query::default(), Place { next: 1, size: 1 }).to_string();
        let altered = |at: usize, with: &str| format!("{}{with}{}", &text[..at], &text[at + with.len()..]);
        for wrong in
            ["", "01", &text[2..], &format!("{text}00"), &altered(0, "02"), &altered(2, "02"), &altered(9, "é")]
        {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
        assert!(altered(4, "FF").parse::<Cursor>().is_err(), "another spelling of the same bytes");
    }
}
