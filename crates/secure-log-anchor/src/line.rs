//! A line a head, for whoever collects them.

use std::collections::BTreeMap;
use std::io::Write;

use secure_log::hash::Hash;
use secure_log::jsonl::write_record;
use secure_log::note::Note;
use secure_log::providers::{Anchor, AnchorError, AnchorView, Publication};
use secure_log::record::{HeadRow, Record};
use secure_log::tree::empty_root;

use crate::checkpoint;

/// An anchor that writes each head as a line, `{"t":"head","origin":..,"size":..,"root":..,"sigs":[..]}`, and leaves
/// keeping the lines to whoever reads them.
///
/// It remembers only what it wrote itself, so its view is [`AnchorView::WhenPublished`] and a store that was put back
/// while it was not running is not noticed here: whoever keeps the lines finds it. That a head is anchored means here that
/// its line was written.
#[derive(Debug)]
pub struct LineAnchor<W> {
    out: W,
    /// Size and root of the last head of each log.
    written: BTreeMap<String, (u64, Hash)>,
}

impl<W: Write> LineAnchor<W> {
    /// Writes to `out`, which is to hand each line on at once.
    pub fn new(out: W) -> LineAnchor<W> {
        LineAnchor { out, written: BTreeMap::new() }
    }
}

impl<W: Write> Anchor for LineAnchor<W> {
    fn latest(&mut self, _: Option<&str>) -> Result<AnchorView, AnchorError> {
        Ok(AnchorView::WhenPublished)
    }

    fn publish(&mut self, note: &str, _old_size: u64, _proof: &[Hash]) -> Publication {
        self.write(note).into()
    }
}

impl<W: Write> LineAnchor<W> {
    fn write(&mut self, note: &str) -> Result<(), AnchorError> {
        let head = checkpoint(note)?;
        let (size, root) = self.written.get(&head.origin).copied().unwrap_or((0, empty_root()));
        if size > head.size || (size == head.size && root != head.root) {
            return Err(AnchorError::Conflict(size));
        }
        let line = line(note)?;
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| AnchorError::Unavailable(format!("the head's line cannot be written: {error}")))?;
        self.written.insert(head.origin, (head.size, head.root));
        Ok(())
    }
}

/// The log's own line of a head (docs/format.md s.7), with the origin in it.
fn line(note: &str) -> Result<String, AnchorError> {
    let head = checkpoint(note)?;
    let sigs = Note::parse(note).map(|note| note.sigs).unwrap_or_default();
    let mut line = Vec::new();
    let unusual = |what: &dyn std::fmt::Display| AnchorError::Unavailable(format!("the head is no line: {what}"));
    write_record(&Record::Head(&HeadRow { size: head.size, root: head.root, sigs }), &mut line)
        .map_err(|error| unusual(&error))?;
    let line = String::from_utf8(line).map_err(|error| unusual(&error))?;
    let origin = head.origin.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(line.replacen(r#"{"t":"head","#, &format!(r#"{{"t":"head","origin":"{origin}","#), 1))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn note(origin: &str, size: u64, root: Hash) -> String {
        Note::of_head(origin, &HeadRow { size, root, sigs: vec![format!("{origin} AAAAAAAA")] }).to_string()
    }

    #[test]
    fn each_head_is_a_line_of_json() {
        let mut anchor = LineAnchor::new(Vec::new());
        assert_eq!(anchor.latest(None), Ok(AnchorView::WhenPublished));
        anchor.publish(&note("a\"b\\c", 0, empty_root()), 0, &[]).taken.unwrap();
        anchor.publish(&note("log", 7, Hash([7; 32])), 5, &[]).taken.unwrap();
        let written = String::from_utf8(anchor.out).unwrap();
        let root = "07".repeat(32);
        let lines: Vec<&str> = written.lines().collect();
        assert!(lines[0].starts_with(r#"{"t":"head","origin":"a\"b\\c","size":0,"#), "{written}");
        let second = format!(r#"{{"t":"head","origin":"log","size":7,"root":"{root}","sigs":["log AAAAAAAA"]}}"#);
        assert_eq!(lines[1..], [second.as_str()]);
    }

    #[test]
    fn it_never_goes_back() {
        let mut anchor = LineAnchor::new(Vec::new());
        let seven = note("log", 7, Hash([7; 32]));
        anchor.publish(&seven, 0, &[]).taken.unwrap();
        anchor.publish(&seven, 7, &[]).taken.expect("the same again is no step back");
        let before = anchor.out.len();
        for back in [note("log", 6, Hash([6; 32])), note("log", 7, Hash([8; 32]))] {
            assert_eq!(anchor.publish(&back, 0, &[]).taken, Err(AnchorError::Conflict(7)));
        }
        anchor.publish(&note("another", 1, Hash([1; 32])), 0, &[]).taken.unwrap();
        assert!(anchor.out.len() > before);
        assert!(matches!(anchor.publish("nonsense", 0, &[]).taken, Err(AnchorError::Unavailable(_))));
    }

    #[test]
    fn a_line_that_cannot_be_written_anchors_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut anchor = LineAnchor::new(Closed);
        let seven = note("log", 7, Hash([7; 32]));
        assert!(matches!(anchor.publish(&seven, 0, &[]).taken, Err(AnchorError::Unavailable(_))));
        assert!(matches!(
            anchor.publish(&note("log", 6, Hash([6; 32])), 0, &[]).taken,
            Err(AnchorError::Unavailable(_))
        ));
    }
}
