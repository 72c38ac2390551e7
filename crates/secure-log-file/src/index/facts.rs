//! What filters ask of entries, column by column, for one block of entries at a time.
//!
//! A column of texts is a dictionary of the words that occur in the block, and for each entry the number of its word. So a block
//! without a word is passed over by its dictionary alone, and where it has the word, a byte or two an entry are compared.

use std::ops::Range;

use secure_log::jsonl::EntryFacts;
use secure_log::time::Timestamp;

use super::Salt;
use super::checksum::checksum;
use super::rows::{BlockAt, Row, WordsAt};

/// Entries of a block that is full.
pub(super) const MOST_ENTRIES: usize = 4096;
/// Bytes of a column's words with which a block is full, so that long words do not make a large one.
pub(super) const MOST_TEXT: usize = 256 << 10;
/// The columns of texts.
pub(super) const COLUMNS: usize = 4;
/// The place in a row's set of severities, and the number in the column, of an entry that is not there any more.
pub(crate) const PRUNED: u8 = 8;

/// A checksum stands behind each part of a block.
pub(super) const SUM: usize = 8;

/// Which column of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Stream,
    Event,
    Producer,
    Session,
}

/// A part of a block that is read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// For each entry how much later it is than the earliest one, in ticks.
    Times,
    Severities,
    /// The hash of each word of a dictionary.
    Hashes(Column),
    /// Where each word ends, and the words.
    Texts(Column),
    /// The number of each entry's word.
    Codes(Column),
}

/// The order in which the parts of a block stand.
pub(super) const PARTS: [Part; 2 + 3 * COLUMNS] = [
    Part::Times,
    Part::Severities,
    Part::Hashes(Column::Stream),
    Part::Codes(Column::Stream),
    Part::Texts(Column::Stream),
    Part::Hashes(Column::Event),
    Part::Codes(Column::Event),
    Part::Texts(Column::Event),
    Part::Hashes(Column::Producer),
    Part::Codes(Column::Producer),
    Part::Texts(Column::Producer),
    Part::Hashes(Column::Session),
    Part::Codes(Column::Session),
    Part::Texts(Column::Session),
];

impl BlockAt {
    /// The seqno of its last entry.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.count).saturating_sub(1)
    }

    pub(crate) fn words(&self, column: Column) -> WordsAt {
        [self.stream, self.event, self.producer, self.session][column as usize]
    }

    /// Bytes of each number of ticks.
    pub(crate) fn time_width(&self) -> usize {
        match self.latest.saturating_sub(self.earliest) {
            0 => 0,
            1..=0xffff_ffff => 4,
            _ => 8,
        }
    }

    /// Where a part stands in the file, and how long it is without its checksum.
    pub(super) fn part(&self, wanted: Part) -> (u64, usize) {
        let mut at = self.offset;
        for part in PARTS {
            let len = self.len_of(part);
            if part == wanted {
                return (at, len);
            }
            at += stored_len(len);
        }
        (at, 0)
    }

    fn len_of(&self, part: Part) -> usize {
        let count = self.count as usize;
        match part {
            Part::Times => count * self.time_width(),
            Part::Severities if self.severities.is_power_of_two() => 0,
            Part::Severities => count,
            Part::Hashes(column) => 4 * self.words(column).count as usize,
            Part::Texts(column) => 4 * self.words(column).count as usize + self.words(column).text as usize,
            Part::Codes(column) => count * self.words(column).width(),
        }
    }
}

impl WordsAt {
    /// Bytes of each number of a word.
    pub(crate) fn width(&self) -> usize {
        match self.count {
            0 | 1 => 0,
            2..=256 => 1,
            _ => 2,
        }
    }
}

/// What a part takes in the file; one that says nothing is not there.
fn stored_len(len: usize) -> u64 {
    if len == 0 { 0 } else { (len + SUM) as u64 }
}

/// An instant in steps of 32 ns, so that all of them have 64 bits. Later ones have no smaller number.
pub(crate) fn ticks(time: Timestamp) -> u64 {
    const IN_A_SECOND: u64 = 1_000_000_000 / 32;
    let seconds = time.unix_seconds().abs_diff(Timestamp::FIRST.unix_seconds());
    seconds * IN_A_SECOND + u64::from(time.subsec_nanos() / 32)
}

/// What a dictionary knows a word by. Different words may have one hash.
pub(crate) fn hash_of(word: &str, salt: &Salt) -> u32 {
    checksum(salt, 0, word.as_bytes()) as u32
}

/// A block that is being collected.
#[derive(Default)]
pub(super) struct Facts {
    times: Vec<u64>,
    severities: Vec<u8>,
    columns: [Words; COLUMNS],
    has_long_words: bool,
}

impl Facts {
    pub(super) fn len(&self) -> usize {
        self.severities.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= MOST_ENTRIES || self.has_long_words
    }

    /// Whether an entry is of the stream of the one before it.
    pub(super) fn stays_in(&self, stream: &str) -> bool {
        self.columns[Column::Stream as usize].goes_on_with(stream)
    }

    pub(super) fn push(&mut self, facts: &EntryFacts<'_>, salt: &Salt) {
        self.push_row(
            facts.time.map_or(0, ticks),
            facts.severity as u8,
            salt,
            [facts.stream, facts.event, facts.producer, facts.session],
        );
    }

    /// What stands for an entry of which no more than its place is asked.
    pub(super) fn push_pruned(&mut self, salt: &Salt) {
        self.push_row(0, PRUNED, salt, [""; COLUMNS]);
    }

