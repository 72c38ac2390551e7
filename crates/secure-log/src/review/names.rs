//! Counting by name, exactly up to a limit, and cheaply where the same few names come again and again.

use std::collections::BTreeMap;

use crate::review::{ActorCount, Counted, MAX_LISTED, MAX_NAME_BYTES, MAX_NAMES, NameCount};

/// What came up lately, by the bytes that it is spelled with. It is asked first, as most entries say what others just said.
#[derive(Debug)]
pub(super) struct Recent<V>(Vec<Option<(Vec<u8>, V)>>);

/// As many as a log has names of one kind at once, mostly.
const RECENT: usize = 256;

impl<V> Default for Recent<V> {
    fn default() -> Recent<V> {
        Recent((0..RECENT).map(|_| None).collect())
    }
}

impl<V: Copy> Recent<V> {
    #[inline]
    pub(super) fn find(&self, spelled: &[u8]) -> Option<V> {
        match &self.0[slot(spelled)] {
            Some((known, value)) if known == spelled => Some(*value),
            _ => None,
        }
    }

    pub(super) fn remember(&mut self, spelled: &[u8], value: V) {
        self.0[slot(spelled)] = Some((spelled.to_vec(), value));
    }
}

/// Who wrote the log may choose names that share a slot: they are found in the tree then, as if this was not here.
#[inline]
fn slot(spelled: &[u8]) -> usize {
    // Names that are alike mostly differ in their last bytes.
    let end = &spelled[spelled.len().saturating_sub(16)..];
    let mixed = end.iter().fold(spelled.len() as u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (mixed ^ (mixed >> 15)) as usize % RECENT
}

/// Names with what was counted of them.
///
/// They are in a tree, as whoever wrote the log chose them, and a verification has no randomness that would keep them from
/// meeting in one bucket.
#[derive(Debug)]
struct Names<K, C> {
    counts: Vec<C>,
    places: BTreeMap<K, usize>,
    others: u64,
    limit: usize,
}

impl<K: Ord, C: Default> Names<K, C> {
    fn new() -> Names<K, C> {
        Names { counts: Vec::new(), places: BTreeMap::new(), others: 0, limit: MAX_NAMES }
    }

    /// The place of a name, or `None` where there are so many others.
    fn place(&mut self, name: K, bytes: usize) -> Option<usize> {
        if let Some(place) = self.places.get(&name) {
            return Some(*place);
        }
        if self.counts.len() >= self.limit || bytes > MAX_NAME_BYTES {
            return None;
        }
        self.places.insert(name, self.counts.len());
        self.counts.push(C::default());
        Some(self.counts.len() - 1)
    }

    /// What was counted, the most frequent first. The tree has the names in the order of their bytes, and a stable sort keeps
    /// them in it.
    fn counted<N>(self, entries: impl Fn(&C) -> u64, list: impl Fn(K, &C) -> N) -> Counted<N> {
        let Names { counts, places, others, .. } = self;
        let names = places.len() as u64;
        let mut by_count: Vec<(K, usize)> = places.into_iter().collect();
        by_count.sort_by_key(|(_, place)| core::cmp::Reverse(entries(&counts[*place])));
        let unlisted = by_count.iter().skip(MAX_LISTED).map(|(_, place)| entries(&counts[*place])).sum();
        by_count.truncate(MAX_LISTED);
        let listed = by_count.into_iter().map(|(name, place)| list(name, &counts[place])).collect();
        Counted { listed, names, unlisted, others }
    }
}

/// Counts entries by one name.
#[derive(Debug)]
pub(super) struct NameTally {
    names: Names<String, u64>,
    recent: Recent<usize>,
    last: Option<(String, usize)>,
}

impl NameTally {
    pub(super) fn new() -> NameTally {
        NameTally { names: Names::new(), recent: Recent::default(), last: None }
    }

    #[inline]
    pub(super) fn count(&mut self, name: &str) {
        if let Some((_, place)) = self.last.as_ref().filter(|(last, _)| last == name) {
            self.names.counts[*place] += 1;
            return;
        }
        let Some(place) = self.place(name) else {
            self.names.others += 1;
            return;
        };
        self.names.counts[place] += 1;
        match &mut self.last {
            Some((last, at)) => {
                name.clone_into(last);
                *at = place;
            }
            last => *last = Some((name.into(), place)),
        }
    }

    fn place(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.recent.find(name.as_bytes()) {
            return Some(place);
        }
        let place = match self.names.places.get(name) {
            Some(place) => *place,
            None => self.names.place(name.into(), name.len())?,
        };
        self.recent.remember(name.as_bytes(), place);
        Some(place)
    }

    pub(super) fn finish(self) -> Counted<NameCount> {
        self.names.counted(|entries| *entries, |name, entries| NameCount { name, entries: *entries })
    }
}

/// Counts entries by who acted, and on whose behalf.
#[derive(Debug)]
pub(super) struct ActorTally {
    names: Names<(String, String), ActorEntries>,
    /// By how the whole actor is spelled: where who acted stands, and where on whose behalf.
    recent: Recent<(Place, Option<Place>)>,
}

#[derive(Debug, Default)]
struct ActorEntries {
    entries: u64,
    on_behalf: u64,
}

/// Where somebody is counted; `None` among the others.
type Place = Option<usize>;

/// A kind and an id.
pub(super) type Pair<'a> = (&'a str, &'a str);

impl ActorTally {
    pub(super) fn new() -> ActorTally {
        ActorTally { names: Names::new(), recent: Recent::default() }
    }

    /// Counts an entry whose actor is spelled so. `read` says who that is, and is asked only where it is not known.
    #[inline]
    pub(super) fn count(&mut self, spelled: &[u8], read: impl FnOnce(&mut dyn FnMut(Pair<'_>, Option<Pair<'_>>))) {
        let mut found = self.recent.find(spelled);
        if found.is_none() {
            read(&mut |who, on_behalf| {
                let mut place =
                    |(kind, id): Pair<'_>| self.names.place((kind.into(), id.into()), kind.len() + id.len());
                // Who acts on their own behalf is one actor.
                found = Some((place(who), on_behalf.filter(|other| *other != who).map(place)));
            });
            // A place is for ever; that there was none is not worth remembering.
            if let Some(places @ (Some(_), None | Some(Some(_)))) = found {
                self.recent.remember(spelled, places);
            }
        }
        let Some((who, on_behalf)) = found else { return };
        match who {
            Some(place) => self.names.counts[place].entries += 1,
            None => self.names.others += 1,
        }
        match on_behalf {
            Some(Some(place)) => {
                self.names.counts[place].entries += 1;
                self.names.counts[place].on_behalf += 1;
            }
            Some(None) => self.names.others += 1,
            None => {}
        }
    }

    pub(super) fn finish(self) -> Counted<ActorCount> {
        self.names.counted(
            |counted| counted.entries,
            |(kind, id), counted| ActorCount { kind, id, entries: counted.entries, on_behalf: counted.on_behalf },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_one_figure_and_those_before_stay_exact() {
        let mut tally = NameTally::new();
        tally.names.limit = 300;
        for round in 0..3 {
            for number in 0..400 {
                tally.count(&format!("name {number:03}"));
                if round == 0 && number == 7 {
                    tally.count("name 007");
                }
            }
        }
        tally.count(&"x".repeat(MAX_NAME_BYTES + 1));
        let counted = tally.finish();
        assert_eq!((counted.names, counted.listed.len(), counted.others), (300, MAX_LISTED, 301));
        assert_eq!(counted.unlisted, 200 * 3);
        assert_eq!(counted.listed[0], NameCount { name: "name 007".into(), entries: 4 });
        assert_eq!(counted.listed[1], NameCount { name: "name 000".into(), entries: 3 });
        assert_eq!(counted.listed[99], NameCount { name: "name 099".into(), entries: 3 });
    }

    #[test]
    fn who_acted_and_on_whose_behalf_are_both_counted_and_once_where_they_are_one() {
        let mut tally = ActorTally::new();
        tally.names.limit = 2;
        let mut count = |who: Pair<'static>, on_behalf: Option<Pair<'static>>| {
            tally.count(format!("{who:?}{on_behalf:?}").as_bytes(), |found| found(who, on_behalf));
        };
        let (agent, alice, bob) = (("agent", "a"), ("user", "alice"), ("user", "bob"));
        for _ in 0..2 {
            count(agent, Some(alice));
            count(alice, Some(alice));
            count(alice, None);
            count(bob, Some(alice));
            count(alice, Some(bob));
        }
        tally.count(b"nobody", |_| ());
        let counted = tally.finish();
        let count = |(kind, id): Pair<'_>, entries, on_behalf| ActorCount {
            kind: kind.into(),
            id: id.into(),
            entries,
            on_behalf,
        };
        assert_eq!(counted.listed, [count(alice, 10, 4), count(agent, 2, 0)]);
        assert_eq!((counted.names, counted.others), (2, 4));
    }
}
