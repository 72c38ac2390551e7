//! What the anchor's file holds: the last head of each log, the one that was published last at the end.
//!
//! ```text
//! secure-log anchor 1
//! head 213
//! <a signed note of 213 bytes>
//! sha-256 <hex of the hash of all that stands before this line>
//! ```
//!
//! The hash finds a file that was damaged; it keeps nobody from making another one.

use secure_log::hash::Hash;
use secure_log::note::{Checkpoint, MAX_NOTE_BYTES, Note};

/// The longest file that is read or written: some ten thousand logs whose heads have a signature or two.
pub(crate) const MAX_BYTES: usize = 4 << 20;

const FIRST_LINE: &str = "secure-log anchor 1\n";
const SUM: &str = "sha-256 ";

/// The last heads, oldest first.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heads(Vec<Known>);

#[derive(Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) head: Checkpoint,
    pub(crate) note: String,
}

impl Heads {
    /// That of this log or, without a name, the one that was published last.
    pub(crate) fn latest(&self, origin: Option<&str>) -> Option<&Known> {
        self.0.iter().rev().find(|known| origin.is_none_or(|origin| known.head.origin == origin))
    }

    /// Puts a head in the place of its log's last one.
    pub(crate) fn put(&mut self, head: Checkpoint, note: &str) {
        self.0.retain(|known| known.head.origin != head.origin);
        self.0.push(Known { head, note: note.into() });
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = FIRST_LINE.to_owned();
        for known in &self.0 {
            text += &format!("head {}\n{}", known.note.len(), known.note);
        }
        let sum = Hash::sha256(text.as_bytes());
        text + &format!("{SUM}{sum}\n")
    }

    /// Reads the text of a file, in its one spelling; `Err` says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Heads, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
        let mut rest =
            text.strip_prefix(FIRST_LINE).ok_or("it does not begin as an anchor's file of this version does")?;
        let mut heads = Heads::default();
        while let Some(after) = rest.strip_prefix("head ") {
            let (length, after) = after.split_once('\n').ok_or("it ends in the middle")?;
            let length: usize = length.parse().ok().filter(|n| *n <= MAX_NOTE_BYTES).ok_or("a length is none")?;
            let note = after.get(..length).ok_or("it ends in the middle")?;
            let head = Note::parse(note).and_then(|note| note.checkpoint()).map_err(|_| "one of its heads is none")?;
            heads.0.push(Known { head, note: note.into() });
            rest = &after[length..];
        }
        let sum = rest.strip_prefix(SUM).ok_or("it ends in the middle")?;
        let covered = &text[..text.len() - rest.len()];
        if sum.strip_suffix('\n') != Some(&Hash::sha256(covered.as_bytes()).to_string()) {
            return Err("its hash is not that of what it holds");
        }
        if heads.encode() == text { Ok(heads) } else { Err("it is spelled in another way than it is written") }
    }
}

#[cfg(test)]
mod tests {
    use secure_log::record::HeadRow;

    use super::*;

    fn note(origin: &str, size: u64) -> String {
        let root = Hash([size as u8; 32]);
        Note::of_head(origin, &HeadRow { size, root, sigs: vec![format!("{origin} AAAAAAAA")] }).to_string()
    }

    fn heads(published: &[(&str, u64)]) -> Heads {
        let mut heads = Heads::default();
        for (origin, size) in published {
            let note = note(origin, *size);
            heads.put(Note::parse(&note).unwrap().checkpoint().unwrap(), &note);
        }
        heads
    }

    #[test]
    fn heads_come_back_and_the_last_published_stands_last() {
        let heads = heads(&[("one", 1), ("two", 2), ("one", 3)]);
        let read = Heads::decode(heads.encode().as_bytes()).unwrap();
        assert_eq!(read, heads);
        assert_eq!(read.latest(None).unwrap().note, note("one", 3));
        assert_eq!(read.latest(Some("two")).unwrap().head.size, 2);
        assert_eq!(read.latest(Some("three")), None);
        assert_eq!(Heads::decode(Heads::default().encode().as_bytes()), Ok(Heads::default()));
    }

    #[test]
    fn a_file_that_was_cut_or_changed_anywhere_is_found() {
        let text = heads(&[("one", 1), ("two", 2)]).encode();
        for end in 0..text.len() {
            assert!(Heads::decode(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            assert!(Heads::decode(&changed).is_err(), "changed at {at}");
        }
        assert!(Heads::decode(format!("{text}\n").as_bytes()).is_err());
    }

    #[test]
    fn what_has_the_right_hash_and_another_spelling_is_refused() {
        let summed = |body: String| format!("{body}{SUM}{}\n", Hash::sha256(body.as_bytes()));
        let note = note("one", 1);
        let good = summed(format!("{FIRST_LINE}head {}\n{note}", note.len()));
        assert!(Heads::decode(good.as_bytes()).is_ok());
        for bad in [
            format!("{FIRST_LINE}head 0{}\n{note}", note.len()),
            format!("{FIRST_LINE}head +{}\n{note}", note.len()),
            format!("{FIRST_LINE}head 18446744073709551615\n{note}"),
            format!("{FIRST_LINE}head 3\none"),
            format!("{FIRST_LINE}\n"),
            "secure-log anchor 2\n".into(),
        ] {
            assert!(Heads::decode(summed(bad.clone()).as_bytes()).is_err(), "{bad}");
        }
    }
}
