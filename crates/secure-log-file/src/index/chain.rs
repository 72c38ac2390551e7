//! Finding an element of a chain from its newest end in a logarithmic number of steps.

use super::Trouble;
use super::rows::{Link, Row, SegmentAt, Waypoint};
use super::table::Table;
use crate::disk::DiskFile;

/// A row that is linked to those before it.
pub(crate) trait Linked: Row {
    fn link(&self) -> &Link;
}

impl Linked for Waypoint {
    fn link(&self) -> &Link {
        &self.link
    }
}

impl Linked for SegmentAt {
    fn link(&self) -> &Link {
        &self.link
    }
}

impl<F: DiskFile, R: Linked> Table<F, R> {
    /// The link of a new element behind the one at place `previous` (from 1; 0 begins a chain).
    pub(crate) fn link_behind(&mut self, previous: u64) -> Result<Link, Trouble> {
        if previous == 0 {
            return Ok(Link { ordinal: 0, previous: 0, jump: 0 });
        }
        let last = *self.at(previous)?.link();
        let jump = match self.distances(&last)? {
            // Two steps of one length become a step of both and one more.
            Some((first, second, target)) if first == second => target,
            _ => previous,
        };
        Ok(Link { ordinal: last.ordinal + 1, previous, jump })
    }

    /// How far the jump of this link and the jump behind it go, and where the second ends.
    fn distances(&mut self, link: &Link) -> Result<Option<(u64, u64, u64)>, Trouble> {
        if link.jump == 0 {
            return Ok(None);
        }
        let middle = *self.at(link.jump)?.link();
        if middle.jump == 0 {
            return Ok(None);
        }
        let far = *self.at(middle.jump)?.link();
        let first = link.ordinal.checked_sub(middle.ordinal).ok_or(Trouble::Index)?;
        let second = middle.ordinal.checked_sub(far.ordinal).ok_or(Trouble::Index)?;
        Ok(Some((first, second, middle.jump)))
    }

    /// The oldest element of the chain that ends at `newest` for which `is_late` holds: it holds for all that are newer
    /// and for none that is older.
    pub(crate) fn oldest(
        &mut self,
        newest: u64,
        mut is_late: impl FnMut(u64, &R) -> bool,
    ) -> Result<Option<(u64, R)>, Trouble> {
        if newest == 0 {
            return Ok(None);
        }
        let mut place = newest;
        let mut row = self.at(place)?;
        if !is_late(place, &row) {
            return Ok(None);
        }
        loop {
            let link = *row.link();
            let mut next = None;
            for step in [link.jump, link.previous] {
                if step != 0 {
                    let candidate = self.at(step)?;
                    if candidate.link().ordinal >= link.ordinal {
                        return Err(Trouble::Index);
                    }
                    if is_late(step, &candidate) {
                        next = Some((step, candidate));
                        break;
                    }
                }
            }
            match next {
                Some(found) => (place, row) = found,
                None => return Ok(Some((place, row))),
            }
        }
    }
}
