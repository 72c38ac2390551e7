//! Verifying a file of JSON lines: commits, torn ones, and what the disk never got (format.md s.7).

use std::io::{self, Read};

use crate::jsonl::{HEAD_PREFIX, LineError, MAX_LINE_BYTES, parse_line};
use crate::verify::finding::{Finding, FindingCode, Place};
use crate::verify::report::Report;
use crate::verify::trust::{Trust, TrustError};
use crate::verify::verifier::Verifier;

/// The largest commit that is verified. It holds any batch: 64 MiB of payload with every byte escaped are 128 MiB, and
/// 2^15 entries with six names of 255 escaped bytes and a signature of 3072 bits each are 163 MiB.
pub const MAX_COMMIT_BYTES: usize = 320 << 20;

/// Verifies a log as it lies in a file, in memory that its length does not change. `progress` is told now and then how far
/// it is.
///
/// An error is one of reading, or a [`TrustError`] as [`io::ErrorKind::InvalidInput`]; a log that is wrong is a report.
///
/// ```
/// use secure_log::verify::{Trust, Verdict, verify_jsonl};
/// let mut trust = Trust::new();
/// trust.add_log_key("log.example+1cc758f9+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".parse().unwrap());
/// let report = verify_jsonl(&b"not a log\n"[..], &trust, |_| {}).unwrap();
/// assert!(matches!(report.verdict, Verdict::Invalid(_)));
/// ```
pub fn verify_jsonl(mut log: impl Read, trust: &Trust, mut progress: impl FnMut(Progress)) -> io::Result<Report> {
    const CHUNK_BYTES: usize = 256 << 10;
    let invalid_input = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let mut verifier = LogVerifier::new(trust.clone()).map_err(invalid_input)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match log.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if !verifier.push(&chunk[..read]) {
            break;
        }
        progress(verifier.progress());
    }
    Ok(verifier.finish())
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read.
    pub bytes: u64,
    /// Lines that were read.
    pub lines: u64,
}

/// Takes the bytes of a log file in pieces of any size, and answers at the end.
///
/// It holds the bytes of one commit, because what a commit says counts only when its head is there.
#[derive(Debug)]
pub struct LogVerifier {
    verifier: Verifier,
    /// Lines of the commit that has no head yet, each with its newline.
    commit: Vec<u8>,
    /// Where the line that is not finished yet begins in `commit`.
    line_start: usize,
    /// Where the commit begins in the file.
    commit_start: u64,
    /// Bytes that were read.
    position: u64,
    /// Lines that were read, and those of them that stand before the commit.
    lines: u64,
    lines_before: u64,
    sectors: LostSectors,
    end: Option<End>,
    /// [`MAX_COMMIT_BYTES`], but in tests.
    limit: usize,
}

/// What ends a verification before the end of the file.
#[derive(Debug)]
enum End {
    Invalid(Finding),
    /// The last commit lost a sector. That makes it a torn one, unless something follows: then it is this damage.
    LostSector(Finding),
    TooLarge,
}

impl LogVerifier {
    /// A verification by these keys.
    pub fn new(trust: Trust) -> Result<LogVerifier, TrustError> {
        trust.check()?;
        Ok(LogVerifier {
            verifier: Verifier::new(trust),
            commit: Vec::new(),
            line_start: 0,
            commit_start: 0,
            position: 0,
            lines: 0,
            lines_before: 0,
            sectors: LostSectors::default(),
            end: None,
            limit: MAX_COMMIT_BYTES,
        })
    }

