//! What the content of an entry has to be: control entries, and sealed or clear payloads (format.md s.2, s.5, s.8).

use crate::control;
use crate::entry::{EntryRef, LOG_STREAM, SEALED_MARK, SEALED_SUFFIX, Tier};
use crate::hash::Hash;
use crate::note::Note;
use crate::sealed::{SealedPayload, is_pseudonym};
use crate::verify::commit::Closing;
use crate::verify::finding::{Finding, FindingCode, Place, Quoted};
use crate::verify::missing::{Missing, MissingCode};
use crate::verify::stream::Kind;
use crate::verify::verifier::Verifier;

/// How many data keys, present or missed, a verification keeps track of: about 64 bytes each.
pub const MAX_DATA_KEYS: usize = 1 << 20;

impl Verifier {
    /// Judges a producer's entry by the tier of its stream.
    pub(super) fn producer_entry(&mut self, entry: &EntryRef<'_>, stream: usize) -> Result<(), Finding> {
        let tier = self.streams.list[stream].row.rules.tier;
        let sealed = entry.encoding.ends_with(SEALED_SUFFIX);
        if !sealed && entry.encoding.contains(SEALED_MARK) {
            let (at, encoding) = (Place::Seqno(entry.seqno), Quoted(entry.encoding));
            self.miss(Missing::at(MissingCode::Unknown, at, format!("unknown sealing {encoding}")));
            return Ok(());
        }
        if sealed {
            let payload = SealedPayload::decode(entry.payload).map_err(|_| malformed(entry, "not a sealed payload"))?;
            self.counts.sealed += 1;
            self.use_data_key(stream, payload.key, entry.seqno);
            self.open_payload(entry, &payload, (stream, tier))?;
        }
        let finding = |detail: String| Finding::new(FindingCode::PolicyMismatch, Place::Seqno(entry.seqno), detail);
        if sealed != (tier != Tier::Public) {
            let form = if sealed { "sealed" } else { "in clear" };
            return Err(finding(format!("a payload {form} in a {} stream", tier.as_str())));
        }
        if tier == Tier::HighlyRestricted && !(is_pseudonym(entry.event) && is_pseudonym(entry.producer)) {
            return Err(finding("event type or producer in clear in a highly-restricted stream".into()));
        }
        Ok(())
    }

    /// Judges a control entry, and does what it says.
    pub(super) fn control_entry(&mut self, entry: &EntryRef<'_>, stream: usize) -> Result<Kind, Finding> {
        let at = Place::Seqno(entry.seqno);
        if entry.encoding != control::ENCODING {
            return Err(malformed(entry, "encoding of a control entry"));
        }
        let text = core::str::from_utf8(entry.payload).map_err(|_| bad_payload(entry))?;
        let s = &mut self.streams.list[stream];
        match entry.event {
            control::SUITE_CHANGED => {
                let suite = control::decode_suite(entry.payload).ok_or_else(|| bad_payload(entry))?;
                if suite == s.suite {
                    return Err(malformed(entry, "a change to the same suite"));
                }
                s.suite = suite;
                s.key_reported = false;
            }
            control::SEGMENT_CLOSED => {
                let (segment, checkpoint) = text.split_once(' ').ok_or_else(|| bad_payload(entry))?;
                let segment = number(segment).ok_or_else(|| bad_payload(entry))?;
                let checkpoint = Hash::from_hex(checkpoint).ok_or_else(|| bad_payload(entry))?;
                self.commit.claims.push(Closing { stream, segment, checkpoint });
                if s.run.tree.size() > 0 {
                    return Err(Finding::new(FindingCode::SegmentMissing, at, "not the first entry after its segment"));
                }
                return Ok(Kind::Closing);
            }
            control::PRUNED => {
                let (last, count, root) = pruning(text).ok_or_else(|| bad_payload(entry))?;
                let produced = s.produced();
                // Where its first entries are not here, nobody can count them; and what is gone may be another stream's.
                let is_theirs = s.unseen.start || (count, root) == (produced.size(), produced.root());
                if last >= entry.seqno || !is_theirs {
                    let detail = "not the count or root of the stream's entries";
                    let expected = format!("{} {}", produced.size(), produced.root());
                    return Err(Finding::new(FindingCode::PruneMismatch, at, detail)
                        .comparing(expected, format!("{count} {root}")));
                }
                if !s.unseen.start && s.gone.is_some_and(|gone| gone <= last) {
                    self.prunings.push(entry.seqno);
                    s.gone = None;
                }
            }
            control::DEPRECATED => {
                empty(entry)?;
                if s.deprecated_at.is_some() {
                    return Err(Finding::new(FindingCode::Deprecated, at, "twice"));
                }
                s.deprecated_at = Some(entry.time.into());
                self.commit.deprecations.push(stream);
            }
            control::ERASED => {
                for key in control::decode_erased(entry.payload).ok_or_else(|| bad_payload(entry))? {
                    if let Some((_, payloads)) = self.keyless.remove(&(stream, key)) {
                        self.counts.erased += 1;
                        self.counts.erased_payloads += payloads;
                        if let Some(tally) = &mut self.tally {
                            tally.erased(stream, payloads);
                        }
                    }
                }
            }
            control::CREATED => {
                empty(entry)?;
                if s.count > 0 || s.unseen.start {
                    return Err(malformed(entry, "not the stream's first entry"));
                }
            }
            control::RECOVERED => {
                if entry.stream != LOG_STREAM {
                    return Err(malformed(entry, "not in the stream secure-log"));
                }
                let (first, last) = text.split_once(' ').ok_or_else(|| bad_payload(entry))?;
                let range = number(first).zip(number(last)).ok_or_else(|| bad_payload(entry))?;
                if range.0 > range.1 || range.1 >= entry.seqno {
                    return Err(malformed(entry, "a range that does not stand before it"));
                }
                self.unattested.push(range);
            }
            control::CONTINUED => {
                let note = Note::parse(text).map_err(|_| bad_payload(entry))?;
                if note.sigs.is_empty() || note.checkpoint().is_err() {
                    return Err(bad_payload(entry));
                }
                if entry.stream != LOG_STREAM || s.count > 0 || s.unseen.start {
                    return Err(malformed(entry, "not the first entry of the stream secure-log"));
                }
                self.continued = Some(note);
            }
            control::KEY => self.introduce(entry)?,
            unknown => {
                let detail = format!("unknown control event {}", Quoted(unknown));
                self.miss(Missing::at(MissingCode::Unknown, at, detail));
            }
        }
        Ok(Kind::Control)
    }

