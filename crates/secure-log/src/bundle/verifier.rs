//! Verifying a bundle: the order of its lines, and the proofs between them. What the lines of a log say is judged by
//! [`crate::verify::Verifier`].

use std::io::{self, BufReader, Read, Write};

use crate::bundle::Claim;
use crate::hash::Hash;
use crate::jsonl::{BundleLine, Line, LineError, MAX_LINE_BYTES, parse_bundle_line};
use crate::record::HeadRow;
use crate::tree::{leaf_hash, verify_inclusion};
use crate::verify::{
    Alone, Finding, FindingCode, PartHead, Place, Progress, Report, Scope, Trust, TrustError, Verifier,
};

/// Verifies a bundle from a reader, in memory that its length does not change.
///
/// An error is one of reading, or a [`TrustError`] as [`io::ErrorKind::InvalidInput`]; a bundle that is wrong is a report.
///
/// ```
/// use secure_log::bundle::verify_bundle;
/// use secure_log::verify::{Trust, Verdict};
/// let found = verify_bundle(&b"not a bundle\n"[..], &Trust::new()).unwrap();
/// assert!(matches!(found.report.verdict, Verdict::Invalid(_)));
/// ```
pub fn verify_bundle(bundle: impl Read, trust: &Trust) -> io::Result<BundleReport> {
    const CHUNK_BYTES: usize = 256 << 10;
    let invalid_input = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let mut verifier = BundleVerifier::new(trust.clone()).map_err(invalid_input)?;
    match io::copy(&mut BufReader::with_capacity(CHUNK_BYTES, bundle), &mut Pushed(&mut verifier)) {
        // What the verifier has found, no further byte changes.
        Err(error) if verifier.end.is_none() || error.kind() != io::ErrorKind::WriteZero => Err(error),
        _ => Ok(verifier.finish()),
    }
}

/// What a verification of a bundle answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleReport {
    /// What the bundle claims, which is so if the verdict is valid; `None` where it could not be read at all.
    pub claim: Option<Claim>,
    /// A trust policy that whoever made the bundle proposes. Nothing vouches for it, and nothing was checked by it.
    pub hint: Option<String>,
    /// Size and root are those of the head; `complete_to` is 0, as a part of a log shows nothing of that.
    pub report: Report,
}

/// Takes the bytes of a bundle in pieces of any size, and answers at the end.
///
/// It holds one line, and what a [`Verifier`] keeps of streams and closed segments.
#[derive(Debug)]
pub struct BundleVerifier {
    trust: Trust,
    /// What was read; `None` before it is known what is claimed.
    reading: Option<Reading>,
    /// The line that is not finished yet.
    line: Vec<u8>,
    lines: u64,
    position: u64,
    end: Option<End>,
}

/// What ends a verification before the end of the bundle.
#[derive(Debug)]
enum End {
    Invalid(Finding),
    /// Nothing further can be read, for this reason; the verifier of logs may have told its own.
    Unreadable(Option<String>),
    /// There is more than is kept track of.
    Full(String),
}

impl BundleVerifier {
    /// A verification by these keys.
    pub fn new(trust: Trust) -> Result<BundleVerifier, TrustError> {
        trust.check()?;
        Ok(BundleVerifier { trust, reading: None, line: Vec::new(), lines: 0, position: 0, end: None })
    }

    /// Takes the next bytes, and answers whether more are needed.
    pub fn push(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && self.end.is_none() {
            let newline = memchr::memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(newline.unwrap_or(bytes.len()));
            // No more of a line is kept than shows that it is too long.
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            self.position += part.len() as u64;
            bytes = rest;
            if self.line.len() > MAX_LINE_BYTES {
                self.end = Some(End::Invalid(malformed(self.lines + 1, "longer than 34 MiB")));
            } else if self.is_whole() {
                self.end = Some(End::Invalid(malformed(self.lines + 1, "something follows the last proof")));
            } else if newline.is_some() {
                bytes = &rest[1..];
                self.position += 1;
                self.end_line();
            }
        }
        self.end.is_none()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { bytes: self.position, lines: self.lines }
    }

    /// The report, when there are no more bytes.
    pub fn finish(self) -> BundleReport {
        let is_whole = self.is_whole();
        let (verifier, claim, hint) = match self.reading {
            Some(reading) => (reading.verifier, Some(reading.claim), reading.hint),
            None => (Verifier::of_part(self.trust, Scope::Range), None, None),
        };
        let report = match self.end {
            Some(End::Invalid(finding)) => verifier.invalid(finding),
            Some(End::Unreadable(why)) => verifier.unread_part(why),
            Some(End::Full(why)) => verifier.stop_part(&why),
            None if is_whole => verifier.finish_part(),
            None => {
                let at = Place::Line(self.lines + 1);
                verifier.invalid(Finding::new(FindingCode::Truncated, at, "the bundle ends before its last proof"))
            }
        };
        BundleReport { claim, hint, report }
    }