    #[inline(always)]
    fn push_row(&mut self, time: u64, severity: u8, salt: &Salt, words: [&str; COLUMNS]) {
        let before = self.len();
        for (column, word) in self.columns.iter_mut().zip(words) {
            // Mostly the word is that of the entry before, and nothing is done.
            if !column.goes_on_with(word) {
                column.turn_to(word, before, salt);
                self.has_long_words |= column.texts.len() >= MOST_TEXT;
            }
        }
        self.times.push(time);
        self.severities.push(severity);
    }

    pub(super) fn clear(&mut self) {
        self.times.clear();
        self.severities.clear();
        self.columns.iter_mut().for_each(Words::clear);
        self.has_long_words = false;
    }

    /// Appends the block's bytes, which begin at `offset` of the file, and answers its row.
    pub(super) fn pack(&self, first: u64, offset: u64, salt: &Salt, out: &mut Vec<u8>) -> BlockAt {
        let there = || self.times.iter().zip(&self.severities).filter(|(_, severity)| **severity != PRUNED);
        let latest = there().map(|(time, _)| *time).max().unwrap_or(0);
        let [stream, event, producer, session] = self.columns.each_ref().map(Words::at);
        let block = BlockAt {
            first,
            count: self.len() as u32,
            offset,
            earliest: there().map(|(time, _)| *time).min().unwrap_or(0),
            latest,
            severities: self.severities.iter().fold(0, |set, severity| set | 1 << severity),
            stream,
            event,
            producer,
            session,
        };
        let start = out.len();
        for part in PARTS {
            let len = block.len_of(part);
            if len == 0 {
                continue;
            }
            let at = out.len();
            match part {
                Part::Times => {
                    let later = self.times.iter().map(|time| time.saturating_sub(block.earliest));
                    match block.time_width() {
                        // Of a pruned entry it is nothing, whatever its time is now.
                        4 => later.for_each(|later| (later as u32).put(out)),
                        _ => later.for_each(|later| later.put(out)),
                    }
                }
                Part::Severities => out.extend_from_slice(&self.severities),
                Part::Hashes(column) => self.columns[column as usize].hashes.iter().for_each(|hash| hash.put(out)),
                Part::Texts(column) => {
                    let words = &self.columns[column as usize];
                    words.ends.iter().for_each(|end| end.put(out));
                    out.extend_from_slice(&words.texts);
                }
                Part::Codes(column) => {
                    let words = &self.columns[column as usize];
                    let rest = std::iter::repeat_n(words.last, self.len() - words.codes.len());
                    let codes = words.codes.iter().copied().chain(rest);
                    match block.words(column).width() {
                        1 => out.extend(codes.map(|code| code as u8)),
                        _ => codes.for_each(|code| out.extend_from_slice(&code.to_le_bytes())),
                    }
                }
            }
            debug_assert_eq!(out.len() - at, len);
            let sum = checksum(salt, offset + (at - start) as u64, &out[at..]);
            sum.put(out);
        }
        block
    }
}

/// A column of texts.
#[derive(Default)]
struct Words {
    hashes: Vec<u32>,
    ends: Vec<u32>,
    texts: Vec<u8>,
    /// The number of each entry's word, up to the last one that has another word than the one before it.
    codes: Vec<u16>,
    /// Where words are by their hash: their number and one more, 0 where there is none.
    slots: Vec<u16>,
    /// The word of all entries behind those.
    last: u16,
    /// Where it stands among the texts.
    last_at: Range<usize>,
}

impl Words {
    /// Twice as many as there are words at most.
    const SLOTS: usize = 2 * MOST_ENTRIES;
    /// A word that is not found so near to its place is put down once more, so that nobody can choose words that take long.
    const MOST_STEPS: usize = 16;

    /// Whether an entry has the word of the one before it.
    #[inline(always)]
    fn goes_on_with(&self, word: &str) -> bool {
        self.texts[self.last_at.clone()] == *word.as_bytes() && !self.ends.is_empty()
    }

    /// Takes in that an entry behind so many has another word.
    fn turn_to(&mut self, word: &str, before: usize, salt: &Salt) {
        self.codes.resize(before, self.last);
        self.last = self.number(word, salt);
        self.last_at = self.place(self.last);
    }

    fn number(&mut self, word: &str, salt: &Salt) -> u16 {
        if self.slots.is_empty() {
            self.slots.resize(Self::SLOTS, 0);
        }
        let hash = hash_of(word, salt);
        let number = self.ends.len() as u16;
        for step in 0..Self::MOST_STEPS {
            let slot = (hash as usize).wrapping_add(step) % Self::SLOTS;
            match self.slots[slot].checked_sub(1) {
                Some(known) if self.hashes[usize::from(known)] == hash && self.text(known) == word.as_bytes() => {
                    return known;
                }
                Some(_) => {}
                None => {
                    self.slots[slot] = number + 1;
                    break;
                }
            }
        }
        self.texts.extend_from_slice(word.as_bytes());
        self.ends.push(self.texts.len() as u32);
        self.hashes.push(hash);
        number
    }

    fn text(&self, number: u16) -> &[u8] {
        &self.texts[self.place(number)]
    }

    fn place(&self, number: u16) -> Range<usize> {
        let number = usize::from(number);
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        start..self.ends[number] as usize
    }

    fn at(&self) -> WordsAt {
        WordsAt { count: self.ends.len() as u32, text: self.texts.len() as u32 }
    }

    fn clear(&mut self) {
        self.hashes.clear();
        self.ends.clear();
        self.texts.clear();
        self.codes.clear();
        self.slots.fill(0);
        (self.last, self.last_at) = (0, 0..0);
    }
}
