//! Finding entries by a filter: the index says which may be wanted, and their lines say which are.

use secure_log::entry::EntryRef;
use secure_log::index::IndexKey;
use secure_log::jsonl::Line;
use secure_log::record::EntryRow;
use secure_log::store::{IndexRange, Left, Search, StoreError};

use crate::corrupt;
use crate::disk::{Disk, DiskFile};
use crate::index::{Checked, Facing, Index, Salt, Trouble, Wanted};
use crate::read::for_each_line;
use crate::reader::Reader;
use crate::session::FileStore;

/// What looking at the facts of a block of thousands of entries takes, in entries whose lines are read instead.
const BLOCK_WORK: u32 = 8;
/// Entries whose lines are read together.
const LINES: usize = 16;
/// Entries of an actor that are asked for at once.
const ACTOR_PAGE: u32 = 512;
/// Entries that are read before the index is asked which are an actor's.
const READ_INSTEAD: usize = 128;

impl<D: Disk> FileStore<D> {
    pub(crate) fn find_entries(
        &mut self,
        search: &Search<'_>,
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<Option<u64>, StoreError> {
        let size = self.with_index_or_nothing(0, |index, _| Ok(index.size()))?;
        let filter = search.filter;
        let range = Search {
            from: search.from.max(filter.from.unwrap_or(1)).max(1),
            to: search.to.min(filter.to.unwrap_or(u64::MAX)),
            ..*search
        };
        let (first, last) = (range.from, range.to.min(size));
        if first > last {
            return Ok(None);
        }
        let mut walk = Walk {
            range,
            last,
            wanted: Wanted::of(filter),
            actor: filter.actor.map(Actor::new),
            next: Some(if range.newest_first { last } else { first }),
            left: Left::of(search),
            scratch: std::mem::take(&mut self.scratch),
        };
        // An index that turns out wrong is built anew: the walk goes on where it was.
        let mut walked = Ok(());
        while walked.is_ok() && walk.next.is_some() && !walk.left.is_spent() {
            walked = self.with_index_or_nothing((), |index, log| walk.through_block(index, log, visit));
        }
        self.scratch = walk.scratch;
        walked.map(|()| walk.next)
    }
}

impl<D: Disk> FileStore<D> {
    /// Holds what searches are answered from against the log. Facts that are damaged are built anew; facts that somebody wrote well
    /// are found here and nowhere else, as a search shows nothing of what it leaves out.
    pub(crate) fn check_facts(&mut self) -> Result<(), StoreError> {
        let mut checked = Checked::NOTHING;
        loop {
            match self.with_index_or_nothing(Facing::End, |index, log| index.check_facts(checked, log))? {
                Facing::Same(next) => checked = next,
                Facing::End => return Ok(()),
                Facing::Other(seqno) => {
                    return Err(StoreError::Corrupt {
                        at: format!("the index, from entry {seqno} on"),
                        detail: "what searches are answered from is not what the entries say".into(),
                    });
                }
            }
        }
    }
}

/// How far a search has come.
struct Walk<'f> {
    range: Search<'f>,
    /// The last entry of the range that was in the log when the search began.
    last: u64,
    wanted: Wanted<'f>,
    actor: Option<Actor>,
    /// The first seqno that was not looked at.
    next: Option<u64>,
    left: Left,
    scratch: Vec<u8>,
}

