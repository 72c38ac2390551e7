//! Row 1 of the attack table: every bit of every stored field of an entry.

use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::{FindingCode, Place};

use super::edits::open_and_verify;
use super::said::Said;
use super::sample::sample_records;
use crate::{OwnedRecord, SeededRandom, count, flip_stored_bit, seed, to_jsonl};

/// One bit of one entry in the file of the sample log.
#[derive(Clone, Copy, Debug)]
pub struct Flip {
    /// Which byte of the file.
    pub offset: usize,
    /// Which bit of it.
    pub bit: u8,
    /// The entry.
    pub seqno: u64,
    /// Its line, from 1.
    pub line: u64,
    /// The key whose value holds the byte; `t` for what stands before the first field.
    pub key: &'static str,
}

/// The keys of an entry's line, in the order of the format.
const KEYS: [&str; 13] = [
    "version", "stream", "session", "boot", "seqno", "time", "event", "severity", "producer", "encoding", "text",
    "prev", "hash",
];

/// The file of the sample log, and every bit of its entries' lines.
pub fn flips() -> (Vec<u8>, Vec<Flip>) {
    let file = to_jsonl(&sample_records());
    let mut flips = Vec::new();
    let (mut start, mut seqno) = (0, 0);
    for (line, number) in file.split_inclusive(|b| *b == b'\n').zip(1..) {
        if line.starts_with(br#"{"t":"entry""#) {
            seqno += 1;
            let (mut key, mut next) = ("t", 0);
            for at in 0..line.len() - 1 {
                if let Some(name) = KEYS.get(next)
                    && begins_key(&line[at..], name)
                {
                    (key, next) = (*name, next + 1);
                }
                flips.extend((0..8).map(|bit| Flip { offset: start + at, bit, seqno, line: number, key }));
            }
            assert_eq!(next, KEYS.len(), "every key stands in the line of entry {seqno}");
        }
        start += line.len();
    }
    (file, flips)
}

fn begins_key(rest: &[u8], name: &str) -> bool {
    let begins = |name: &str| rest.starts_with(format!("\"{name}\":").as_bytes());
    begins(name) || (name == "text" && begins("b64"))
}

impl Flip {
    /// The file with this bit flipped.
    pub fn apply(&self, file: &[u8]) -> Vec<u8> {
        let mut flipped = file.to_vec();
        flipped[self.offset] ^= 1 << self.bit;
        flipped
    }

    /// Says what is wrong with a finding that this flip led to: it has to be that entry's, and for its own reason.
    pub fn misjudged(&self, code: &str, at: &str) -> Option<String> {
        use FindingCode::{ChainBroken, Downgrade, Gap, HashMismatch, Malformed};
        let is = |expected: FindingCode| code == expected.as_str();
        let at_entry = at == Place::Seqno(self.seqno).to_string();
        let here = match self.key {
            _ if is(Malformed) => at == Place::Line(self.line).to_string(),
            // A record of an unknown kind is passed over; the next entry is then missed.
            "t" => true,
            "seqno" => is(Gap) && at.starts_with("seqno ") && !at_entry,
            "version" => at_entry && is(Downgrade),
            "stream" | "prev" => at_entry && is(ChainBroken),
            _ => at_entry && is(HashMismatch),
        };
        (!here).then(|| format!("{self:?} was found as {code} at {at}"))
    }
}

/// Has the engine open each of these flipped files through a store, and verify them: none passes.
///
/// # Panics
/// When one does.
pub fn no_flip_passes<S: SecureLogStore>(
    file: &[u8],
    flips: &[Flip],
    mut place: impl FnMut(&[u8]) -> Result<S, StoreError>,
) {
    no_flip_passes_with(file, flips, |bytes| open_and_verify(|| place(bytes)));
}

/// The same with an engine that stands somewhere else: `judge` has it open and verify a log of these bytes.
///
/// # Panics
/// When one passes.
pub fn no_flip_passes_with(file: &[u8], flips: &[Flip], mut judge: impl FnMut(&[u8]) -> Said) {
    for flip in flips {
        match judge(&flip.apply(file)) {
            // A refusal is as good as a finding.
            Said::Refused(_) => {}
            Said::Invalid { code, at } => assert_eq!(flip.misjudged(&code, &at), None),
            said => panic!("{flip:?} is {said:?}"),
        }
    }
}

/// Draws bits of what a store keeps of the sample log's entries (their canonical bytes, and their hashes), all of them in
/// a soak. `judge` has an engine open and verify a log in which one was flipped, given the entry's seqno and the bit:
/// none passes.
///
/// # Panics
/// When one passes.
pub fn no_stored_bit_passes_with(draws: u64, mut judge: impl FnMut(u64, u64) -> Said) {
    let records = sample_records();
    let all: Vec<(u64, u64)> = records
        .iter()
        .filter(|record| record.bits() > 0)
        .flat_map(|record| (0..record.bits()).map(|bit| (record.seqno().unwrap_or(0), bit)))
        .collect();
    let mut random = SeededRandom::new(seed());
    let drawn: Vec<(u64, u64)> = match count(0, 1) {
        0 => (0..draws).map(|_| *random.pick(&all)).collect(),
        _ => all,
    };
    for (seqno, bit) in drawn {
        match judge(seqno, bit) {
            Said::Refused(_) | Said::Invalid { .. } => {}
            said => panic!("bit {bit} of entry {seqno}: {said:?}"),
        }
    }
}

/// The same natively: `place` puts records into a store.
///
/// # Panics
/// When one passes.
pub fn no_stored_bit_passes<S: SecureLogStore>(
    draws: u64,
    mut place: impl FnMut(&[OwnedRecord]) -> Result<S, StoreError>,
) {
    let untouched = sample_records();
    no_stored_bit_passes_with(draws, |seqno, bit| {
        let mut records = untouched.clone();
        flip_stored_bit(&mut records, seqno, bit);
        open_and_verify(|| place(&records))
    });
}
