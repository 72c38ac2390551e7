//! Reading all records in the order in which they were committed.
//!
//! A head ends a commit, and knows its place. What else is no entry has one in the table `record`, and entries fill the places
//! that are left. Heads, records and entries are read a page at a time, each, and put together here.

use std::collections::{HashMap, VecDeque};

use secure_log::record::{DataKeyRow, HeadRow, Record, SegmentRow, SignatureRow, StreamRow, WitnessRow};
use secure_log::store::StoreError;
use secure_log_sql::record::{content_of, data_key, entry, head, segment, signature, stream, witness};
use secure_log_sql::tables::{kind, missing, nothing_named};
use secure_log_sql::{bound, columns};

use crate::connection::{Answer, Call};
use crate::failure::Failed;
use crate::insert::End;
use crate::read::segments;
use crate::row::{Cells, Row};
use crate::tables::{Tables, rows};

/// Heads, records and entries of a page.
const HEADS: usize = 512;
const RECORDS: usize = 1024;
const ENTRIES: u64 = 4096;
/// Bytes of its entries.
const BYTES: usize = 1 << 20;
/// What a record that is no entry counts.
const OTHER_BYTES: usize = 256;

/// The last head up to a place, and how many records stand behind it up to there. The aggregate is of one row or none.
const BEFORE: &str = "SELECT b.number, b.place, b.size,
        (SELECT count(*) FROM secure_log.record r WHERE r.log = $1 AND r.place <= $2 AND r.place > b.place)
    FROM (
        SELECT coalesce(max(h.number), 0) AS number, coalesce(max(h.place), 0) AS place, coalesce(max(h.size), 0) AS size
        FROM (SELECT number, place, size FROM secure_log.head WHERE log = $1 AND place <= $2
            ORDER BY place DESC LIMIT 1) h
    ) b";
const NEXT_HEADS: &str = "SELECT number, place, size, root, sigs FROM secure_log.head WHERE log = $1 AND place > $2
    ORDER BY place LIMIT $3";
const NEXT_RECORDS: &str = "SELECT place, kind, id FROM secure_log.record WHERE log = $1 AND place > $2
    ORDER BY place LIMIT $3";
const NEXT_ENTRIES: &str = "SELECT p.seqno, s.name, p.hash, p.bytes, p.time, p.severity, v.value, w.value, x.value
    FROM (
        SELECT e.*, CAST(sum(coalesce(octet_length(e.bytes), 0)) OVER (ORDER BY e.seqno) AS BIGINT) AS total
        FROM (SELECT * FROM secure_log.entry WHERE log = $1 AND seqno >= $2 ORDER BY seqno LIMIT $3) e
    ) p JOIN secure_log.stream s ON s.log = p.log AND s.number = p.stream
    LEFT JOIN secure_log.word v ON v.log = p.log AND v.id = p.event
    LEFT JOIN secure_log.word w ON w.log = p.log AND w.id = p.producer
    LEFT JOIN secure_log.word x ON x.log = p.log AND x.id = p.session
    WHERE p.total - coalesce(octet_length(p.bytes), 0) < $4 ORDER BY p.seqno";

const STREAMS: &str = "SELECT r.id, s.name, r.tier, r.suite, r.key, r.sign, r.description, r.created, r.deprecated
    FROM secure_log.stream_rules r JOIN secure_log.stream s ON s.log = r.log AND s.number = r.stream
    WHERE r.log = $1 AND r.id = ANY($2)";
const DATA_KEYS: &str = "SELECT k.name, s.name, k.first, k.kek, k.alg, k.wrapped, k.created, k.id
    FROM secure_log.data_key k JOIN secure_log.stream s ON s.log = k.log AND s.number = k.stream
    WHERE k.log = $1 AND k.id = ANY($2)";
const SIGNATURES: &str = "SELECT kind, subject, identity, alg, key, sig, id FROM secure_log.signature
    WHERE log = $1 AND id = ANY($2)";
const WITNESSES: &str =
    "SELECT size, name, at, outcome, detail, id FROM secure_log.witness WHERE log = $1 AND id = ANY($2)";

