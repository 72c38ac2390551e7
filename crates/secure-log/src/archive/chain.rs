//! Verifying a chain of archives, the live log at its end, file after file.

use core::mem;
use std::io::{self, Read};
use std::num::NonZeroUsize;

use crate::archive::links::{ChainReport, PartReport, judge};
use crate::jsonl::{Line, parse_line};
use crate::limits::{Invalid, Problem};
use crate::note::VerifierKey;
use crate::threads;
use crate::verify::{LogVerifier, Passed, Progress, Trust, TrustError, verify_part_on};

/// The most files of a chain: of each its report is kept, of half a MiB at the worst.
pub const MAX_ARCHIVES: usize = 4096;

/// The first line of a log says what it is called: two names of 255 bytes at most, escaped, and fields of fixed lengths.
const MAX_FIRST_LINE_BYTES: usize = 8 << 10;
/// How much is read at once until that line is there.
const CHUNK_BYTES: usize = 4 << 10;

/// Verifies a chain of archives, oldest first, with the live log at its end if it is given, each in memory that its length does
/// not change, on the cores that there are. `name` is what a file is called in the report. `progress` is told now and then how far
/// it is in the file with which number, from 1.
///
/// `trust` is the policy for the first: whose key signs it, and what it is called if the policy names a log. Keys that a log introduces
/// count in those that continue it, keys that it ends do not, and a key that counted for a log counts for the one that continues
/// it under that one's name. Keys that the policy has for later logs count there as well. Seqnos of signers are those of each log.
///
/// An error is one of reading, or a [`TrustError`] as [`io::ErrorKind::InvalidInput`]; a chain that is wrong is a report.
pub fn verify_chain<N: Into<String>, R: Read + Send>(
    parts: impl IntoIterator<Item = (N, R)>,
    trust: &Trust,
    mut progress: impl FnMut(usize, Progress) + Send,
) -> io::Result<ChainReport> {
    verify_chain_on(threads::available(), parts, trust, &mut progress)
}

fn verify_chain_on<N: Into<String>, R: Read + Send>(
    threads: NonZeroUsize,
    parts: impl IntoIterator<Item = (N, R)>,
    trust: &Trust,
    progress: &mut (impl FnMut(usize, Progress) + Send),
) -> io::Result<ChainReport> {
    let mut chain = Chain::new(trust.clone()).map_err(invalid_input)?;
    for (name, mut part) in parts {
        chain.check_room().map_err(invalid_input)?;
        let number = chain.parts.len() + 1;
        let first = read_first_line(&mut part)?;
        let trust = chain.trust_for(&first);
        let tell = |at: Progress| progress(number, at);
        let (report, passed) = verify_part_on(threads, first.as_slice().chain(part), &trust, tell)?;
        chain.add(PartReport { name: name.into(), report }, passed);
    }
    Ok(chain.finish())
}

fn invalid_input(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// The beginning of a file, with its first line if that is none that is too long.
fn read_first_line(part: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    let mut chunk = [0; CHUNK_BYTES];
    while has_first_line(&first).is_none() {
        match part.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => first.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(first)
}

/// The first line, when it is known; one that is too long is no line of a log.
fn has_first_line(bytes: &[u8]) -> Option<&[u8]> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => Some(&bytes[..end]),
        None if bytes.len() > MAX_FIRST_LINE_BYTES => Some(&[]),
        None => None,
    }
}

/// Verifies a chain whose files come in pieces of any size, each announced by [`ChainVerifier::begin`].
#[derive(Debug)]
pub struct ChainVerifier {
    chain: Chain,
    open: Option<OpenPart>,
}

#[derive(Debug)]
struct OpenPart {
    name: String,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    /// Until the first line is there, which says what the log is called.
    FirstLine(Vec<u8>),
    Log(Box<LogVerifier>),
}

impl ChainVerifier {
    /// A verification by these keys: see [`verify_chain`].
    pub fn new(trust: Trust) -> Result<ChainVerifier, TrustError> {
        Ok(ChainVerifier { chain: Chain::new(trust)?, open: None })
    }