    /// Its last proof was read.
    fn is_whole(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| matches!(reading.stage, Stage::Nothing))
    }

    fn end_line(&mut self) {
        self.lines += 1;
        let line = core::mem::take(&mut self.line);
        let end = match parse_bundle_line(&line) {
            Err(LineError::Malformed { detail }) => Err(malformed(self.lines, detail)),
            Ok(parsed) => self.take(parsed),
        };
        self.line = line;
        self.line.clear();
        self.end = end.unwrap_or_else(|finding| Some(End::Invalid(finding)));
    }

    /// Takes the next line, and answers whether nothing further can be read.
    fn take(&mut self, line: BundleLine<'_>) -> Result<Option<End>, Finding> {
        if let Some(reading) = &mut self.reading {
            reading.take(line, self.lines)?;
            if !matches!(reading.stage, Stage::Log) && !reading.verifier.is_readable() {
                return Ok(Some(End::Unreadable(None)));
            }
            return Ok(reading.verifier.exhausted().map(End::Full));
        }
        match line {
            BundleLine::Claim(claim) => {
                let scope = if claim.stream().is_some() { Scope::Stream } else { Scope::Range };
                let verifier = Verifier::of_part(self.trust.clone(), scope);
                let alone = Alone::new(&self.trust);
                let (hint, head, stage, apart, gone, shown) = (None, None, Stage::Log, None, None, None);
                self.reading = Some(Reading { verifier, alone, claim, hint, head, stage, apart, gone, shown });
                Ok(None)
            }
            BundleLine::OtherVersion(version) => {
                Ok(Some(End::Unreadable(Some(format!("bundle format version {version} is not known here")))))
            }
            _ => misplaced(self.lines),
        }
    }
}

/// A bundle of which it is known what it claims.
#[derive(Debug)]
struct Reading {
    verifier: Verifier,
    alone: Alone,
    claim: Claim,
    hint: Option<String>,
    head: Option<PartHead>,
    stage: Stage,
    apart: Option<Apart>,
    /// The entry of a stream that is gone and was read just now: nothing but a proof shows where it stood.
    gone: Option<u64>,
    /// The entry of a stream whose own proof was read last.
    shown: Option<u64>,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Log,
    Head,
    Left(Root),
    Entries(Root),
    Nothing,
}

/// What all proofs lead to.
#[derive(Clone, Copy, Debug)]
struct Root {
    size: u64,
    hash: Hash,
}

/// An entry that stands apart from what is claimed.
#[derive(Debug)]
struct Apart {
    seqno: u64,
    /// Its stream, once it was read.
    stream: Option<String>,
}

impl Reading {
    fn take(&mut self, line: BundleLine<'_>, number: u64) -> Result<(), Finding> {
        match (self.stage, line) {
            (Stage::Log, BundleLine::Record(line @ Line::Log(_))) => {
                self.verifier.line_of_part(&line, number, &mut self.alone)?;
                self.stage = Stage::Head;
                Ok(())
            }
            (Stage::Log | Stage::Nothing, _) => misplaced(number),
            // What a later version says beside the rest.
            (_, BundleLine::Record(line @ Line::Unknown(_))) => {
                self.verifier.line_of_part(&line, number, &mut self.alone)
            }
            (Stage::Head, BundleLine::Policy(text)) if self.hint.is_none() => {
                self.hint = Some(text.into_owned());
                Ok(())
            }
            (Stage::Head, BundleLine::Record(Line::Head(row))) => self.take_head(row),
            (Stage::Left(root), BundleLine::Left(hashes)) => {
                let before = self.claim.range().0 - 1;
                self.verifier.start_after(before, hashes).map_err(|error| mismatch(number, &error.to_string()))?;
                self.stage = Stage::Entries(root);
                Ok(())
            }
            // Only a proof shows where an entry stood that is gone.
            (Stage::Entries(_), BundleLine::Record(_)) if self.gone.is_some() => misplaced(number),
            (Stage::Entries(_), BundleLine::Record(line)) => self.take_record(&line, number),
            (Stage::Entries(_), BundleLine::Suite(stream, key)) if !self.is_of_stream() => {
                self.verifier.name_key(&stream, key, Place::Line(number))
            }
            (Stage::Entries(_), BundleLine::Apart(seqno)) if !self.is_of_stream() && self.apart.is_none() => {
                let (first, last) = self.claim.range();
                if (first..=last).contains(&seqno) {
                    return Err(malformed(number, "it is part of what is claimed"));
                }
                self.verifier.begin_apart();
                self.apart = Some(Apart { seqno, stream: None });
                Ok(())
            }
            (Stage::Entries(root), BundleLine::Included(seqno, hashes)) => {
                self.take_inclusion(seqno, &hashes, root, number)
            }
            (Stage::Entries(root), BundleLine::Right(hashes)) if !self.is_of_stream() && self.apart.is_none() => {
                let tree = self.verifier.part_tree();
                if tree.size() != self.claim.range().1 {
                    return Err(truncated(number));
                }
                let found = tree.root_in(root.size, &hashes).map_err(|error| mismatch(number, &error.to_string()))?;
                if found != root.hash {
                    return Err(mismatch(number, "it leads to another root").comparing(root.hash, found));
                }
                self.end_claim()
            }
            _ => misplaced(number),
        }
    }

