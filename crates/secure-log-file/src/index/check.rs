//! Holding the facts of the index against the log.

use super::facts::Facts;
use super::{Index, Salt, Trouble};
use crate::disk::DiskFile;
use crate::reader::Reader;

/// How far the facts were held against the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    /// In which building of the index: another one has other blocks.
    salt: Salt,
    /// The place of the next block.
    block: u64,
    /// The entry that has to be its first.
    seqno: u64,
}

impl Checked {
    /// No further than nothing.
    pub(crate) const NOTHING: Checked = Checked { salt: [0; 16], block: 0, seqno: 1 };
}

/// What came of looking at a block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Facing {
    /// It says what the entries say.
    Same(Checked),
    /// It does not, from this entry on or behind it.
    Other(u64),
    /// There is none.
    End,
}

impl<F: DiskFile> Index<F> {
    /// Holds the next block against what the lines of its entries say. What is still collected was never anywhere but in memory.
    pub(crate) fn check_facts(&mut self, checked: Checked, log: &mut Reader<F>) -> Result<Facing, Trouble> {
        let salt = self.state.salt;
        let Checked { block, seqno, .. } = if checked.salt == salt { checked } else { Checked::NOTHING };
        let Some(at) = self.blocks.at(block)? else {
            return Ok(if seqno == self.blocks.open_first() { Facing::End } else { Facing::Other(seqno) });
        };
        if at.first != seqno || at.last() > self.size() {
            return Ok(Facing::Other(seqno));
        }
        let until = self.entry(at.last())?.line.end();
        let mut facts = Facts::default();
        for seqno in at.first..=at.last() {
            let line = self.entry(seqno)?.line;
            match log.entry_head(line, until)? {
                Some(head) => facts.push(&head.facts(), &salt),
                None => facts.push_pruned(&salt),
            }
        }
        if self.blocks.says(at, &facts, &salt)? {
            Ok(Facing::Same(Checked { salt, block: block + 1, seqno: at.last() + 1 }))
        } else {
            Ok(Facing::Other(seqno))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use secure_log::SecureLog;
    use secure_log::engine::{NewEntry, Providers};
    use secure_log::entry::Severity;
    use secure_log::query::Filter;
    use secure_log::store::{Search, SecureLogStore};
    use secure_log::verify::{Finding, FindingCode, Verdict};
    use secure_log_testkit::ManualClock;
    use secure_log_testkit::attacks::{options, providers};

    use super::super::checksum::checksum;
    use super::super::facts::{Column, Part};
    use super::super::rows::{BlockAt, Row};
    use super::super::table::HEADER;
    use super::Salt;
    use crate::disk::OsDisk;
    use crate::{FileStore, Options};

    const EVENTS: [&str; 3] = ["user.login", "file.read", "file.write"];
    const PRODUCERS: [&str; 2] = ["a", "b"];

    /// An edit of a row, and then of a part, from a byte of it on.
    struct Edit {
        what: &'static str,
        row: fn(&mut BlockAt),
        part: Option<PartEdit>,
    }

    /// Which part, which byte of it, and what becomes of that.
    type PartEdit = (Part, usize, fn(&mut u8));

    fn none(_: &mut BlockAt) {}

    const EDITS: [Edit; 10] = [
        Edit {
            what: "another severity",
            row: none,
            part: Some((Part::Severities, 1, |severity| *severity = 7 - *severity)),
        },
        Edit { what: "pruned", row: none, part: Some((Part::Severities, 1, |severity| *severity = 8)) },
        Edit { what: "another event", row: none, part: Some((Part::Codes(Column::Event), 3, |code| *code ^= 1)) },
        Edit { what: "no event", row: none, part: Some((Part::Codes(Column::Event), 3, |code| *code = 200)) },
        Edit { what: "another hash", row: none, part: Some((Part::Hashes(Column::Producer), 0, |byte| *byte ^= 1)) },
        Edit { what: "another name", row: none, part: Some((Part::Texts(Column::Event), 12, |byte| *byte = b'x')) },
        Edit { what: "later", row: none, part: Some((Part::Times, 4 * 25, |byte| *byte ^= 1)) },
        Edit { what: "no entry so serious", row: |row| row.severities = 0b110, part: None },
        Edit { what: "over before it was", row: |row| row.latest -= 1, part: None },
        Edit { what: "too late", row: |row| row.earliest += 1, part: None },
    ];

    #[test]
    fn row_18_no_edit_of_facts_passes_a_verification() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole.jsonl");
        write(&whole);
        for (number, edit) in EDITS.iter().enumerate() {
            let path = folder.path().join(format!("{number}.jsonl"));
            copy(&whole, &path);
            assert_eq!(verdict(&path), Verdict::Valid, "{}", edit.what);
            apply(edit, &path.with_extension("jsonl.idx"));
            match verdict(&path) {
                Verdict::Invalid(Finding { code: FindingCode::IndexMismatch, .. }) => {}
                other => panic!("{}: {other:?}", edit.what),
            }
            // A search answers something, and no panic.
            let mut store = open(&path);
            for event in EVENTS {
                let filter = Filter { events: vec![event.parse().unwrap()], ..Filter::default() };
                let search = Search {
                    filter: &filter,
                    from: 1,
                    to: u64::MAX,
                    newest_first: false,
                    limit: 1000,
                    max_bytes: usize::MAX,
                    work: u32::MAX,
                };
                store.search(&search, &mut |_| {}).unwrap();
            }
            drop(store);
            SecureLog::open(open(&path), providers(), options()).unwrap().reindex().unwrap();
            assert_eq!(verdict(&path), Verdict::Valid, "{}, and built anew", edit.what);
        }
    }

    fn open(path: &Path) -> FileStore {
        let options = Options { index_every: 1, ..Options::default() };
        FileStore::open_on(OsDisk, path, options).unwrap()
    }

    /// A log whose one block of facts has several of everything.
    fn write(path: &Path) {
        let clock = ManualClock::new();
        let providers = Providers { clock: Box::new(clock.clone()), ..providers() };
        let mut log = SecureLog::open(open(path), providers, options()).unwrap();
        for _ in 0..2 {
            clock.advance(1);
            let entry = |number: usize| NewEntry {
                stream: ["x", "y"][number % 2],
                event: EVENTS[number % 3],
                severity: [Severity::Info, Severity::Alert][number % 2],
                producer: PRODUCERS[number % 2],
                encoding: "text",
                payload: b"",
            };
            log.append_batch(&(0..20).map(entry).collect::<Vec<_>>()).unwrap();
        }
        log.store_mut().reindex().unwrap();
    }

    fn copy(from: &Path, to: &Path) {
        fs::copy(from, to).unwrap();
        let (from, to) = (from.with_extension("jsonl.idx"), to.with_extension("jsonl.idx"));
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }

    fn verdict(path: &Path) -> Verdict {
        SecureLog::open(open(path), providers(), options()).unwrap().verify_log().unwrap().verdict
    }

    /// Writes it as one does who knows the files, with checksums that fit.
    fn apply(edit: &Edit, folder: &Path) {
        let mut blocks = fs::read(folder.join("blocks")).unwrap();
        let salt: Salt = blocks[16..32].try_into().unwrap();
        let start = HEADER as usize;
        let mut row = BlockAt::take(&blocks[start..start + BlockAt::SIZE]);
        (edit.row)(&mut row);
        let mut bytes = Vec::new();
        row.put(&mut bytes);
        (checksum(&salt, 0, &bytes) as u32).put(&mut bytes);
        blocks[start..start + bytes.len()].copy_from_slice(&bytes);
        fs::write(folder.join("blocks"), blocks).unwrap();
        let Some((part, at, change)) = edit.part else { return };
        let mut facts = fs::read(folder.join("facts")).unwrap();
        let (offset, len) = row.part(part);
        let start = start + offset as usize;
        change(&mut facts[start + at]);
        let sum = checksum(&salt, offset, &facts[start..start + len]);
        facts[start + len..start + len + 8].copy_from_slice(&sum.to_le_bytes());
        fs::write(folder.join("facts"), facts).unwrap();
    }
}
