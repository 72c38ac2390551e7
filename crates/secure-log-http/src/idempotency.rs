//! Appends that are safe to repeat (decision 0136).
//!
//! A batch that is posted with a key ends with one entry more, in a stream of the service's own, which says so: the key and the
//! body, as hashes, and how many entries it is about. It is durable with the batch or not at all. So what became of a request is
//! found in the log itself, also by a server that was started after the one that took it was killed.
//!
//! The event type of the entry names the key, so that a host that keeps nothing in memory finds it by the store's index.

use std::collections::{HashMap, HashSet, VecDeque};

use secure_log::engine::MAX_PAGE;
use secure_log::entry::Entry;
use secure_log::error::LogError;
use secure_log::hash::Hash;
use secure_log::query::{Filter, Query};
use serde::{Deserialize, Serialize};

use crate::catalogue::ServedLog;

/// The stream of the keys, which nobody else appends to.
pub const KEYS_STREAM: &str = "http/idempotency";
/// The event type of its entries begins so, and goes on with a part of the hash of the key.
const KEYED_EVENT: &str = "append.keyed";
/// Hexadecimal digits of that part: 128 bits.
const EVENT_DIGITS: usize = 32;
/// Who reports it.
pub(crate) const SERVICE_PRODUCER: &str = "secure-log-http";

/// The newest keys of a log that are remembered: one that is older is not known any more. In memory they take about 5 MiB a log
/// that is appended to with keys: 65,536 times 16 bytes of the key and 8 of the place, each twice, and what the map has to spare.
pub const KEYS_REMEMBERED: usize = 1 << 16;

/// What an entry of the stream says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keyed {
    /// A hash of the key and of whose it is.
    key: String,
    /// A hash of the body and of its media type.
    body: String,
    /// The batch: so many entries right before this one.
    pub(crate) entries: u64,
}

impl Keyed {
    /// Keys of one token are nothing to another one.
    pub(crate) fn new(token: &str, key: &str, media_type: &str, body: &[u8], entries: u64) -> Keyed {
        let key = Hash::sha256(&[b"secure-log-http/v1/key\n", token.as_bytes(), b"\n", key.as_bytes()].concat());
        let inner = Hash::sha256(body);
        let body = Hash::sha256(&[b"secure-log-http/v1/body\n", media_type.as_bytes(), b"\n", &inner.0[..]].concat());
        Keyed { key: key.to_hex(), body: body.to_hex(), entries }
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("two texts and a number are JSON")
    }

    /// The event type of the entry.
    pub(crate) fn event(&self) -> String {
        format!("{KEYED_EVENT}.{}", &self.key[..EVENT_DIGITS])
    }

    /// Looks in the log for where the key was used, from a seqno on. Answers that, and how many entries the log had then: who
    /// appends where nobody else has since uses the key once.
    pub(crate) fn look_up(&self, log: &ServedLog, from: u64) -> Result<(Option<u64>, u64), LogError> {
        let pattern = |name: &str| vec![name.parse().expect("it is a name")];
        let (streams, events) = (pattern(KEYS_STREAM), pattern(&self.event()));
        let filter = Filter { streams, events, from: Some(from), ..Filter::default() };
        let mut query = Query { filter, newest_first: true, limit: MAX_PAGE, cursor: None };
        loop {
            let page = log.lock().query(&query)?;
            let used = page.entries.iter().find(|entry| Keyed::of(entry).is_some_and(|found| found.key == self.key));
            query.cursor = page.next;
            if used.is_some() || query.cursor.is_none() {
                return Ok((used.map(|entry| entry.seqno), page.size));
            }
        }
    }

    pub(crate) fn of(entry: &Entry) -> Option<Keyed> {
        serde_json::from_slice(&entry.payload).ok()
    }

    /// The same body was posted with the key.
    pub(crate) fn is_repeated_by(&self, other: &Keyed) -> bool {
        self == other
    }

    /// What is not a key of ours, because somebody else wrote the entry, is none that anybody asks for.
    fn mark(&self) -> Mark {
        let mut mark = Mark::default();
        let half = self.key.get(..2 * mark.len()).unwrap_or_default();
        let _ = const_hex::decode_to_slice(half, &mut mark);
        mark
    }
}

/// Half of the hash of a key. The entry has all of it.
type Mark = [u8; 16];

/// The keys of a log.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Where the newest ones are. `None` where that has to be read from the log, as it was opened just now, or as it is not
    /// known what became of a commit.
    places: Option<Places>,
    under_way: HashSet<Mark>,
}

#[derive(Debug, Default)]
struct Places {
    /// All keys of the log up to this entry are here, and those that were used through this server after it, too, or under way.
    complete_to: u64,
    by_mark: HashMap<Mark, u64>,
    by_age: VecDeque<(Mark, u64)>,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing up to this entry: it is under way now, until [`Keys::end`].
    New(u64),
    /// It was used, by the entry with this seqno.
    Used(u64),
    /// A request with it is under way.
    UnderWay,
}

