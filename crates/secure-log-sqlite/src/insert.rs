//! Appending a commit within a transaction.

use std::collections::HashMap;
use std::mem;
use std::sync::LazyLock;

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{
    DataKeyRow, EntryRow, HeadRow, LogRow, Record, SegmentRow, SignatureRow, StreamRow, WitnessRow,
};
use secure_log::store::{Commit, Node, SecureLogStore, StoreError};
use secure_log_sql::Refused;
use secure_log_sql::tables::{BLOCK, kind, subject, tree_number};

use crate::database::{Database, Value};
use crate::read::End;
use crate::row::{stored, text_or_null};
use crate::store::SqliteStore;

/// Entries that are given to SQLite at once.
const ENTRIES_AT_ONCE: usize = 100;

/// A row that cannot be inserted ends the transaction, as any failure within a commit does. With that said, SQLite keeps no
/// copies of pages to take back the one statement alone.
const INSERT_ENTRY: &str = "INSERT OR ROLLBACK INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// One statement with many rows keeps its places in the table and its indexes from row to row: it takes half the time.
static INSERT_ENTRIES: LazyLock<String> =
    LazyLock::new(|| format!("{INSERT_ENTRY}{}", ", (?, ?, ?, ?, ?, ?, ?, ?, ?)".repeat(ENTRIES_AT_ONCE - 1)));

/// Rows of the index that are given to SQLite at once.
const KEYS_AT_ONCE: usize = 100;

const INSERT_KEY: &str = "INSERT OR ROLLBACK INTO entry_key VALUES (?, ?)";

/// As of entries.
static INSERT_KEYS: LazyLock<String> = LazyLock::new(|| format!("{INSERT_KEY}{}", ", (?, ?)".repeat(KEYS_AT_ONCE - 1)));

/// Words that are remembered: more than a program has of its own, fewer than a hostile one could make up.
const MAX_WORDS: usize = 4096;

/// Streams that are remembered, likewise.
const MAX_STREAMS: usize = 4096;

/// Where writing has got to.
pub(crate) struct Pen<'c> {
    written: Written,
    /// Entries that were not given to SQLite yet.
    entries: Vec<NewEntry<'c>>,
    /// They are those of a log that is loaded.
    loading: bool,
    recent: Recent<'c>,
}

/// What was looked up for the entry before, which most entries have in common with it.
#[derive(Default)]
struct Recent<'c> {
    stream: Option<(&'c str, usize)>,
    event: Option<(&'c str, i64)>,
    producer: Option<(&'c str, i64)>,
    session: Option<(&'c str, i64)>,
}

/// What a store knows of the log that it wrote, for as long as nobody else writes to it.
#[derive(Default)]
pub(crate) struct Written {
    end: End,
    streams: Vec<Touched>,
    /// Which of them has this name.
    named: HashMap<String, usize>,
}

/// What is known of a stream while it is written to.
#[derive(Clone, Copy)]
struct Touched {
    number: i64,
    entries: u64,
}

/// An entry, and its stream's number.
struct NewEntry<'c> {
    seqno: u64,
    stream: i64,
    hash: Hash,
    /// Nothing of an entry that was pruned.
    content: Option<Content<'c>>,
}

/// An entry's bytes, and what is found in them.
struct Content<'c> {
    bytes: &'c [u8],
    time: i64,
    severity: i64,
    event: i64,
    producer: i64,
    session: i64,
}

impl Pen<'_> {
    fn at(written: Written) -> Self {
        Pen { written, entries: Vec::new(), loading: false, recent: Recent::default() }
    }
}

impl Written {
    fn remember(&mut self, name: &str, stream: Touched) -> usize {
        self.streams.push(stream);
        self.named.insert(name.into(), self.streams.len() - 1);
        self.streams.len() - 1
    }
}