/// Where a scan is: so many records were passed, and so many bytes may still be shown.
pub(crate) struct Position {
    pub(crate) place: u64,
    pub(crate) left: usize,
}

/// The records from a place on, up to another one, but for the entries.
struct Page {
    heads: VecDeque<(u64, HeadRow)>,
    records: VecDeque<(u64, i64, i64)>,
    /// The last place of which it is known what stands there.
    last: u64,
    /// The next entry.
    seqno: u64,
}

/// A record that is no entry and no head.
enum Other {
    Stream(StreamRow),
    DataKey(DataKeyRow),
    Signature(SignatureRow),
    Segment(SegmentRow),
    Witness(WitnessRow),
}

/// Such records by their kinds and ids.
type Others = HashMap<(i64, i64), Other>;

impl Tables<'_> {
    /// See [`secure_log::store::SecureLogStore::scan`]. The cursor is how many records were passed.
    pub(crate) fn scan_from(
        &mut self,
        at: &mut Position,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<Option<u64>, Failed> {
        let end = self.end()?;
        while at.left > 0 && at.place < end.place {
            let page = self.page_behind(at.place, &end)?;
            self.show(page, at, visit)?;
        }
        Ok((at.place < end.place).then_some(at.place))
    }

    /// What stands behind a place, but for the entries.
    fn page_behind(&mut self, place: u64, end: &End) -> Result<Page, Failed> {
        let (log, cursor, many_heads, many_records) = (self.log, bound(place), HEADS as i64, RECORDS as i64);
        let answers = self.connection.send(&[
            Call::Statement(BEFORE, vec![&log, &cursor]),
            Call::Statement(NEXT_HEADS, vec![&log, &cursor, &many_heads]),
            Call::Statement(NEXT_RECORDS, vec![&log, &cursor, &many_records]),
        ])?;
        let before =
            rows("head", &answers[0], |row| Ok((row.number(0)?, row.number(1)?, row.number(2)?, row.number(3)?)))?;
        let (mut number, head_place, size, others) = before.first().copied().unwrap_or_default();
        let heads: VecDeque<_> = rows("head", &answers[1], |row| {
            number += 1;
            if row.number(0)? != number {
                return Err(missing("the head with number", number));
            }
            Ok((row.number(1)?, head(&row, 2)?))
        })?
        .into();
        let records: VecDeque<_> =
            rows("record", &answers[2], |row| Ok((row.number(0)?, row.integer(1)?, row.integer(2)?)))?.into();
        let mut last = end.place;
        if heads.len() == HEADS {
            last = last.min(heads[HEADS - 1].0);
        }
        if records.len() == RECORDS {
            last = last.min(records[RECORDS - 1].0);
        }
        let entries = place.saturating_sub(head_place).saturating_sub(others);
        Ok(Page { heads, records, last, seqno: size.saturating_add(entries).saturating_add(1) })
    }

    /// Shows the records of a page, as far as entries were read.
    fn show(&mut self, mut page: Page, at: &mut Position, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), Failed> {
        page.heads.retain(|(place, _)| *place <= page.last);
        page.records.retain(|(place, ..)| *place <= page.last);
        let others = (page.heads.len() + page.records.len()) as u64;
        let wanted = (page.last - at.place).saturating_sub(others).min(ENTRIES);
        let (entries, mut found) = self.read_page(&page, wanted, at.left)?;
        let mut entries = entries.rows.iter();
        let begun = at.place;
        while at.left > 0 && at.place < page.last {
            let place = at.place + 1;
            if let Some((_, head)) = page.heads.pop_front_if(|(head, _)| *head == place) {
                visit(Record::Head(&head));
                at.left = at.left.saturating_sub(OTHER_BYTES);
            } else if let Some((_, kind, id)) = page.records.pop_front_if(|(record, ..)| *record == place) {
                self.show_other(kind, found.remove(&(kind, id)), visit)?;
                at.left = at.left.saturating_sub(OTHER_BYTES);
            } else {
                let Some(values) = entries.next() else {
                    // Those that were read were fewer than were wanted, unless there was none to read.
                    return if at.place > begun {
                        Ok(())
                    } else {
                        Err(missing("the entry with seqno", page.seqno).into())
                    };
                };
                let row = Row { table: "entry", values: Cells(values) };
                if row.number(0)? != page.seqno {
                    return Err(missing("the entry with seqno", page.seqno).into());
                }
                let record = entry(&row, row.text(1)?)?;
                columns::check(&row, &record, 4)?;
                let weight = 64 + content_of(&record);
                visit(record);
                page.seqno += 1;
                at.left = at.left.saturating_sub(weight);
            }
            at.place = place;
        }
        Ok(())
    }

    /// The entries of a page, and its other records by their kinds and ids.
    fn read_page(&mut self, page: &Page, entries: u64, left: usize) -> Result<(Answer, Others), Failed> {
        let ids = |wanted: i64| -> Vec<i64> {
            page.records.iter().filter(|(_, kind, _)| *kind == wanted).map(|(.., id)| *id).collect()
        };
        let (log, seqno, at_most, bytes) = (self.log, bound(page.seqno), bound(entries), left.min(BYTES) as i64);
        let kinds = [
            (kind::STREAM, STREAMS, ids(kind::STREAM)),
            (kind::DATA_KEY, DATA_KEYS, ids(kind::DATA_KEY)),
            (kind::SIGNATURE, SIGNATURES, ids(kind::SIGNATURE)),
            (kind::SEGMENT, segments!("g.id = ANY($2)"), ids(kind::SEGMENT)),
            (kind::WITNESS, WITNESSES, ids(kind::WITNESS)),
        ];
        let mut calls = vec![Call::Statement(NEXT_ENTRIES, vec![&log, &seqno, &at_most, &bytes])];
        let asked: Vec<_> = kinds.iter().filter(|(.., ids)| !ids.is_empty()).collect();
        calls.extend(asked.iter().map(|(_, sql, ids)| Call::Statement(sql, vec![&log, ids])));
        let mut answers = self.connection.send(&calls)?.into_iter();
        let entries = answers.next().unwrap_or_default();
        let mut found = HashMap::new();
        for ((kind, ..), answer) in asked.into_iter().zip(answers) {
            for (id, other) in rows("record", &answer, |row| other(*kind, &row))? {
                found.insert((*kind, id), other);
            }
        }
        Ok((entries, found))
    }

    fn show_other(&mut self, kind: i64, found: Option<Other>, visit: &mut dyn FnMut(Record<'_>)) -> Result<(), Failed> {
        match found {
            Some(Other::Stream(row)) => visit(Record::Stream(&row)),
            Some(Other::DataKey(row)) => visit(Record::DataKey(&row)),
            Some(Other::Signature(row)) => visit(Record::Signature(&row)),
            Some(Other::Segment(row)) => visit(Record::Segment(&row)),
            Some(Other::Witness(row)) => visit(Record::Witness(&row)),
            // One that was dropped is passed over, and so is a witness's answer.
            None if kind == kind::DATA_KEY || kind == kind::WITNESS => {}
            None if kind == kind::LOG => {
                let row = self.read_log()?.ok_or_else(nothing_named)?;
                visit(Record::Log(&row));
            }
            None => return Err(nothing_named().into()),
        }
        Ok(())
    }
}

/// A row of this kind, and its id.
fn other(kind: i64, row: &Row<'_>) -> Result<(i64, Other), StoreError> {
    Ok(match kind {
        kind::STREAM => (row.integer(0)?, Other::Stream(stream(row, row.text(1)?, 2)?)),
        kind::DATA_KEY => (row.integer(7)?, Other::DataKey(data_key(row)?)),
        kind::SIGNATURE => (row.integer(6)?, Other::Signature(signature(row)?)),
        kind::SEGMENT => (row.integer(0)?, Other::Segment(segment(row)?)),
        _ => (row.integer(5)?, Other::Witness(witness(row)?)),
    })
}