    /// What is pushed from now on is the next file.
    pub fn begin(&mut self, name: &str) -> Result<(), Invalid> {
        self.end_part();
        self.chain.check_room()?;
        self.open = Some(OpenPart { name: name.into(), reading: Reading::FirstLine(Vec::new()) });
        Ok(())
    }

    /// Takes the next bytes of the file, and answers whether more of it are needed: after a finding none are.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(OpenPart { reading, .. }) = &mut self.open else { return false };
        match reading {
            Reading::Log(verifier) => verifier.push(bytes),
            Reading::FirstLine(first) => {
                first.extend_from_slice(bytes);
                if has_first_line(first).is_none() {
                    return true;
                }
                let first = mem::take(first);
                let mut verifier = self.chain.verifier_for(&first);
                let goes_on = verifier.push(&first);
                *reading = Reading::Log(Box::new(verifier));
                goes_on
            }
        }
    }

    /// How far it is in the file.
    pub fn progress(&self) -> Progress {
        match &self.open {
            Some(OpenPart { reading: Reading::Log(verifier), .. }) => verifier.progress(),
            _ => Progress { bytes: 0, lines: 0 },
        }
    }

    /// The report, when there are no more files.
    pub fn finish(mut self) -> ChainReport {
        self.end_part();
        self.chain.finish()
    }

    fn end_part(&mut self) {
        let Some(OpenPart { name, reading }) = self.open.take() else { return };
        let verifier = match reading {
            Reading::Log(verifier) => *verifier,
            Reading::FirstLine(first) => {
                let mut verifier = self.chain.verifier_for(&first);
                verifier.push(&first);
                verifier
            }
        };
        let (report, passed) = verifier.finish_part();
        self.chain.add(PartReport { name, report }, passed);
    }
}

/// What was verified so far.
#[derive(Debug)]
struct Chain {
    policy: Trust,
    parts: Vec<PartReport>,
    passed: Vec<Passed>,
}

impl Chain {
    fn new(policy: Trust) -> Result<Chain, TrustError> {
        match policy.check() {
            // Each log is verified under the name that it has.
            Ok(()) | Err(TrustError::OriginNeeded) => Ok(Chain { policy, parts: Vec::new(), passed: Vec::new() }),
            Err(error) => Err(error),
        }
    }

    fn check_room(&self) -> Result<(), Invalid> {
        let found = self.parts.len() + 1;
        if found > MAX_ARCHIVES {
            return Err(Invalid { field: "archives", problem: Problem::TooMany { limit: MAX_ARCHIVES, found } });
        }
        Ok(())
    }

    /// The keys for the file that begins with this line.
    fn trust_for(&self, first: &[u8]) -> Trust {
        let origin = has_first_line(first).and_then(|line| match parse_line(line) {
            Ok(Line::Log(log)) => log.row().ok().map(|row| row.origin.clone()),
            _ => None,
        });
        let Some(before) = self.passed.last() else {
            let mut trust = self.policy.clone();
            if let (Some(origin), None) = (&origin, trust.origin()) {
                trust.set_origin(origin);
            }
            return trust;
        };
        let mut trust = before.trust.clone();
        let Some(origin) = origin else { return trust };
        let of_before = before.origin.as_str();
        let carried: Vec<VerifierKey> =
            trust.log_keys().iter().filter(|key| key.name() == of_before).map(|key| key.renamed(&origin)).collect();
        for key in carried {
            if !trust.log_keys().contains(&key) {
                trust.add_log_key(key);
            }
        }
        trust.set_origin(&origin);
        trust
    }

    fn verifier_for(&self, first: &[u8]) -> LogVerifier {
        // Keys that make no sense together were refused, and those that a log introduces never come to it.
        LogVerifier::new(self.trust_for(first)).expect("the keys were checked")
    }

    fn add(&mut self, part: PartReport, passed: Passed) {
        self.parts.push(part);
        self.passed.push(passed);
    }

    fn finish(self) -> ChainReport {
        judge(self.parts, &self.passed)
    }
}
