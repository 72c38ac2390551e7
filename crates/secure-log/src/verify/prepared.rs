//! What of a line's check needs no other line: reading it, hashing an entry, and checking the signatures of a head. It can
//! be done for many lines at once, on as many cores as there are; judging them cannot.

use std::sync::OnceLock;

use crate::entry::EntryRef;
use crate::hash::{Hash, Suite};
use crate::jsonl::{Line, LineError, parse_line};
use crate::note::{self, SignatureLine, VerifierKey};
use crate::record::HeadRow;
use crate::tree::leaf_hash;
use crate::verify::trust::Trust;

/// What was found of a line by itself.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Entry(Digest),
    Head(CheckedLines),
}

/// What an entry hashes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest {
    /// The hash of its content; `None` where that takes a key, or where the version is not known.
    pub(super) content: Option<Hash>,
    /// The leaf that its hash makes.
    pub(super) leaf: Hash,
}

impl Digest {
    /// Hashes an entry's bytes as its version says.
    #[inline]
    pub(super) fn new(version: u64, bytes: &[u8], hash: &Hash) -> Digest {
        let content = if version == Suite::Sha256.version() {
            Some(Hash::sha256(bytes))
        } else if version == Suite::Blake3.version() {
            Some(Hash(blake3::hash(bytes).into()))
        } else {
            None
        };
        Digest { content, leaf: leaf_hash(hash) }
    }
}

/// Which of a head's signature lines a key of the policy made, by the key's place among them.
pub(super) type CheckedLines = Vec<Option<usize>>;

/// What lines are prepared with.
#[derive(Debug)]
pub(super) struct Preparation {
    /// Log keys and witnesses of the policy.
    keys: Vec<VerifierKey>,
    /// The log's origin, once it was read.
    origin: OnceLock<String>,
}

impl Preparation {
    pub(super) fn new(trust: &Trust) -> Preparation {
        let keys = trust.log_keys().iter().chain(trust.witnesses()).cloned().collect();
        Preparation { keys, origin: OnceLock::new() }
    }

    /// Reads a line and looks at what can be seen of it alone. `scratch` is overwritten.
    #[inline]
    pub(super) fn read<'a>(&self, line: &'a [u8], scratch: &mut Vec<u8>) -> (Result<Line<'a>, LineError>, Found) {
        let line = parse_line(line);
        let found = line.as_ref().map_or(Found::Nothing, |line| self.look_at(line, scratch));
        (line, found)
    }

    #[inline]
    pub(super) fn look_at(&self, line: &Line<'_>, scratch: &mut Vec<u8>) -> Found {
        match line {
            Line::Entry(line) => Found::Entry(digest(&line.entry(), &line.hash, scratch)),
            Line::Head(row) => Found::Head(self.check_lines(row)),
            Line::Log(line) => {
                if let Ok(row) = line.row() {
                    // A second log line is a finding, and changes nothing here.
                    let _ = self.origin.set(row.origin.clone());
                }
                Found::Nothing
            }
            _ => Found::Nothing,
        }
    }

    /// Checks the lines that keys of the policy made. Whatever is wrong with one is found again where the head is judged.
    fn check_lines(&self, row: &HeadRow) -> CheckedLines {
        let Some(origin) = self.origin.get() else { return Vec::new() };
        let text = note::text(origin, row.size, &row.root);
        let maker = |line: &String| {
            let line = SignatureLine::parse(line).ok()?;
            let index = self.keys.iter().position(|key| key.is_named_by(&line))?;
            self.keys[index].verify(&line, &text).is_ok().then_some(index)
        };
        row.sigs.iter().map(maker).collect()
    }

    /// Whether it was found that the key made this line of a head.
    pub(super) fn was_made_by(&self, lines: &CheckedLines, line: usize, key: &VerifierKey) -> bool {
        lines.get(line).copied().flatten().is_some_and(|index| self.keys[index] == *key)
    }
}

#[inline]
fn digest(entry: &EntryRef<'_>, hash: &Hash, scratch: &mut Vec<u8>) -> Digest {
    scratch.clear();
    entry.encode_into(scratch);
    Digest::new(entry.version, scratch, hash)
}