impl Walk<'_> {
    /// Looks at what is left of the block that comes next.
    fn through_block<F: DiskFile>(
        &mut self,
        index: &mut Index<F>,
        log: &mut Reader<F>,
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<(), Trouble> {
        let newest_first = self.range.newest_first;
        if let Some(actor) = &mut self.actor {
            actor.forget_others(index.salt());
            self.next = self.next.and_then(|next| match actor.not_before(next, newest_first) {
                Some(place) => Some(place).filter(|place| (self.range.from..=self.last).contains(place)),
                None => Some(next),
            });
        }
        let Some(at) = self.next else { return Ok(()) };
        let block = index.block(at)?;
        self.left.look(BLOCK_WORK);
        let (mut first, mut last) = (block.at.first.max(self.range.from), block.at.last().min(self.last));
        if newest_first {
            last = at
        } else {
            first = at
        }
        let mut found = Vec::new();
        if let Some(mask) = index.select(&block, &self.wanted)? {
            let places =
                (block.at.first..).zip(mask).filter(|(seqno, kept)| *kept != 0 && (first..=last).contains(seqno));
            found.extend(places.map(|(seqno, _)| seqno));
        }
        if let (Some(actor), Some(low), Some(high)) = (&mut self.actor, found.first(), found.last())
            && actor.is_worth_asking(*low, *high, found.len())
        {
            let theirs = actor.between(index, *low, *high, &self.range, self.last)?;
            found.retain(|seqno| theirs.binary_search(seqno).is_ok());
        }
        if newest_first {
            found.reverse();
        }
        for (number, seqnos) in found.chunks(LINES).enumerate() {
            // The first ones are read whatever the block took of what may be looked at, as a search has to get on.
            if number > 0 && self.left.is_spent() {
                return Ok(());
            }
            self.read_lines(index, log, seqnos, visit)?;
        }
        if found.is_empty() || !self.left.is_spent() {
            let end = if newest_first { first } else { last };
            self.next = self.range.behind(end).filter(|next| *next <= self.last);
        }
        Ok(())
    }

    fn read_lines<F: DiskFile>(
        &mut self,
        index: &mut Index<F>,
        log: &mut Reader<F>,
        seqnos: &[u64],
        visit: &mut dyn FnMut(EntryRow<'_>),
    ) -> Result<(), Trouble> {
        let is_new = index.is_new;
        let Walk { range, last, next, left, scratch, .. } = self;
        let mut is_first = true;
        for_each_line(index, log, seqnos, |seqno, offset, line| {
            if !is_first && left.is_spent() {
                return Ok(());
            }
            is_first = false;
            let Line::Entry(line) = line else { return Err(Trouble::Index) };
            // In a log that says so itself, a wrong seqno is not the index's to hide.
            if line.seqno != seqno && !is_new {
                return Err(Trouble::Index);
            }
            let row = line.row(scratch).map_err(|e| corrupt(offset, e))?;
            left.look(1);
            *next = range.behind(seqno).filter(|next| *next <= *last);
            let is_wanted = EntryRef::decode(row.bytes).is_ok_and(|entry| range.filter.matches(&entry));
            if is_wanted || line.seqno != seqno {
                left.answer(row.bytes.len());
                visit(row);
            }
            Ok(())
        })
    }
}

/// The entries of an actor, as far as they were asked for.
struct Actor {
    key: IndexKey,
    /// Which building of the index answered.
    salt: Salt,
    /// Ascending.
    seqnos: Vec<u64>,
    /// Where all of them are known.
    known: Option<(u64, u64)>,
    /// Entries of anybody that were read since then, instead of asking.
    read_instead: usize,
}

impl Actor {
    fn new(key: IndexKey) -> Actor {
        Actor { key, salt: Salt::default(), seqnos: Vec::new(), known: None, read_instead: 0 }
    }

    /// What an index said that was found wrong does not count.
    fn forget_others(&mut self, salt: Salt) {
        if self.salt != salt {
            *self = Actor { salt, ..Actor::new(self.key) };
        }
    }

    /// The first place from this one on that may have an entry of theirs, where that is known.
    fn not_before(&self, place: u64, newest_first: bool) -> Option<u64> {
        let (low, high) = self.known.filter(|(low, high)| (low..=high).contains(&&place))?;
        if newest_first {
            let before = self.seqnos.partition_point(|seqno| *seqno <= place);
            Some(before.checked_sub(1).map_or(low.saturating_sub(1), |at| self.seqnos[at]))
        } else {
            let at = self.seqnos.partition_point(|seqno| *seqno < place);
            Some(self.seqnos.get(at).copied().unwrap_or(high.saturating_add(1)))
        }
    }

    fn is_known(&self, low: u64, high: u64) -> bool {
        self.known.is_some_and(|(from, to)| from <= low && high <= to)
    }

    /// Whether the index is to be asked about so many entries between these. A few lines are read faster, and say the same; but an
    /// answer may pass over many blocks.
    fn is_worth_asking(&mut self, low: u64, high: u64, entries: usize) -> bool {
        let reads = !self.is_known(low, high) && entries <= LINES && self.read_instead < READ_INSTEAD;
        if reads {
            self.read_instead += entries;
        }
        !reads
    }

    /// All of them between two entries of one block, ascending; those that come next in the search are asked for as well.
    fn between<F: DiskFile>(
        &mut self,
        index: &mut Index<F>,
        low: u64,
        high: u64,
        range: &Search<'_>,
        last: u64,
    ) -> Result<&[u64], Trouble> {
        if !self.is_known(low, high) {
            let newest_first = range.newest_first;
            let whole = if newest_first { (range.from, high) } else { (low, last) };
            let ask = |index: &mut Index<F>, (from, to), limit| {
                index.indexed(IndexRange { key: self.key, from, to, newest_first, limit })
            };
            let mut seqnos = ask(index, whole, ACTOR_PAGE)?;
            let mut known = whole;
            if let Some(end) = seqnos.last().copied().filter(|_| seqnos.len() == ACTOR_PAGE as usize) {
                known = if newest_first { (end, high) } else { (low, end) };
                let rest = if newest_first { (low, end.saturating_sub(1)) } else { (end + 1, high) };
                if rest.0 <= rest.1 {
                    seqnos.extend(ask(index, rest, u32::MAX)?);
                    known = (known.0.min(low), known.1.max(high));
                }
            }
            if newest_first {
                seqnos.reverse();
            }
            (self.seqnos, self.known, self.read_instead) = (seqnos, Some(known), 0);
        }
        Ok(&self.seqnos)
    }
}