    /// Notes that a data key is there.
    pub(super) fn add_data_key(&mut self, stream: usize, key: Hash) {
        if self.data_keys < MAX_DATA_KEYS {
            let added = self.streams.list[stream].data_keys.insert(key);
            self.data_keys += usize::from(added);
        } else {
            self.data_keys_untracked = true;
        }
    }

    /// Notes that a payload is sealed with a data key, which has to be there or erased.
    fn use_data_key(&mut self, stream: usize, key: Hash, seqno: u64) {
        if self.streams.list[stream].data_keys.contains(&key) {
            return;
        }
        if self.keyless.len() < MAX_DATA_KEYS {
            self.keyless.entry((stream, key)).or_insert((seqno, 0)).1 += 1;
        } else {
            self.data_keys_untracked = true;
        }
    }
}

/// `<last> <count> <root>`.
fn pruning(text: &str) -> Option<(u64, u64, Hash)> {
    let mut words = text.split(' ');
    let pruning = (number(words.next()?)?, number(words.next()?)?, Hash::from_hex(words.next()?)?);
    words.next().is_none().then_some(pruning)
}

/// A decimal number from 1 without leading zeros, of at most 20 digits. One that is larger than any seqno or id is read
/// as the largest, which is never one either.
fn number(text: &str) -> Option<u64> {
    let plain = (1..=20).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

fn empty(entry: &EntryRef<'_>) -> Result<(), Finding> {
    if entry.payload.is_empty() { Ok(()) } else { Err(bad_payload(entry)) }
}

fn bad_payload(entry: &EntryRef<'_>) -> Finding {
    malformed(entry, "payload of a control entry")
}

fn malformed(entry: &EntryRef<'_>, detail: &str) -> Finding {
    Finding::new(FindingCode::Malformed, Place::Seqno(entry.seqno), detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LogRow, Record, StreamRow};
    use crate::verify::report::Verdict;
    use crate::verify::trust::Trust;

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(number("1"), Some(1));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        assert_eq!(number("99999999999999999999"), Some(u64::MAX));
        for bad in ["", "0", "01", "+1", "-1", "1 ", "100000000000000000000", "\u{661}"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn more_data_keys_than_are_kept_track_of_are_said_and_not_guessed_at() {
        let created = "2026-11-20T04:00:00.000000000Z";
        let mut verifier = Verifier::new(Trust::new());
        let log = LogRow { id: [0; 16], origin: "log.example".into(), created: created.into() };
        verifier.record(Record::Log(&log), 1).unwrap();
        let rules = Default::default();
        let stream = StreamRow { name: "a".into(), rules, created: created.into(), deprecated: None };
        verifier.record(Record::Stream(&stream), 2).unwrap();
        let key = |number: u64| {
            let mut hash = Hash::ZERO;
            hash.0[..8].copy_from_slice(&number.to_be_bytes());
            hash
        };
        for number in 0..=MAX_DATA_KEYS as u64 {
            verifier.add_data_key(0, key(number));
        }
        verifier.use_data_key(0, key(MAX_DATA_KEYS as u64), 1);
        assert_eq!(verifier.streams.list[0].data_keys.len(), MAX_DATA_KEYS);
        let report = verifier.finish(0);
        assert_eq!(report.verdict, Verdict::Incomplete);
        assert!(report.missing.iter().any(|what| what.code == MissingCode::Limit), "{:?}", report.missing);
    }
}
