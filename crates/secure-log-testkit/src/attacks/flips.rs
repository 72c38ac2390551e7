//! Row 1 of the attack table: every bit of every stored field of an entry.

use secure_log::engine::SecureLog;
use secure_log::store::{SecureLogStore, StoreError};
use secure_log::verify::{Finding, FindingCode, Place, Verdict};

use super::sample::{options, providers, sample_records, to_jsonl};

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
    pub fn misjudged(&self, finding: &Finding) -> Option<String> {
        let here = match (finding.code, &finding.at) {
            (FindingCode::Malformed, Place::Line(line)) => *line == self.line,
            // A record of an unknown kind is passed over; the next entry is then missed.
            (_, _) if self.key == "t" => true,
            (FindingCode::Gap, Place::Seqno(found)) => self.key == "seqno" && *found != self.seqno,
            (FindingCode::Downgrade, at) => self.key == "version" && *at == Place::Seqno(self.seqno),
            (FindingCode::ChainBroken, at) => matches!(self.key, "stream" | "prev") && *at == Place::Seqno(self.seqno),
            (FindingCode::HashMismatch, at) => {
                !matches!(self.key, "t" | "version" | "stream" | "seqno" | "prev") && *at == Place::Seqno(self.seqno)
            }
            _ => false,
        };
        (!here).then(|| format!("{self:?} was found as {finding}"))
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
    for flip in flips {
        // A refusal is as good as a finding.
        let Ok(store) = place(&flip.apply(file)) else { continue };
        let Ok(mut log) = SecureLog::open(store, providers(), options()) else { continue };
        let Ok(report) = log.verify_log() else { continue };
        let Verdict::Invalid(finding) = &report.verdict else { panic!("{flip:?} is {}", report.verdict.as_str()) };
        let wrong = flip.misjudged(finding);
        assert_eq!(wrong, None);
    }
}