    /// Takes the next bytes, and answers whether more are needed: after a finding none are.
    pub fn push(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if let Some(End::LostSector(_)) = self.end {
                let Some(End::LostSector(finding)) = self.end.take() else { return false };
                self.end = Some(End::Invalid(finding));
            }
            if self.end.is_some() {
                return false;
            }
            let newline = memchr::memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(newline.unwrap_or(bytes.len()));
            self.take(part);
            bytes = rest;
            if newline.is_some() {
                bytes = &rest[1..];
                self.end_line();
            }
            if self.commit.len() > self.limit && self.end.is_none() {
                self.end = Some(End::TooLarge);
            }
        }
        !matches!(self.end, Some(End::Invalid(_) | End::TooLarge))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { bytes: self.position, lines: self.lines }
    }

    /// The report, when there are no more bytes.
    pub fn finish(self) -> Report {
        match self.end {
            Some(End::Invalid(finding)) => self.verifier.invalid(finding),
            Some(End::TooLarge) => self.verifier.stop(&format!(
                "the commit that begins at line {} is larger than {} MiB: nothing from there on was checked",
                self.lines_before + 1,
                MAX_COMMIT_BYTES >> 20
            )),
            Some(End::LostSector(_)) | None => self.verifier.finish(self.position - self.commit_start),
        }
    }

    /// Takes a part of a line. No more of a line is kept than shows that it is too long.
    fn take(&mut self, part: &[u8]) {
        self.sectors.take(part, self.position, self.commit_start);
        let room = (MAX_LINE_BYTES + 1).saturating_sub(self.commit.len() - self.line_start);
        self.commit.extend_from_slice(&part[..part.len().min(room)]);
        self.position += part.len() as u64;
    }

    fn end_line(&mut self) {
        self.sectors.end_line(self.position, self.commit_start);
        let line = &self.commit[self.line_start..];
        let ends_commit = line.starts_with(HEAD_PREFIX) || self.lines == 0;
        self.commit.push(b'\n');
        self.position += 1;
        self.lines += 1;
        self.line_start = self.commit.len();
        if ends_commit {
            self.end_commit();
        }
    }

    fn end_commit(&mut self) {
        let lost = self.sectors.lost;
        let mut number = self.lines_before;
        let mut rest = &self.commit[..];
        let mut outcome = Ok(());
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            let line = &rest[..newline];
            rest = &rest[newline + 1..];
            number += 1;
            outcome = match parse_line(line) {
                Err(LineError::Malformed { detail }) => {
                    Err(Finding::new(FindingCode::Malformed, Place::Line(number), detail))
                }
                // Nothing of such a commit counts but the damage, which is a line that cannot be read.
                _ if lost => continue,
                Ok(line) => self.verifier.line(&line, number),
            };
            if outcome.is_err() {
                break;
            }
        }
        if let Err(finding) = outcome {
            self.end = Some(if lost { End::LostSector(finding) } else { End::Invalid(finding) });
            return;
        }
        self.commit.clear();
        self.line_start = 0;
        self.commit_start = self.position;
        self.lines_before = self.lines;
        self.sectors = LostSectors::default();
    }
}

/// Looks for runs of NUL bytes where sectors of a commit never reached the disk.
#[derive(Debug, Default)]
struct LostSectors {
    /// Where the run begins that the last byte is part of.
    run: Option<u64>,
    /// There was one that covers sectors.
    lost: bool,
}

const SECTOR_BYTES: u64 = 512;

impl LostSectors {
    /// Takes a part of a line that stands at `position` in the file.
    fn take(&mut self, part: &[u8], position: u64, commit_start: u64) {
        let mut at = 0;
        while at < part.len() {
            let rest = &part[at..];
            if rest[0] == 0 {
                self.run.get_or_insert(position + at as u64);
                at += rest.iter().position(|&b| b != 0).unwrap_or(rest.len());
            } else {
                self.end_run(position + at as u64, commit_start);
                at += memchr::memchr(0, rest).unwrap_or(rest.len());
            }
        }
    }

    /// A newline stands at `position`.
    fn end_line(&mut self, position: u64, commit_start: u64) {
        self.end_run(position, commit_start);
    }