    fn is_of_stream(&self) -> bool {
        self.claim.stream().is_some()
    }

    fn take_head(&mut self, row: HeadRow) -> Result<(), Finding> {
        let (_, last) = self.claim.range();
        if row.size < last {
            let detail = "it does not cover what is claimed";
            return Err(
                Finding::new(FindingCode::HeadMismatch, Place::Head(row.size), detail).comparing(last, row.size)
            );
        }
        let root = Root { size: row.size, hash: row.root };
        self.head = Some(self.verifier.part_head(row)?);
        self.stage = if self.is_of_stream() { Stage::Entries(root) } else { Stage::Left(root) };
        Ok(())
    }

    /// Takes a line that a log has, too.
    fn take_record(&mut self, line: &Line<'_>, number: u64) -> Result<(), Finding> {
        match &mut self.apart {
            Some(apart) => match line {
                Line::Stream(_) | Line::Signature(_) => {}
                Line::Segment(_) if apart.stream.is_none() => {}
                Line::Entry(entry) if apart.stream.is_none() && entry.seqno == apart.seqno => {
                    if self.verifier.has_begun(&entry.stream) {
                        return Err(malformed(number, "its stream has begun"));
                    }
                    apart.stream = Some((*entry.stream).into());
                }
                _ => return misplaced(number),
            },
            None => self.check_record(line, number)?,
        }
        self.verifier.line_of_part(line, number, &mut self.alone)
    }

    /// Checks that a line that does not stand apart can be part of what is claimed.
    fn check_record(&mut self, line: &Line<'_>, number: u64) -> Result<(), Finding> {
        match line {
            Line::Segment(_) | Line::Signature(_) | Line::Entry(_) => {}
            Line::Pruned(_) if !matches!(self.claim, Claim::Entry { .. }) => {}
            Line::DataKey(_) if self.is_of_stream() => {}
            Line::Stream(line) => {
                // A suite and a key that do not go together are for the verifier to find.
                let other = |name: &str| self.claim.stream().is_some_and(|stream| stream != name);
                if line.row().is_ok_and(|row| other(&row.name)) {
                    return Err(malformed(number, "another stream"));
                }
            }
            _ => return misplaced(number),
        }
        let Some(seqno) = line.seqno() else { return Ok(()) };
        let (first, last) = self.claim.range();
        let begun = self.verifier.last_entry().is_some();
        if seqno > last || (self.is_of_stream() && !begun && seqno != first) {
            return Err(Finding::new(FindingCode::Gap, Place::Seqno(seqno), "not what is claimed")
                .comparing(if begun { last } else { first }, seqno));
        }
        if self.is_of_stream() && matches!(line, Line::Pruned(_)) {
            // That it is no later one is found below.
            let is_unshown = |before| before < seqno && self.shown != Some(before);
            if self.verifier.last_entry().is_some_and(|(before, _)| is_unshown(before)) {
                return Err(malformed(number, "nothing shows the entry before it: what is gone names none"));
            }
            self.gone = Some(seqno);
        }
        Ok(())
    }

    /// Takes the proof of an entry: one that stands apart, one that is gone or stands before one that is, or the last of a stream.
    fn take_inclusion(&mut self, seqno: u64, hashes: &[Hash], root: Root, number: u64) -> Result<(), Finding> {
        let (_, last) = self.claim.range();
        let is_before = self.verifier.last_entry().is_some_and(|(read, _)| read == seqno)
            && self.is_of_stream()
            && seqno < last
            && self.shown != Some(seqno);
        let expected = match (&self.apart, self.gone) {
            (Some(apart), _) => apart.stream.is_some().then_some(apart.seqno),
            (None, Some(gone)) => Some(gone),
            (None, None) if is_before => Some(seqno),
            (None, None) => self.is_of_stream().then_some(last),
        };
        let Some((read, hash)) = self.verifier.last_entry().filter(|_| Some(seqno) == expected) else {
            return misplaced(number);
        };
        if read != seqno {
            return Err(truncated(number));
        }
        // There is no entry 0, and no leaf with the index that this makes of it.
        let index = seqno.wrapping_sub(1);
        verify_inclusion(&leaf_hash(&hash), index, root.size, hashes, &root.hash)
            .map_err(|error| mismatch(number, &error.to_string()))?;
        match (self.apart.take().and_then(|apart| apart.stream), self.gone.take()) {
            (Some(stream), _) => self.verifier.end_apart(&stream, Place::Seqno(seqno)),
            (None, gone) if gone.is_some() || is_before => {
                self.shown = Some(seqno);
                Ok(())
            }
            (None, _) => self.end_claim(),
        }
    }