impl<D: Database> SqliteStore<D> {
    /// Writes the rows of a commit behind this end, or those of a part of a log that is loaded.
    pub(crate) fn append(&mut self, end: End, commit: &Commit, loading: bool) -> Result<(), StoreError> {
        let mut pen = Pen { loading, ..Pen::at(self.written_up_to(end)) };
        for (number, record) in (1..).zip(commit.records()) {
            self.put(&mut pen, record).map_err(|error| match error {
                Unwritten::Refused(refused) => refused.at(number),
                Unwritten::Failed(error) => error,
            })?;
        }
        if commit.head().is_none() {
            let at = "the end of the commit".into();
            return Err(StoreError::Corrupt { at, detail: "no head stands there".into() });
        }
        self.put_nodes(&commit.nodes)?;
        self.put_index(&commit.index)?;
        self.written = pen.written;
        Ok(())
    }

    /// What was written last, if it ends there.
    fn written_up_to(&mut self, end: End) -> Written {
        let written = mem::take(&mut self.written);
        if written.end == end && written.streams.len() < MAX_STREAMS {
            written
        } else {
            Written { end, ..Written::default() }
        }
    }

    /// Makes this the log that another store holds, whatever is in it: nothing is verified. Where this store holds anything
    /// already, or the other one a record that cannot be kept here, that is an error and nothing has changed.
    pub fn import(&mut self, from: &mut dyn SecureLogStore) -> Result<(), StoreError> {
        const PAGE_BYTES: usize = 1 << 20;
        self.ready(true)?;
        self.transaction(|store| {
            let end = store.end()?;
            if end.place > 0 {
                return Err(StoreError::Config("a log is imported into an empty database only".into()));
            }
            let mut written = Some(Written { end, ..Written::default() });
            let (mut cursor, mut outcome) = (Some(0), Ok(()));
            while let Some(at) = cursor {
                cursor = from.scan(at, PAGE_BYTES, &mut |record| {
                    if let (Ok(()), Some(before)) = (&outcome, written.take()) {
                        match store.import_record(before, record) {
                            Ok(after) => written = Some(after),
                            Err(error) => outcome = Err(error),
                        }
                    }
                })?;
                outcome.clone()?;
            }
            store.end()?;
            store.rebuild_trees()?;
            store.rebuild_keys()
        })
    }

    /// One record, which is there no longer than this call.
    fn import_record(&mut self, written: Written, record: Record<'_>) -> Result<Written, StoreError> {
        let mut pen = Pen::at(written);
        self.put(&mut pen, record).and_then(|()| self.flush(&mut pen).map_err(Unwritten::Failed)).map_err(|error| {
            match error {
                Unwritten::Refused(Refused(detail)) => {
                    StoreError::Corrupt { at: format!("record {} of the log", pen.written.end.place), detail }
                }
                Unwritten::Failed(error) => error,
            }
        })?;
        Ok(pen.written)
    }

