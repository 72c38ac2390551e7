//! Which entries of a block a filter may want, by their facts alone.

use secure_log::entry::Severity;
use secure_log::query::{Filter, Pattern};

use super::blocks::Block;
use super::facts::{Column, PRUNED, Part, hash_of, ticks};
use super::rows::Row;
use super::{Index, Trouble};
use crate::disk::DiskFile;

/// What a filter asks of facts.
pub(crate) struct Wanted<'f> {
    /// In ticks, both inclusive: an instant shares its tick with those beside it.
    since: u64,
    until: u64,
    has_time: bool,
    severity: Option<Severity>,
    columns: Vec<(Column, Words<'f>)>,
}

/// Which words of a column are wanted.
enum Words<'f> {
    Names(Vec<&'f str>),
    Patterns(&'f [Pattern]),
}

impl<'f> Wanted<'f> {
    pub(crate) fn of(filter: &'f Filter) -> Wanted<'f> {
        let mut columns = Vec::new();
        let exact = [(Column::Producer, &filter.producer), (Column::Session, &filter.session)];
        for (column, name) in exact {
            columns.extend(name.as_deref().map(|name| (column, Words::Names(vec![name]))));
        }
        for (column, patterns) in [(Column::Event, &filter.events), (Column::Stream, &filter.streams)] {
            columns.extend(Words::of_patterns(patterns).map(|words| (column, words)));
        }
        Wanted {
            since: filter.since.map_or(0, ticks),
            until: filter.before.map_or(u64::MAX, ticks),
            has_time: filter.since.is_some() || filter.before.is_some(),
            severity: filter.severity,
            columns,
        }
    }
}

impl Wanted<'_> {
    fn least(&self) -> u8 {
        self.severity.map_or(0, |severity| severity as u8)
    }
}

impl<'f> Words<'f> {
    fn of_patterns(patterns: &'f [Pattern]) -> Option<Words<'f>> {
        if patterns.is_empty() {
            return None;
        }
        let names: Option<Vec<&str>> = patterns.iter().map(Pattern::name).collect();
        Some(names.map_or(Words::Patterns(patterns), Words::Names))
    }
}

/// The entries of a block that may be wanted: those with a 1 at their place.
pub(crate) type Mask = Vec<u8>;

impl<F: DiskFile> Index<F> {
    /// The block that has the entry with this seqno.
    pub(crate) fn block(&mut self, seqno: u64) -> Result<Block, Trouble> {
        self.blocks.find(seqno, &self.state.salt)
    }

    /// Which entries of a block may be wanted, or `None` where none is.
    pub(crate) fn select(&self, block: &Block, wanted: &Wanted<'_>) -> Result<Option<Mask>, Trouble> {
        let at = &block.at;
        let there = at.severities & ((1 << PRUNED) - 1);
        let serious = there >> wanted.least() << wanted.least();
        if serious == 0 || at.latest < wanted.since || wanted.until < at.earliest {
            return Ok(None);
        }
        let mut selection = Selection { index: self, block, mask: vec![1; at.count as usize], part: Vec::new() };
        // What is read of every block comes first: dictionaries are short and mostly say enough.
        let mut numbers = Vec::with_capacity(wanted.columns.len());
        for (column, words) in &wanted.columns {
            let found = selection.numbers(*column, words)?;
            if found.is_empty() {
                return Ok(None);
            }
            if found.len() < at.words(*column).count as usize {
                numbers.push((*column, found));
            }
        }
        for (column, numbers) in numbers {
            if !selection.by_codes(column, &numbers)? {
                return Ok(None);
            }
        }
        if serious != at.severities && !selection.by_severity(wanted.least())? {
            return Ok(None);
        }
        let is_within = wanted.since <= at.earliest && at.latest <= wanted.until;
        if wanted.has_time && !is_within && !selection.by_time(wanted)? {
            return Ok(None);
        }
        Ok(Some(selection.mask))
    }
}

struct Selection<'b, F> {
    index: &'b Index<F>,
    block: &'b Block,
    mask: Mask,
    part: Vec<u8>,
}

/// Each step answers whether any entry is left.
impl<F: DiskFile> Selection<'_, F> {
    fn read(&mut self, part: Part) -> Result<(), Trouble> {
        self.index.blocks.read(self.block, part, &self.index.state.salt, &mut self.part)
    }

    /// Keeps those for which this holds.
    fn keep(&mut self, holds: impl Iterator<Item = bool>) -> bool {
        let mut any = 0;
        for (kept, holds) in self.mask.iter_mut().zip(holds) {
            *kept &= u8::from(holds);
            any |= *kept;
        }
        any != 0
    }

    fn by_severity(&mut self, least: u8) -> Result<bool, Trouble> {
        self.read(Part::Severities)?;
        let severities = std::mem::take(&mut self.part);
        let any = self.keep(severities.iter().map(|severity| least <= *severity && *severity < PRUNED));
        self.part = severities;
        Ok(any)
    }

    fn by_time(&mut self, wanted: &Wanted<'_>) -> Result<bool, Trouble> {
        let earliest = self.block.at.earliest;
        let range = wanted.since.saturating_sub(earliest)..=wanted.until.saturating_sub(earliest);
        self.read(Part::Times)?;
        let times = std::mem::take(&mut self.part);
        let any = match self.block.at.time_width() {
            4 => self.keep(times.chunks_exact(4).map(|later| range.contains(&u64::from(u32::take(later))))),
            8 => self.keep(times.chunks_exact(8).map(|later| range.contains(&u64::take(later)))),
            _ => return Err(Trouble::Index),
        };
        self.part = times;
        Ok(any)
    }

    /// The numbers of those words of the block that are wanted.
    fn numbers(&mut self, column: Column, words: &Words<'_>) -> Result<Vec<u16>, Trouble> {
        let mut found = Vec::new();
        match words {
            Words::Names(names) => {
                self.read(Part::Hashes(column))?;
                let wanted: Vec<u32> = names.iter().map(|name| hash_of(name, &self.index.state.salt)).collect();
                let hashes = self.part.chunks_exact(4).map(u32::take).zip(0..);
                found.extend(hashes.filter(|(hash, _)| wanted.contains(hash)).map(|(_, number)| number));
            }
            Words::Patterns(patterns) => {
                self.read(Part::Texts(column))?;
                let count = self.block.at.words(column).count as usize;
                let (ends, texts) = self.part.split_at_checked(4 * count).ok_or(Trouble::Index)?;
                let mut start = 0;
                for (end, number) in ends.chunks_exact(4).map(u32::take).zip(0..) {
                    let end = end as usize;
                    let word = texts.get(start..end).and_then(|word| std::str::from_utf8(word).ok());
                    let word = word.ok_or(Trouble::Index)?;
                    if patterns.iter().any(|pattern| pattern.matches(word)) {
                        found.push(number);
                    }
                    start = end;
                }
            }
        }
        Ok(found)
    }

    /// Keeps those whose word is one of these.
    fn by_codes(&mut self, column: Column, numbers: &[u16]) -> Result<bool, Trouble> {
        self.read(Part::Codes(column))?;
        let codes = std::mem::take(&mut self.part);
        let wide = |code: &[u8]| u16::from_le_bytes([code[0], code[1]]);
        let any = match (self.block.at.words(column).width(), numbers) {
            // Mostly one word is wanted, and comparing with one is faster than looking up.
            (1, [one]) => self.keep(codes.iter().map(|code| u16::from(*code) == *one)),
            (2, [one]) => self.keep(codes.chunks_exact(2).map(|code| wide(code) == *one)),
            (width, _) => {
                let mut wanted = vec![false; self.block.at.words(column).count as usize];
                numbers.iter().for_each(|number| wanted[usize::from(*number)] = true);
                let is_wanted = |number: u16| wanted.get(usize::from(number)).copied().unwrap_or(false);
                match width {
                    1 => self.keep(codes.iter().map(|code| is_wanted(u16::from(*code)))),
                    2 => self.keep(codes.chunks_exact(2).map(|code| is_wanted(wide(code)))),
                    _ => return Err(Trouble::Index),
                }
            }
        };
        self.part = codes;
        Ok(any)
    }
}