impl Keys {
    /// Looks for a key, and takes it where it is new.
    pub(crate) fn begin(&mut self, keyed: &Keyed, log: &ServedLog) -> Result<Known, LogError> {
        let mark = keyed.mark();
        let places = self.places(log)?;
        if let Some(seqno) = places.by_mark.get(&mark) {
            return Ok(Known::Used(*seqno));
        }
        let complete_to = places.complete_to;
        Ok(if self.under_way.insert(mark) { Known::New(complete_to) } else { Known::UnderWay })
    }

    /// Looks again for a key that is under way here, after others appended to the log. Answers where one of them used it, and up to
    /// which entry it was looked for.
    pub(crate) fn look_again(&mut self, keyed: &Keyed, log: &ServedLog) -> Result<(Option<u64>, u64), LogError> {
        let places = self.places(log)?;
        places.read_on(log)?;
        Ok((places.by_mark.get(&keyed.mark()).copied(), places.complete_to))
    }

    fn places(&mut self, log: &ServedLog) -> Result<&mut Places, LogError> {
        if self.places.is_none() {
            let mut places = Places::default();
            places.read_on(log)?;
            self.places = Some(places);
        }
        Ok(self.places.as_mut().expect("they were read just now"))
    }

    /// The request with this key ended: with an entry, with nothing written, or nobody knows how.
    pub(crate) fn end(&mut self, keyed: &Keyed, ended: Ended) {
        let mark = keyed.mark();
        self.under_way.remove(&mark);
        match (ended, &mut self.places) {
            (Ended::Appended { seqno, size }, Some(places)) => {
                places.push(mark, seqno);
                // No other writer was in between, or it would have been refused.
                places.complete_to = places.complete_to.max(size);
            }
            (Ended::Refused, _) | (Ended::Appended { .. }, None) => {}
            (Ended::Unknown, places) => *places = None,
        }
    }
}

/// How a request with a key ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// With the entry of the key, in the commit after which the log had this size.
    Appended {
        seqno: u64,
        size: u64,
    },
    Refused,
    Unknown,
}

impl Places {
    /// The newest keys of the log that are not here, a page at a time, so that others come in between.
    fn read_on(&mut self, log: &ServedLog) -> Result<(), LogError> {
        let stream = KEYS_STREAM.parse().expect("it is a name");
        let filter = Filter { streams: vec![stream], from: Some(self.complete_to + 1), ..Filter::default() };
        let mut query = Query { filter, newest_first: true, limit: MAX_PAGE, cursor: None };
        let (mut newest_first, mut size) = (Vec::new(), None);
        loop {
            let page = log.lock().query(&query)?;
            // Those that come after the first page was read are not on the others.
            size = size.or(Some(page.size));
            let keys = page.entries.iter().filter(|entry| entry.producer == SERVICE_PRODUCER);
            newest_first.extend(keys.filter_map(|entry| Some((Keyed::of(entry)?.mark(), entry.seqno))));
            query.cursor = page.next;
            if query.cursor.is_none() || newest_first.len() >= KEYS_REMEMBERED {
                break;
            }
        }
        newest_first.iter().rev().for_each(|(mark, seqno)| self.push(*mark, *seqno));
        self.complete_to = self.complete_to.max(size.unwrap_or_default());
        Ok(())
    }

    fn push(&mut self, mark: Mark, seqno: u64) {
        if self.by_mark.insert(mark, seqno) == Some(seqno) {
            return;
        }
        self.by_age.push_back((mark, seqno));
        if self.by_age.len() > KEYS_REMEMBERED
            && let Some((oldest, at)) = self.by_age.pop_front()
            && self.by_mark.get(&oldest) == Some(&at)
        {
            self.by_mark.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_its_token_and_of_its_body() {
        let keyed = |token, key, kind, body: &str| Keyed::new(token, key, kind, body.as_bytes(), 1);
        let one = keyed("a", "k", "application/json", "{}");
        assert!(one.is_repeated_by(&keyed("a", "k", "application/json", "{}")));
        assert_ne!(one.key, keyed("b", "k", "application/json", "{}").key);
        assert_ne!(one.key, keyed("a", "l", "application/json", "{}").key);
        for other in [keyed("a", "k", "application/json", "[]"), keyed("a", "k", "application/x-ndjson", "{}")] {
            assert_eq!(one.key, other.key);
            assert!(!one.is_repeated_by(&other));
        }
        assert_eq!(serde_json::from_slice::<Keyed>(&one.payload()).unwrap(), one);
    }

    #[test]
    fn the_oldest_keys_are_forgotten_and_no_more_are_remembered() {
        let mark = |number: u64| {
            let mut mark = [0; 16];
            mark[..8].copy_from_slice(&number.to_be_bytes());
            mark
        };
        let mut places = Places::default();
        let many = KEYS_REMEMBERED as u64 + 10;
        (0..many).for_each(|number| places.push(mark(number), number + 1));
        assert_eq!((places.by_mark.len(), places.by_age.len()), (KEYS_REMEMBERED, KEYS_REMEMBERED));
        assert_eq!((places.by_mark.get(&mark(9)), places.by_mark.get(&mark(10))), (None, Some(&11)));
    }
}
