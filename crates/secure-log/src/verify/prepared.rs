//! What of a record's check needs nothing that was judged before: reading it, hashing an entry, and checking signatures. It
//! can be done for many records at once, on as many cores as there are; judging them cannot.

use std::sync::{Arc, OnceLock};

use crate::entry::{EntryRef, Severity};
use crate::hash::{Hash, Suite};
use crate::jsonl::{self, Line, LineError, parse_line};
use crate::note::{self, SignatureLine, VerifierKey};
use crate::record::{EntryRow, HeadRow, Record};
use crate::time::Timestamp;
use crate::tree::leaf_hash;
use crate::verify::signatures::{CheckedSignature, SignatureChecks, Signed};
use crate::verify::trust::Trust;

/// What was found of a line by itself.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Entry(Digest),
    Head(CheckedLines),
    Signature(CheckedSignature),
}

/// A line, and what was found of it by itself.
pub(super) type ReadLine<'a> = (Result<Line<'a>, LineError>, Found);

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
    checks: Arc<SignatureChecks>,
}

impl Preparation {
    pub(super) fn new(trust: &Trust, checks: Arc<SignatureChecks>) -> Preparation {
        let keys = trust.log_keys().iter().chain(trust.witnesses()).cloned().collect();
        Preparation { keys, origin: OnceLock::new(), checks }
    }

    /// Reads lines that follow each other, and looks at what can be seen of them by themselves. `scratch` is overwritten.
    pub(super) fn read_all<'a>(
        &self,
        lines: impl Iterator<Item = &'a [u8]>,
        scratch: &mut Vec<u8>,
    ) -> Vec<ReadLine<'a>> {
        let mut read: Vec<_> = lines.map(|line| self.read(line, scratch)).collect();
        let mut signed = Signed::default();
        for (place, (line, _)) in read.iter().enumerate() {
            match line {
                Ok(Line::Entry(line)) => signed.entry(line.entry().seqno, line.hash),
                Ok(Line::Signature(row)) => signed.signature(place, row),
                _ => {}
            }
        }
        for (place, checked) in self.checks.check(&signed) {
            read[place].1 = Found::Signature(checked);
        }
        read
    }

    /// Reads a line and looks at what can be seen of it alone. `scratch` is overwritten.
    #[inline]
    pub(super) fn read<'a>(&self, line: &'a [u8], scratch: &mut Vec<u8>) -> ReadLine<'a> {
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
            self.checks.verify_line(&self.keys[index], &line, &text).is_ok().then_some(index)
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

/// What was found of a record of a store by itself.
#[derive(Debug)]
pub(super) enum ReadRecord<'r> {
    /// What an entry says and hashes to, or why it is none.
    Entry(Result<(EntryRef<'r>, Digest), String>),
    Signature(CheckedSignature),
    /// It is looked at when it is judged.
    Other,
}

impl<'r> ReadRecord<'r> {
    /// Looks at a record by itself.
    #[inline]
    pub(super) fn of(record: &Record<'r>) -> ReadRecord<'r> {
        match record {
            Record::Entry(row) => ReadRecord::Entry(read_entry(row)),
            _ => ReadRecord::Other,
        }
    }

    /// Looks at records that follow each other.
    pub(super) fn of_all(records: &[Record<'r>], checks: &SignatureChecks) -> Vec<ReadRecord<'r>> {
        let mut read: Vec<_> = records.iter().map(ReadRecord::of).collect();
        let mut signed = Signed::default();
        for (place, record) in records.iter().enumerate() {
            match record {
                Record::Entry(row) => signed.entry(row.seqno, row.hash),
                Record::Signature(row) => signed.signature(place, row),
                _ => {}
            }
        }
        for (place, checked) in checks.check(&signed) {
            read[place] = ReadRecord::Signature(checked);
        }
        read
    }
}

#[inline]
fn read_entry<'r>(row: &EntryRow<'r>) -> Result<(EntryRef<'r>, Digest), String> {
    let entry = EntryRef::decode(row.bytes).map_err(|error| error.to_string())?;
    if (entry.seqno, entry.stream) != (row.seqno, row.stream) {
        return Err("an entry of another stream or seqno than its row says".into());
    }
    check_fields(&entry)?;
    Ok((entry, Digest::new(entry.version, row.bytes, &row.hash)))
}

/// What a line of an entry could not say, and a store might.
fn check_fields(entry: &EntryRef<'_>) -> Result<(), &'static str> {
    let plain =
        [entry.session, entry.boot, entry.event, entry.producer, entry.encoding].into_iter().all(jsonl::is_plain);
    if !plain {
        return Err("a control character in a field");
    }
    if !Timestamp::is_valid(entry.time) {
        return Err("not a real time in its one spelling");
    }
    if entry.severity.parse::<Severity>().is_err() {
        return Err("not a severity of the format");
    }
    Ok(())
}