    /// Everything that is claimed was read, and stands under the head.
    fn end_claim(&mut self) -> Result<(), Finding> {
        self.stage = Stage::Nothing;
        let head = self.head.as_ref().expect("entries are read only under a head");
        self.verifier.end_part(head)
    }
}

fn misplaced<T>(line: u64) -> Result<T, Finding> {
    Err(malformed(line, "not what stands here in a bundle"))
}

fn malformed(line: u64, detail: &str) -> Finding {
    Finding::new(FindingCode::Malformed, Place::Line(line), detail)
}

fn mismatch(line: u64, detail: &str) -> Finding {
    Finding::new(FindingCode::ProofMismatch, Place::Line(line), detail)
}

fn truncated(line: u64) -> Finding {
    Finding::new(FindingCode::Truncated, Place::Line(line), "a proof before the last entry that is claimed")
}

/// A verifier as something that can be written to. It takes nothing more once it has found something.
struct Pushed<'v>(&'v mut BundleVerifier);

impl Write for Pushed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.push(bytes) { Ok(bytes.len()) } else { Ok(0) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{MissingCode, Verdict};

    fn begun(kind: &str) -> BundleVerifier {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/secure-log/bundles/");
        let bundle = std::fs::read(format!("{golden}{kind}.jsonl")).unwrap();
        let mut verifier = BundleVerifier::new(Trust::new()).unwrap();
        for line in bundle.split_inclusive(|b| *b == b'\n').take(4) {
            assert!(verifier.push(line));
        }
        verifier
    }

    #[test]
    fn an_endless_line_takes_no_more_memory_than_the_longest_line_and_is_not_waited_for() {
        let mut verifier = begun("range");
        let piece = vec![b'x'; 1 << 20];
        let taken = (0..100).take_while(|_| verifier.push(&piece)).count();
        assert_eq!(taken, MAX_LINE_BYTES >> 20);
        assert!(verifier.line.capacity() <= 2 * (MAX_LINE_BYTES + 1));
        let Verdict::Invalid(finding) = verifier.finish().report.verdict else { panic!("not invalid") };
        assert_eq!((finding.code, finding.at), (FindingCode::Malformed, Place::Line(5)));
    }

    #[test]
    fn more_streams_or_segments_than_are_kept_track_of_end_it() {
        for (kind, streams, segments) in [("range", 0, 9), ("range-to-the-last", 9, 0), ("stream-auth", 9, 0)] {
            let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/secure-log/bundles/");
            let bundle = std::fs::read(format!("{golden}{kind}.jsonl")).unwrap();
            let first = bundle.split_inclusive(|b| *b == b'\n').next().unwrap();
            let mut verifier = BundleVerifier::new(Trust::new()).unwrap();
            verifier.push(first);
            verifier.reading.as_mut().unwrap().verifier.keep_track_of(streams, segments);
            assert!(!verifier.push(&bundle[first.len()..]), "{kind}");
            let report = verifier.finish().report;
            assert_eq!(report.verdict, Verdict::Incomplete);
            assert!(report.missing.iter().any(|what| what.code == MissingCode::Limit), "{kind}: {report:?}");
        }
    }

    #[test]
    fn a_reader_that_fails_is_an_error_and_one_that_never_ends_is_left() {
        struct Endless(usize);
        impl Read for Endless {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::UnexpectedEof)?;
                out.fill(b'\n');
                Ok(out.len())
            }
        }
        let report = verify_bundle(Endless(2), &Trust::new()).unwrap().report;
        assert!(matches!(report.verdict, Verdict::Invalid(found) if found.at == Place::Line(1)));
        let error = verify_bundle(Endless(0), &Trust::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn keys_that_make_no_sense_together_are_an_error_and_no_verdict() {
        let mut trust = Trust::new();
        trust.add_witness("log.example+1cc758f9+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".parse().unwrap());
        assert_eq!(verify_bundle(&b""[..], &trust).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
