//! What a commit puts into the tables: columns of what there is much of, and rows of the rest. Nothing here talks to a server.

use secure_log::hash::Hash;
use secure_log::index::IndexRow;
use secure_log::record::{DataKeyRow, HeadRow, LogRow, Record, SegmentRow, SignatureRow, StreamRow, WitnessRow};
use secure_log::store::{Node, StoreError};
use secure_log_sql::content::{Content, Refused, refused};
use secure_log_sql::tables::{BLOCK, kind, subject, tree_number};
use secure_log_sql::{line, stored};
use tokio_postgres::types::ToSql;

use crate::connection::Call;
use crate::insert::{Known, Stream};
use crate::pending::Pending;
use crate::row::Octets;

/// Entries of one statement: at most so many, and so many bytes and one entry.
const ENTRIES_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 8 << 20;

const INSERT_WORDS: &str = "INSERT INTO secure_log.word (log, id, value)
    SELECT $1::BIGINT, w.id, w.value FROM unnest($2::BIGINT[], $3::TEXT[]) AS w (id, value)";
const INSERT_ENTRIES: &str =
    "INSERT INTO secure_log.entry (log, seqno, stream, hash, bytes, time, severity, event, producer, session)
    SELECT $1::BIGINT, e.seqno, e.stream, e.hash, e.bytes, e.time, e.severity, e.event, e.producer, e.session
    FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BYTEA[], $5::BYTEA[], $6::BIGINT[], $7::BIGINT[], $8::BIGINT[],
        $9::BIGINT[], $10::BIGINT[]) AS e (seqno, stream, hash, bytes, time, severity, event, producer, session)";
const INSERT_WAYPOINTS: &str = "INSERT INTO secure_log.waypoint (log, stream, block, seqno)
    SELECT $1::BIGINT, w.stream, w.block, w.seqno
    FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[]) AS w (stream, block, seqno)";
const INSERT_RECORDS: &str = "INSERT INTO secure_log.record (log, place, kind, id)
    SELECT $1::BIGINT, r.place, r.kind, r.id
    FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[]) AS r (place, kind, id)";
const INSERT_NODES: &str = "INSERT INTO secure_log.node (log, tree, level, at, hash)
    SELECT $1::BIGINT, n.tree, n.level, n.at, n.hash
    FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[]) AS n (tree, level, at, hash)";
const INSERT_KEYS: &str = "INSERT INTO secure_log.entry_key (log, key, seqno)
    SELECT $1::BIGINT, k.key, k.seqno FROM unnest($2::BYTEA[], $3::BIGINT[]) AS k (key, seqno)";

const MAKE_LOG: &str = "UPDATE secure_log.log SET id = $2, origin = $3, created = $4 WHERE number = $1";
const KEEP_LOG: &str = "UPDATE secure_log.log SET loading = $2 WHERE number = $1";
const INSERT_STREAM: &str = "INSERT INTO secure_log.stream (log, number, name, rules) VALUES ($1, $2, $3, $4)";
const INSERT_RULES: &str = "INSERT INTO secure_log.stream_rules
        (log, id, stream, tier, suite, key, sign, description, created, deprecated)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const CHANGE_RULES: &str = "UPDATE secure_log.stream SET rules = $3 WHERE log = $1 AND number = $2";
const INSERT_DATA_KEY: &str =
    "INSERT INTO secure_log.data_key (log, id, name, stream, first, kek, alg, wrapped, created)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const INSERT_SIGNATURE: &str = "INSERT INTO secure_log.signature (log, id, kind, subject, identity, alg, key, sig)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// How many entries of the stream stand before the segment's first is counted where they are.
const INSERT_SEGMENT: &str = "INSERT INTO secure_log.segment
        (log, id, stream, first, last, count, root, last_hash, prev, boot, session, policy, closed, ordinal)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, coalesce((
        SELECT w.block * 256 + (SELECT count(*) FROM secure_log.entry e
            WHERE e.log = w.log AND e.stream = w.stream AND e.seqno >= w.seqno AND e.seqno < $4)
        FROM secure_log.waypoint w WHERE w.log = $1 AND w.stream = $3 AND w.seqno <= $4
        ORDER BY w.seqno DESC LIMIT 1), 0))";