    fn put<'c>(&mut self, pen: &mut Pen<'c>, record: Record<'c>) -> Result<(), Unwritten> {
        pen.written.end.place += 1;
        let (kind, id) = match record {
            Record::Entry(row) => return self.put_entry(pen, row),
            Record::Head(row) => return self.put_head(pen, row),
            Record::Log(row) => (kind::LOG, self.put_log(pen, row)?),
            Record::Stream(row) => (kind::STREAM, self.put_stream(pen, row)?),
            Record::DataKey(row) => (kind::DATA_KEY, self.put_data_key(pen, row)?),
            Record::Signature(row) => (kind::SIGNATURE, self.put_signature(pen, row)?),
            Record::Segment(row) => (kind::SEGMENT, self.put_segment(pen, row)?),
            Record::Witness(row) => (kind::WITNESS, self.put_witness(pen, row)?),
            Record::Pruned(row) => {
                let stream = self.next_entry(pen, row.seqno, row.stream)?;
                return self.put_later(pen, NewEntry { seqno: row.seqno, stream, hash: row.hash, content: None });
            }
            Record::Unknown(row) => return Err(refused(row.to_string())),
        };
        let values = [stored(pen.written.end.place)?, Value::Integer(kind), stored(id)?];
        self.run("INSERT INTO record VALUES (?, ?, ?)", &values)?;
        Ok(())
    }

    fn put_entry<'c>(&mut self, pen: &mut Pen<'c>, row: EntryRow<'c>) -> Result<(), Unwritten> {
        let said = secure_log_sql::Content::of(row)?;
        let stream = self.next_entry(pen, row.seqno, row.stream)?;
        let [event, producer, session] = said.words;
        let content = Content {
            bytes: row.bytes,
            time: said.time,
            severity: said.severity,
            event: lookup(&mut pen.recent.event, event, |word| self.word(word))?,
            producer: lookup(&mut pen.recent.producer, producer, |word| self.word(word))?,
            session: lookup(&mut pen.recent.session, session, |word| self.word(word))?,
        };
        self.put_later(pen, NewEntry { seqno: row.seqno, stream, hash: row.hash, content: Some(content) })
    }

    /// Counts an entry of a stream, and answers the stream's number.
    fn next_entry<'c>(&mut self, pen: &mut Pen<'c>, seqno: u64, name: &'c str) -> Result<i64, Unwritten> {
        if seqno != pen.written.end.size + 1 {
            return Err(refused(format!("seqno {seqno} and not {}", pen.written.end.size + 1)));
        }
        pen.written.end.size += 1;
        let place = lookup(&mut pen.recent.stream, name, |name| self.touch(&mut pen.written, name))?;
        let stream = &mut pen.written.streams[place];
        let Touched { number, entries: ordinal } = *stream;
        stream.entries += 1;
        if ordinal % BLOCK == 0 {
            let values = [Value::Integer(number), stored(ordinal / BLOCK)?, stored(seqno)?];
            self.run("INSERT INTO waypoint VALUES (?, ?, ?)", &values)?;
        }
        Ok(number)
    }

    fn put_later<'c>(&mut self, pen: &mut Pen<'c>, entry: NewEntry<'c>) -> Result<(), Unwritten> {
        pen.entries.push(entry);
        if pen.entries.len() == ENTRIES_AT_ONCE { Ok(self.flush(pen)?) } else { Ok(()) }
    }

    /// Gives SQLite the entries that wait.
    fn flush(&mut self, pen: &mut Pen<'_>) -> Result<(), StoreError> {
        const COLUMNS: usize = 9;
        if pen.entries.is_empty() {
            return Ok(());
        }
        let mut values = Vec::with_capacity(pen.entries.len() * COLUMNS);
        for entry in &pen.entries {
            values.extend([stored(entry.seqno)?, Value::Integer(entry.stream), Value::Blob(&entry.hash.0)]);
            values.extend(match &entry.content {
                Some(content) => [
                    Value::Blob(content.bytes),
                    Value::Integer(content.time),
                    Value::Integer(content.severity),
                    Value::Integer(content.event),
                    Value::Integer(content.producer),
                    Value::Integer(content.session),
                ],
                None => [Value::Null; 6],
            });
        }
        match pen.entries.len() {
            ENTRIES_AT_ONCE => self.run_each(&INSERT_ENTRIES, values.len(), &values)?,
            _ => self.run_each(INSERT_ENTRY, COLUMNS, &values)?,
        }
        drop(values);
        pen.entries.clear();
        Ok(())
    }

    fn put_log(&mut self, pen: &Pen<'_>, row: &LogRow) -> Result<u64, Unwritten> {
        if pen.written.end.place != 1 {
            return Err(refused("a log is made once, and first"));
        }
        if pen.loading {
            self.keep_log_row(row)?;
            return Ok(1);
        }
        let values = [Value::Blob(&row.id), Value::Text(&row.origin), Value::Text(&row.created)];
        self.run("INSERT INTO log VALUES (?, ?, ?)", &values)?;
        Ok(1)
    }

    fn put_stream(&mut self, pen: &mut Pen<'_>, row: &StreamRow) -> Result<u64, Unwritten> {
        let id = pen.written.end.place;
        let number = match self.find_stream(&mut pen.written, &row.name)? {
            Some(place) => pen.written.streams[place].number,
            None => {
                let number = self.next("SELECT max(number) FROM stream")?;
                self.run(
                    "INSERT INTO stream VALUES (?, ?, ?)",
                    &[stored(number)?, Value::Text(&row.name), stored(id)?],
                )?;
                let number = number as i64;
                pen.written.remember(&row.name, Touched { number, entries: 0 });
                number
            }
        };
        let key = row.rules.suite.key_id();
        let values = [
            stored(id)?,
            Value::Integer(number),
            Value::Text(row.rules.tier.as_str()),
            Value::Text(row.rules.suite.name()),
            key.as_ref().map_or(Value::Null, |key| Value::Blob(&key.0)),
            Value::Text(row.rules.sign.as_str()),
            text_or_null(row.rules.description.as_deref()),
            Value::Text(&row.created),
            text_or_null(row.deprecated.as_deref()),
        ];
        self.run("INSERT INTO stream_rules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", &values)?;
        self.run("UPDATE stream SET rules = ? WHERE number = ?", &[stored(id)?, Value::Integer(number)])?;
        Ok(id)
    }

    fn put_data_key(&mut self, pen: &mut Pen<'_>, row: &DataKeyRow) -> Result<u64, Unwritten> {
        let id = pen.written.end.place;
        let stream = self.touched_number(pen, &row.stream)?;
        let values = [
            stored(id)?,
            Value::Blob(&row.id.0),
            Value::Integer(stream),
            stored(row.first)?,
            Value::Text(&row.kek),
            Value::Text(&row.alg),
            Value::Blob(&row.wrapped),
            Value::Text(&row.created),
        ];
        self.run("INSERT INTO data_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", &values)?;
        Ok(id)
    }

    fn put_signature(&mut self, pen: &Pen<'_>, row: &SignatureRow) -> Result<u64, Unwritten> {
        let id = pen.written.end.place;
        let (kind, subject) = subject(row.of);
        let values = [
            stored(id)?,
            Value::Integer(kind),
            stored(subject)?,
            Value::Text(&row.identity),
            Value::Text(&row.alg),
            Value::Blob(&row.key),
            Value::Blob(&row.sig),
        ];
        self.run("INSERT INTO signature VALUES (?, ?, ?, ?, ?, ?, ?)", &values)?;
        Ok(id)
    }

    fn put_segment(&mut self, pen: &mut Pen<'_>, row: &SegmentRow) -> Result<u64, Unwritten> {
        if row.id != pen.written.end.segments + 1 {
            return Err(refused(format!("segment {} and not {}", row.id, pen.written.end.segments + 1)));
        }
        // Its entries are counted.
        self.flush(pen)?;
        let number = self.touched_number(pen, &row.stream)?;
        let values = [
            stored(row.id)?,
            Value::Integer(number),
            stored(row.first)?,
            stored(row.last)?,
            stored(row.count)?,
            Value::Blob(&row.root.0),
            Value::Blob(&row.last_hash.0),
            Value::Blob(&row.prev.0),
            Value::Text(&row.boot),
            Value::Text(&row.session),
            Value::Blob(&row.policy.0),
            Value::Text(&row.closed),
            stored(self.ordinal(number, row.first)?)?,
        ];
        self.run("INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &values)?;
        pen.written.end.segments = row.id;
        Ok(row.id)
    }

    fn put_witness(&mut self, pen: &Pen<'_>, row: &WitnessRow) -> Result<u64, Unwritten> {
        let id = pen.written.end.place;
        let values = [
            stored(id)?,
            stored(row.size)?,
            Value::Text(&row.name),
            Value::Text(&row.at),
            Value::Text(row.result.as_str()),
            Value::Text(&row.detail),
        ];
        self.run("INSERT INTO witness VALUES (?, ?, ?, ?, ?, ?)", &values)?;
        Ok(id)
    }

    fn put_head(&mut self, pen: &mut Pen<'_>, row: &HeadRow) -> Result<(), Unwritten> {
        if row.size != pen.written.end.size {
            return Err(refused(format!("a head of size {} and not {}", row.size, pen.written.end.size)));
        }
        self.flush(pen)?;
        pen.written.end.heads += 1;
        // A signature line is a line.
        let sigs = row.sigs.join("\n");
        let values = [
            stored(pen.written.end.heads)?,
            stored(pen.written.end.place)?,
            stored(row.size)?,
            Value::Blob(&row.root.0),
            Value::Text(&sigs),
        ];
        self.run("INSERT INTO head VALUES (?, ?, ?, ?, ?)", &values)?;
        pen.written.end.root = Some(row.root);
        Ok(())
    }

    pub(crate) fn put_nodes(&mut self, nodes: &[Node]) -> Result<(), StoreError> {
        const COLUMNS: usize = 4;
        let mut values = Vec::with_capacity(nodes.len() * COLUMNS);
        for node in nodes {
            values.extend([
                stored(tree_number(node.id.tree))?,
                Value::Integer(node.id.level.into()),
                stored(node.id.index)?,
                Value::Blob(&node.hash.0),
            ]);
        }
        let sql = "INSERT INTO node VALUES (?, ?, ?, ?)";
        self.run_each(sql, COLUMNS, &values)
    }

    /// Inserts rows in the order of the table: each of its pages is then looked for, filled and left once, where rows in the
    /// order of entries would come back to most of them.
    pub(crate) fn put_index(&mut self, rows: &[IndexRow]) -> Result<(), StoreError> {
        const COLUMNS: usize = 2;
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        let mut values = Vec::with_capacity(rows.len() * COLUMNS);
        for row in &rows {
            values.extend([Value::Blob(&row.key.0), stored(row.seqno)?]);
        }
        let (together, rest) = values.split_at(values.len() - values.len() % (KEYS_AT_ONCE * COLUMNS));
        // Most commits bring few rows or none, and a call may lead into another component.
        if !together.is_empty() {
            self.run_each(&INSERT_KEYS, KEYS_AT_ONCE * COLUMNS, together)?;
        }
        if rest.is_empty() { Ok(()) } else { self.run_each(INSERT_KEY, COLUMNS, rest) }
    }

    fn touched_number(&mut self, pen: &mut Pen<'_>, name: &str) -> Result<i64, Unwritten> {
        let place = self.touch(&mut pen.written, name)?;
        Ok(pen.written.streams[place].number)
    }

    /// The stream of this name, which a record made before.
    fn touch(&mut self, written: &mut Written, name: &str) -> Result<usize, Unwritten> {
        self.find_stream(written, name)?.ok_or_else(|| refused("no record made the stream before"))
    }

    fn find_stream(&mut self, written: &mut Written, name: &str) -> Result<Option<usize>, StoreError> {
        if let Some(place) = written.named.get(name) {
            return Ok(Some(*place));
        }
        let Some(number) = self.stream_number(name)? else { return Ok(None) };
        let entries = self.ordinal(number, u64::MAX)?;
        Ok(Some(written.remember(name, Touched { number, entries })))
    }

    /// The number that stands for a word, which is made where there is none.
    pub(crate) fn word(&mut self, word: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.words.get(word) {
            return Ok(*id);
        }
        let id = match self.find_word(word)? {
            Some(id) => id,
            None => {
                let id = self.next("SELECT max(id) FROM word")? as i64;
                self.run("INSERT INTO word VALUES (?, ?)", &[Value::Integer(id), Value::Text(word)])?;
                id
            }
        };
        if self.words.len() >= MAX_WORDS {
            self.words.clear();
        }
        self.words.insert(word.into(), id);
        Ok(id)
    }

    pub(crate) fn find_word(&mut self, word: &str) -> Result<Option<i64>, StoreError> {
        self.one("word", "SELECT id FROM word WHERE value = ?", &[Value::Text(word)], |row| row.integer(0))
    }

    /// The number after the largest one.
    fn next(&mut self, largest: &'static str) -> Result<u64, StoreError> {
        let largest = self.one("a table", largest, &[], |row| row.optional_number(0))?.flatten();
        Ok(largest.unwrap_or(0).saturating_add(1))
    }
}

/// What belongs to a name, if it is not that of the last time.
fn lookup<'c, T: Copy, E>(
    recent: &mut Option<(&'c str, T)>,
    name: &'c str,
    find: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, E> {
    match *recent {
        Some((last, found)) if last == name => Ok(found),
        _ => {
            let found = find(name)?;
            *recent = Some((name, found));
            Ok(found)
        }
    }
}

/// Why a record was not written.
enum Unwritten {
    /// It breaks the contract.
    Refused(Refused),
    Failed(StoreError),
}

impl From<Refused> for Unwritten {
    fn from(refused: Refused) -> Unwritten {
        Unwritten::Refused(refused)
    }
}

impl From<StoreError> for Unwritten {
    fn from(error: StoreError) -> Unwritten {
        Unwritten::Failed(error)
    }
}

fn refused(detail: impl Into<String>) -> Unwritten {
    Unwritten::Refused(Refused(detail.into()))
}