    fn end_run(&mut self, end: u64, commit_start: u64) {
        if let Some(start) = self.run.take() {
            let begins = start == commit_start || start.is_multiple_of(SECTOR_BYTES);
            self.lost |= begins && end.is_multiple_of(SECTOR_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::report::Verdict;

    const LOG: &[u8] = br#"{"t":"log","v":1,"id":"000102030405060708090a0b0c0d0e0f","origin":"log.example","created":"2026-11-20T04:00:00.000000000Z"}
"#;

    fn started() -> LogVerifier {
        let mut verifier = LogVerifier::new(Trust::new()).unwrap();
        assert!(verifier.push(LOG));
        verifier
    }

    #[test]
    fn an_endless_line_takes_no_more_memory_than_the_longest_line() {
        let mut verifier = started();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            assert!(verifier.push(&piece));
            assert!(verifier.commit.len() <= MAX_LINE_BYTES + 1);
        }
        assert!(verifier.commit.capacity() <= 2 * (MAX_LINE_BYTES + 1));
        assert!(!verifier.push(b"\n{\"t\":\"head\"}\n"));
        assert!(!verifier.push(LOG), "nothing changes an answer that is found");
        let Verdict::Invalid(finding) = verifier.finish().verdict else { panic!("not invalid") };
        assert_eq!((finding.code, finding.at), (FindingCode::Malformed, Place::Line(2)));
    }

    #[test]
    fn a_line_without_an_end_is_a_torn_commit() {
        let mut verifier = started();
        verifier.push(&vec![b'x'; MAX_LINE_BYTES + 1000]);
        let report = verifier.finish();
        assert_eq!(report.verdict, Verdict::Incomplete);
        let torn = format!("{} bytes after the last head: a commit that was never finished", MAX_LINE_BYTES + 1000);
        assert_eq!(report.missing[0], torn);
    }

    #[test]
    fn what_follows_a_commit_that_is_too_large_is_neither_right_nor_wrong() {
        let log = std::fs::read(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../vectors/secure-log/logs/prune-record-under-no-trusted-head.jsonl"
        ))
        .unwrap();
        // Its first commit has a pruned line, and its second the entry that allows it.
        let first_head = memchr::memmem::find(&log, HEAD_PREFIX).unwrap();
        let split = first_head + memchr::memchr(b'\n', &log[first_head..]).unwrap() + 1;
        let mut verifier = LogVerifier::new(Trust::new()).unwrap();
        assert!(verifier.push(&log[..split]));
        verifier.limit = 100;
        assert!(!verifier.push(&log[split..]));
        let report = verifier.finish();
        assert_eq!((report.verdict, report.pruned, report.heads), (Verdict::Incomplete, 1, 1));
        let said = report.missing.iter().any(|what| what.contains("nothing from there on was checked"));
        assert!(said, "{:?}", report.missing);
        let mut cut = LogVerifier::new(Trust::new()).unwrap();
        cut.push(&log[..split]);
        assert!(matches!(cut.finish().verdict, Verdict::Invalid(f) if f.code == FindingCode::PruneUnauthorized));
    }

    #[test]
    fn runs_of_nul_are_lost_sectors_where_a_disk_would_have_made_them() {
        let lost = |start: u64, end: u64, commit_start: u64| {
            let mut sectors = LostSectors::default();
            let line = [vec![b'x'; 3], vec![0; (end - start) as usize], vec![b'y'; 3]].concat();
            // However the line is cut into parts, the run is one.
            let parts = line.chunks(100).map(<[u8]>::len);
            let mut at = 0;
            for length in parts {
                sectors.take(&line[at..at + length], start - 3 + at as u64, commit_start);
                at += length;
            }
            sectors.end_line(start - 3 + line.len() as u64, commit_start);
            sectors.lost
        };
        assert!(lost(512, 1024, 100));
        assert!(lost(512, 1536, 100));
        assert!(lost(100, 1024, 100), "from where the commit begins");
        assert!(!lost(101, 1024, 100));
        assert!(!lost(512, 1023, 100));
        assert!(!lost(513, 1024, 100));
    }

    #[test]
    fn keys_that_make_no_sense_together_are_an_error_and_no_verdict() {
        let mut trust = Trust::new();
        trust.add_witness("log.example+1cc758f9+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".parse().unwrap());
        let error = verify_jsonl(LOG, &trust, |_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