const INSERT_WITNESS: &str = "INSERT INTO secure_log.witness (log, id, size, name, at, outcome, detail)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const INSERT_HEAD: &str = "INSERT INTO secure_log.head (log, number, place, size, root, sigs, attempt)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// The rows of a commit, and what is known of the log once they are stored.
pub(crate) struct Rows<'c> {
    pub(crate) known: Known,
    words: (Vec<i64>, Vec<String>),
    entries: Vec<Entries<'c>>,
    waypoints: [Vec<i64>; 3],
    records: [Vec<i64>; 3],
    nodes: ([Vec<i64>; 3], Vec<Octets<32>>),
    keys: (Vec<Octets<16>>, Vec<i64>),
    others: Vec<Other<'c>>,
    loading: bool,
}

/// Columns of entries.
#[derive(Default)]
struct Entries<'c> {
    seqno: Vec<i64>,
    stream: Vec<i64>,
    hash: Vec<Octets<32>>,
    bytes: Vec<Option<&'c [u8]>>,
    time: Vec<Option<i64>>,
    severity: Vec<Option<i64>>,
    words: [Vec<Option<i64>>; 3],
    length: usize,
}

/// A row of which there are few, behind the number of the log.
struct Other<'c> {
    sql: &'static str,
    values: Vec<Box<dyn ToSql + Sync + 'c>>,
    /// The number of the attempt stands last.
    is_head: bool,
}

macro_rules! other {
    ($rows:expr, $sql:expr, [$($value:expr),* $(,)?]) => {
        $rows.others.push(Other { sql: $sql, values: vec![$(Box::new($value)),*], is_head: false })
    };
}

impl<'c> Rows<'c> {
    /// Those of a commit behind what is known, or of a part of a log that is loaded.
    pub(crate) fn of(pending: &Pending<'c>, known: Known, loading: bool) -> Result<Rows<'c>, StoreError> {
        let mut rows = Rows {
            known,
            words: Default::default(),
            entries: Vec::new(),
            waypoints: Default::default(),
            records: Default::default(),
            nodes: Default::default(),
            keys: Default::default(),
            others: Vec::new(),
            loading,
        };
        let mut contents = pending.entries.iter();
        for (number, record) in (1..).zip(pending.commit.records()) {
            rows.put(record, &mut contents).map_err(|refused| refused.at(number))?;
        }
        if pending.commit.head().is_none() {
            let at = "the end of the commit".into();
            return Err(StoreError::Corrupt { at, detail: "no head stands there".into() });
        }
        rows.put_nodes(&pending.commit.nodes)?;
        rows.put_index(&pending.commit.index)?;
        Ok(rows)
    }

    /// The statements that store them.
    pub(crate) fn calls<'s>(&'s self, log: &'s i64, attempt: &'s Octets<16>) -> Vec<Call<'s>> {
        let mut calls = Vec::new();
        let (ids, words) = &self.words;
        if !ids.is_empty() {
            calls.push(Call::Statement(INSERT_WORDS, vec![log, ids, words]));
        }
        for part in &self.entries {
            let [event, producer, session] = &part.words;
            calls.push(Call::Statement(
                INSERT_ENTRIES,
                vec![
                    log,
                    &part.seqno,
                    &part.stream,
                    &part.hash,
                    &part.bytes,
                    &part.time,
                    &part.severity,
                    event,
                    producer,
                    session,
                ],
            ));
        }
        for (sql, [first, second, third]) in [(INSERT_WAYPOINTS, &self.waypoints), (INSERT_RECORDS, &self.records)] {
            if !first.is_empty() {
                calls.push(Call::Statement(sql, vec![log, first, second, third]));
            }
        }
        let ([trees, levels, places], hashes) = &self.nodes;
        if !hashes.is_empty() {
            calls.push(Call::Statement(INSERT_NODES, vec![log, trees, levels, places, hashes]));
        }
        let (keys, seqnos) = &self.keys;
        if !keys.is_empty() {
            calls.push(Call::Statement(INSERT_KEYS, vec![log, keys, seqnos]));
        }
        for other in &self.others {
            let mut values: Vec<&(dyn ToSql + Sync)> = vec![log];
            values.extend(other.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value }));
            if other.is_head {
                values.push(attempt);
            }
            calls.push(Call::Statement(other.sql, values));
        }
        calls
    }

    fn put<'p>(
        &mut self,
        record: Record<'c>,
        contents: &mut impl Iterator<Item = &'p Content<'c>>,
    ) -> Result<(), Refused>
    where
        'c: 'p,
    {
        self.known.end.place += 1;
        let (kind, id) = match record {
            Record::Entry(row) => {
                let content = contents.next().ok_or_else(|| refused("the commit has changed"))?;
                return self.put_entry(row.seqno, row.stream, row.hash, Some((row.bytes, content)));
            }
            Record::Pruned(row) => return self.put_entry(row.seqno, row.stream, row.hash, None),
            Record::Head(row) => return self.put_head(row),
            Record::Log(row) => (kind::LOG, self.put_log(row)?),
            Record::Stream(row) => (kind::STREAM, self.put_stream(row)?),
            Record::DataKey(row) => (kind::DATA_KEY, self.put_data_key(row)?),
            Record::Signature(row) => (kind::SIGNATURE, self.put_signature(row)?),
            Record::Segment(row) => (kind::SEGMENT, self.put_segment(row)?),
            Record::Witness(row) => (kind::WITNESS, self.put_witness(row)?),
            Record::Unknown(row) => return Err(Refused(row.to_string())),
        };
        let place = self.place()?;
        for (column, value) in self.records.iter_mut().zip([place, kind, id]) {
            column.push(value);
        }
        Ok(())
    }

    fn put_entry(
        &mut self,
        seqno: u64,
        name: &'c str,
        hash: Hash,
        content: Option<(&'c [u8], &Content<'c>)>,
    ) -> Result<(), Refused> {
        if seqno != self.known.end.size + 1 {
            return Err(Refused(format!("seqno {seqno} and not {}", self.known.end.size + 1)));
        }
        self.known.end.size += 1;
        let words = match &content {
            Some((_, content)) => content.words.map(|word| Some(self.word(word))),
            None => [None; 3],
        };
        let stream = self.known.streams.get_mut(name).ok_or_else(no_stream)?;
        let Stream { number, entries: ordinal } = *stream;
        stream.entries += 1;
        if ordinal % BLOCK == 0 {
            let values = [number, stored(ordinal / BLOCK)?, stored(seqno)?];
            for (column, value) in self.waypoints.iter_mut().zip(values) {
                column.push(value);
            }
        }
        let length = content.as_ref().map_or(0, |(bytes, _)| bytes.len());
        let is_full = |part: &Entries<'_>| part.seqno.len() >= ENTRIES_AT_ONCE || part.length + length > BYTES_AT_ONCE;
        if self.entries.last().is_none_or(is_full) {
            self.entries.push(Entries::default());
        }
        let part = self.entries.last_mut().expect("one was just made");
        part.length += length;
        part.seqno.push(stored(seqno)?);
        part.stream.push(number);
        part.hash.push(Octets(hash.0));
        part.bytes.push(content.as_ref().map(|(bytes, _)| *bytes));
        part.time.push(content.as_ref().map(|(_, content)| content.time));
        part.severity.push(content.as_ref().map(|(_, content)| content.severity));
        for (column, word) in part.words.iter_mut().zip(words) {
            column.push(word);
        }
        Ok(())
    }

    /// The number that stands for a word, which is made where there is none.
    fn word(&mut self, word: &str) -> i64 {
        if let Some(id) = self.known.words.get(word) {
            return *id;
        }
        self.known.end.words += 1;
        let id = self.known.end.words;
        self.known.words.insert(word.into(), id);
        self.words.0.push(id);
        self.words.1.push(word.into());
        id
    }

    fn put_log(&mut self, row: &'c LogRow) -> Result<i64, Refused> {
        if self.known.end.place != 1 {
            return Err(refused("a log is made once, and first"));
        }
        if self.loading {
            self.known.end.loading = true;
            // It waits as a line until the log is whole.
            let line = line::of(&Record::Log(row)).map_err(|error| Refused(error.to_string()))?;
            other!(self, KEEP_LOG, [line]);
        } else {
            self.known.end.is_log = true;
            other!(self, MAKE_LOG, [&row.id[..], &*row.origin, &*row.created]);
        }
        Ok(1)
    }

    fn put_stream(&mut self, row: &'c StreamRow) -> Result<i64, Refused> {
        let id = self.place()?;
        let number = match self.known.streams.get(&row.name) {
            Some(stream) => {
                other!(self, CHANGE_RULES, [stream.number, id]);
                stream.number
            }
            None => {
                self.known.end.streams += 1;
                let number = self.known.end.streams;
                other!(self, INSERT_STREAM, [number, &*row.name, id]);
                self.known.streams.insert(row.name.clone(), Stream { number, entries: 0 });
                number
            }
        };
        let rules = &row.rules;
        other!(
            self,
            INSERT_RULES,
            [
                id,
                number,
                rules.tier.as_str(),
                rules.suite.name(),
                rules.suite.key_id().map(|key| key.0.to_vec()),
                rules.sign.as_str(),
                rules.description.as_deref(),
                &*row.created,
                row.deprecated.as_deref(),
            ]
        );
        Ok(id)
    }

    fn put_data_key(&mut self, row: &'c DataKeyRow) -> Result<i64, Refused> {
        let (id, stream) = (self.place()?, self.stream(&row.stream)?);
        other!(
            self,
            INSERT_DATA_KEY,
            [id, &row.id.0[..], stream, stored(row.first)?, &*row.kek, &*row.alg, &row.wrapped[..], &*row.created]
        );
        Ok(id)
    }

    fn put_signature(&mut self, row: &'c SignatureRow) -> Result<i64, Refused> {
        let id = self.place()?;
        let (kind, subject) = subject(row.of);
        other!(
            self,
            INSERT_SIGNATURE,
            [id, kind, stored(subject)?, &*row.identity, &*row.alg, &row.key[..], &row.sig[..]]
        );
        Ok(id)
    }

    fn put_segment(&mut self, row: &'c SegmentRow) -> Result<i64, Refused> {
        if row.id != self.known.end.segments + 1 {
            return Err(Refused(format!("segment {} and not {}", row.id, self.known.end.segments + 1)));
        }
        let (id, stream) = (stored(row.id)?, self.stream(&row.stream)?);
        other!(
            self,
            INSERT_SEGMENT,
            [
                id,
                stream,
                stored(row.first)?,
                stored(row.last)?,
                stored(row.count)?,
                &row.root.0[..],
                &row.last_hash.0[..],
                &row.prev.0[..],
                &*row.boot,
                &*row.session,
                &row.policy.0[..],
                &*row.closed,
            ]
        );
        self.known.end.segments = row.id;
        Ok(id)
    }

    fn put_witness(&mut self, row: &'c WitnessRow) -> Result<i64, Refused> {
        let id = self.place()?;
        other!(self, INSERT_WITNESS, [id, stored(row.size)?, &*row.name, &*row.at, row.result.as_str(), &*row.detail]);
        Ok(id)
    }

    fn put_head(&mut self, row: &'c HeadRow) -> Result<(), Refused> {
        if row.size != self.known.end.size {
            return Err(Refused(format!("a head of size {} and not {}", row.size, self.known.end.size)));
        }
        self.known.end.heads += 1;
        self.known.end.root = Some(row.root);
        let (number, place, size) = (stored(self.known.end.heads)?, self.place()?, stored(row.size)?);
        // A signature line is a line.
        other!(self, INSERT_HEAD, [number, place, size, &row.root.0[..], row.sigs.join("\n")]);
        if let Some(head) = self.others.last_mut() {
            head.is_head = true;
        }
        Ok(())
    }

    fn put_nodes(&mut self, nodes: &[Node]) -> Result<(), StoreError> {
        let (columns, hashes) = &mut self.nodes;
        for node in nodes {
            let values = [stored(tree_number(node.id.tree))?, node.id.level.into(), stored(node.id.index)?];
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
            hashes.push(Octets(node.hash.0));
        }
        Ok(())
    }

    /// In the order of the table, so that each of its pages is looked for once.
    fn put_index(&mut self, index: &[IndexRow]) -> Result<(), StoreError> {
        let mut index = index.to_vec();
        index.sort_unstable();
        for row in index {
            self.keys.0.push(Octets(row.key.0));
            self.keys.1.push(stored(row.seqno)?);
        }
        Ok(())
    }

    fn place(&self) -> Result<i64, StoreError> {
        stored(self.known.end.place)
    }

    /// The stream of this name, which a record made before.
    fn stream(&self, name: &str) -> Result<i64, Refused> {
        self.known.streams.get(name).map(|stream| stream.number).ok_or_else(no_stream)
    }
}

/// Stores hashes of trees that were computed anew.
pub(crate) fn node_calls<'s>(log: &'s i64, columns: &'s ([Vec<i64>; 3], Vec<Octets<32>>)) -> Call<'s> {
    let ([trees, levels, places], hashes) = columns;
    Call::Statement(INSERT_NODES, vec![log, trees, levels, places, hashes])
}

/// Stores rows of the index that were computed anew.
pub(crate) fn key_calls<'s>(log: &'s i64, columns: &'s (Vec<Octets<16>>, Vec<i64>)) -> Call<'s> {
    Call::Statement(INSERT_KEYS, vec![log, &columns.0, &columns.1])
}

fn no_stream() -> Refused {
    refused("no record made the stream before")
}
