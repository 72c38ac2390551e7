//! Verifying a file of JSON lines: as it lies, on as many cores as there are, or in pieces as they come (format.md s.7).

use core::iter;
use core::num::NonZeroUsize;
use core::ops::Range;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::jsonl::{Line, LineError};
use crate::threads::{self, MAX_THREADS};
use crate::verify::blocks::{Block, Damaged, Splitter};
use crate::verify::conclusion::Passed;
use crate::verify::finding::{Finding, FindingCode, Place};
use crate::verify::prepared::{Found, Preparation, ReadLine};
use crate::verify::report::Report;
use crate::verify::trust::{Trust, TrustError};
use crate::verify::verifier::Verifier;

/// The largest commit that is verified. It holds any batch: 64 MiB of payload with every byte escaped are 128 MiB, and
/// 2^15 entries with six names of 255 escaped bytes and a signature of 3072 bits each are 163 MiB.
pub const MAX_COMMIT_BYTES: usize = 320 << 20;
/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// How many lines of a damaged block are prepared before it is their turn to be judged; what they hold besides the block is
/// some hundred bytes each.
const MAX_LINES_AHEAD: usize = 4096;

/// Verifies a log as it lies in a file, in memory that its length does not change, on the cores that there are.
/// `progress` is told now and then how far it is.
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
pub fn verify_jsonl(log: impl Read + Send, trust: &Trust, progress: impl FnMut(Progress) + Send) -> io::Result<Report> {
    verify_jsonl_on(threads::available(), log, trust, progress)
}

/// The same on so many threads at the most. The report does not depend on it.
pub fn verify_jsonl_on(
    threads: NonZeroUsize,
    log: impl Read + Send,
    trust: &Trust,
    progress: impl FnMut(Progress) + Send,
) -> io::Result<Report> {
    verify_part_on(threads, log, trust, progress).map(|(report, _)| report)
}

/// The same, with what counts for a log that continues this one.
pub(crate) fn verify_part_on(
    threads: NonZeroUsize,
    log: impl Read + Send,
    trust: &Trust,
    progress: impl FnMut(Progress) + Send,
) -> io::Result<(Report, Passed)> {
    let invalid_input = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let mut verifier = LogVerifier::new(trust.clone()).map_err(invalid_input)?;
    let (mut log, mut progress) = (log, progress);
    loop {
        let read = verifier.splitter.read(&mut log, CHUNK_BYTES)?;
        let goes_on = verifier.judge_blocks();
        if read == 0 || !goes_on {
            return Ok(verifier.finish_part());
        }
        progress(verifier.progress());
        // What is longer than a chunk is worth further threads.
        if threads > NonZeroUsize::MIN && verifier.progress().bytes >= CHUNK_BYTES as u64 {
            return verify_side_by_side(threads, log, verifier, progress);
        }
    }
}

/// Goes on with a verification that has begun: each thread takes the next block that was read, prepares its lines, and
/// judges them when those before them were judged.
fn verify_side_by_side(
    threads: NonZeroUsize,
    log: impl Read + Send,
    verifier: LogVerifier,
    progress: impl FnMut(Progress) + Send,
) -> io::Result<(Report, Passed)> {
    let LogVerifier { preparation, splitter, judge } = verifier;
    let feed = Mutex::new(Feed { log, splitter, shared: None, pieces: 0, ended: None });
    let bench = Mutex::new(Bench { judge, judged: 0, progress });
    let turn = Condvar::new();
    thread::scope(|scope| {
        let work = || work(&feed, &preparation, &bench, &turn);
        for _ in 1..threads.get().min(MAX_THREADS) {
            // Where the system gives no further thread, those that there are do all of it.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let Feed { splitter, ended, .. } = feed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Bench { judge, .. } = bench.into_inner().unwrap_or_else(PoisonError::into_inner);
    match ended {
        Some(Err(error)) => Err(error),
        _ => Ok(judge.finish_part(&splitter)),
    }
}

/// Where blocks come from, cut into pieces that threads share evenly.
struct Feed<R> {
    log: R,
    splitter: Splitter,
    /// The block that is handed out, and which of its lines are next.
    shared: Option<(Arc<WholeBlock>, usize)>,
    /// How many pieces were handed out.
    pieces: u64,
    ended: Option<io::Result<()>>,
}

/// A block of whole commits.
struct WholeBlock {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    lines_before: u64,
    damaged: Option<Damaged>,
    progress: Progress,
}

/// Some of its lines, to be judged as the piece with this number.
struct Piece {
    number: u64,
    of: Arc<WholeBlock>,
    lines: Range<usize>,
}

/// How often a thread looks whether it is its turn before it sleeps: for some tens of microseconds.
const LOOKS_BEFORE_SLEEP: u32 = 2000;
/// How many lines a piece has at the most, of a block that is not damaged: what is said of damage is said of a commit as a whole.
const PIECE_LINES: usize = 400;

impl Piece {
    fn as_block(&self) -> Block<'_> {
        let WholeBlock { bytes, ends, lines_before, damaged, .. } = &*self.of;
        let first = self.lines.start;
        Block {
            bytes,
            start: first.checked_sub(1).map_or(0, |before| ends[before] + 1),
            ends: &ends[self.lines.clone()],
            lines_before: lines_before + first as u64,
            damaged: *damaged,
        }
    }
}

impl<R: Read> Feed<R> {
    /// The next piece. `spent` is the buffer of an earlier block.
    fn next(&mut self, spent: Vec<u8>) -> Option<Piece> {
        let (block, first) = match self.shared.take() {
            Some(shared) => shared,
            None => (Arc::new(self.read_block(spent)?), 0),
        };
        let lines = block.ends.len();
        let last = if block.damaged.is_some() { lines } else { lines.min(first + PIECE_LINES) };
        if last < lines {
            self.shared = Some((Arc::clone(&block), last));
        }
        let number = self.pieces;
        self.pieces += 1;
        Some(Piece { number, of: block, lines: first..last })
    }

    /// Hands out nothing more.
    fn end(&mut self) {
        self.ended.get_or_insert(Ok(()));
        self.shared = None;
    }

    fn read_block(&mut self, spent: Vec<u8>) -> Option<WholeBlock> {
        while self.splitter.block().is_none() {
            if self.ended.is_some() || self.splitter.is_too_large() {
                return None;
            }
            match self.splitter.read(&mut self.log, CHUNK_BYTES) {
                Ok(0) => self.ended = Some(Ok(())),
                Ok(_) => {}
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        let block = self.splitter.block()?;
        let (lines_before, damaged) = (block.lines_before, block.damaged);
        let progress = progress(&self.splitter);
        let (bytes, ends) = self.splitter.take_block(spent);
        Some(WholeBlock { bytes, ends, lines_before, damaged, progress })
    }
}

/// Where blocks are judged, one after the other.
struct Bench<P> {
    judge: Judge,
    /// How many blocks were judged, which is the number of the next one.
    judged: u64,
    progress: P,
}

fn work(
    feed: &Mutex<Feed<impl Read>>,
    preparation: &Preparation,
    bench: &Mutex<Bench<impl FnMut(Progress)>>,
    turn: &Condvar,
) {
    let mut spent = Vec::new();
    let mut scratch = Vec::new();
    loop {
        let Some(piece) = lock(feed).next(core::mem::take(&mut spent)) else { return };
        let block = piece.as_block();
        let ahead = preparation.read_all(block.lines().take(MAX_LINES_AHEAD), &mut scratch);
        let mut bench = wait_for_turn(bench, turn, piece.number);
        let goes_on = bench.judge.block(&block, &ahead, preparation);
        bench.judged += 1;
        if goes_on {
            (bench.progress)(piece.of.progress);
        } else {
            lock(feed).end();
        }
        drop(bench);
        turn.notify_all();
        drop(ahead);
        spent = Arc::into_inner(piece.of).map_or_else(Vec::new, |block| block.bytes);
    }
}

/// The bench, when the pieces before this one were judged.
fn wait_for_turn<'b, P>(bench: &'b Mutex<Bench<P>>, turn: &Condvar, number: u64) -> MutexGuard<'b, Bench<P>> {
    // The one before it is mostly done in less time than it takes to fall asleep and be woken.
    for _ in 0..LOOKS_BEFORE_SLEEP {
        if let Ok(bench) = bench.try_lock()
            && bench.judged == number
        {
            return bench;
        }
        core::hint::spin_loop();
    }
    turn.wait_while(lock(bench), |bench| bench.judged != number).unwrap_or_else(PoisonError::into_inner)
}

/// A thread that panicked ends the verification by its panic, so that what it leaves is of no further use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read.
    pub bytes: u64,
    /// Lines that were read.
    pub lines: u64,
}

fn progress(splitter: &Splitter) -> Progress {
    let (bytes, lines) = splitter.read_so_far();
    Progress { bytes, lines }
}

/// Takes the bytes of a log file in pieces of any size, and answers at the end.
///
/// It holds the bytes of one commit, because what a commit says counts only when its head is there.
#[derive(Debug)]
pub struct LogVerifier {
    preparation: Preparation,
    splitter: Splitter,
    judge: Judge,
}

impl LogVerifier {
    /// A verification by these keys.
    pub fn new(trust: Trust) -> Result<LogVerifier, TrustError> {
        trust.check()?;
        let verifier = Verifier::new(trust);
        let preparation = verifier.preparation();
        let judge = Judge { verifier, end: None };
        Ok(LogVerifier { preparation, splitter: Splitter::new(MAX_COMMIT_BYTES), judge })
    }

    /// Takes the next bytes, and answers whether more are needed: after a finding none are.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        // However much comes at once, no more of it is copied than a chunk.
        bytes.chunks(CHUNK_BYTES).all(|chunk| {
            if !self.judge.takes_more(&self.splitter) {
                return false;
            }
            self.splitter.push(chunk);
            self.judge_blocks()
        })
    }

    /// Judges the commits that are whole, and answers whether more bytes are needed.
    fn judge_blocks(&mut self) -> bool {
        while let Some(block) = self.splitter.block() {
            if !self.judge.block(&block, &[], &self.preparation) {
                return false;
            }
            self.splitter.discard_block();
        }
        self.judge.takes_more(&self.splitter)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        progress(&self.splitter)
    }

    /// The report, when there are no more bytes.
    pub fn finish(self) -> Report {
        self.judge.finish(&self.splitter)
    }

    /// The same, with what counts for a log that continues this one.
    pub(crate) fn finish_part(self) -> (Report, Passed) {
        self.judge.finish_part(&self.splitter)
    }
}

/// Judges whole commits in their order.
#[derive(Debug)]
struct Judge {
    verifier: Verifier,
    end: Option<End>,
}

/// What ends a verification before the end of the file.
#[derive(Debug)]
enum End {
    Invalid(Finding),
    /// The last commit lost a sector. That makes it a torn one, unless something follows: then it is this damage.
    /// With where the commit begins in the file.
    LostSector(Finding, u64),
    /// There is more than is kept track of.
    Full(String),
}

impl Judge {
    /// Judges the lines of a block, the first of which were read before, and answers whether more are needed.
    fn block(&mut self, block: &Block<'_>, ahead: &[ReadLine<'_>], preparation: &Preparation) -> bool {
        self.something_follows();
        let mut numbers = block.lines_before + 1..;
        let mut judge = |(line, found): &ReadLine<'_>| {
            let number = numbers.next().expect("a file has fewer lines than there are numbers");
            self.line(line, found, number, block.damaged, preparation)
        };
        let mut scratch = Vec::new();
        let mut goes_on = ahead.iter().all(&mut judge);
        let mut lines = block.lines().skip(ahead.len());
        // Lines are read one by one, until there is a signature: of many it is worth to be checked together.
        let mut together = 1;
        while let Some(line) = lines.next().filter(|_| goes_on) {
            if together > 1 {
                let read =
                    preparation.read_all(iter::once(line).chain(lines.by_ref().take(together - 1)), &mut scratch);
                goes_on = read.iter().all(&mut judge);
                if !read.iter().any(|(line, _)| matches!(line, Ok(Line::Signature(_)))) {
                    together = 1;
                }
            } else {
                let read = preparation.read(line, &mut scratch);
                if matches!(read.0, Ok(Line::Signature(_))) {
                    together = PIECE_LINES;
                }
                goes_on = judge(&read);
            }
        }
        !matches!(self.end, Some(End::Invalid(_) | End::Full(_)))
    }

    /// Judges a line, and answers whether more are needed.
    fn line(
        &mut self,
        line: &Result<Line<'_>, LineError>,
        found: &Found,
        number: u64,
        damaged: Option<Damaged>,
        preparation: &Preparation,
    ) -> bool {
        if self.end.is_some() {
            return false;
        }
        let lost = damaged.filter(|damaged| number > damaged.lines_before);
        let outcome = match line {
            Err(LineError::Malformed { detail }) => {
                Err(Finding::new(FindingCode::Malformed, Place::Line(number), *detail))
            }
            // Nothing of such a commit counts but the damage, which is a line that cannot be read.
            _ if lost.is_some() => return true,
            Ok(line) => self.verifier.line(line, found, number, preparation),
        };
        self.end = match outcome {
            Err(finding) => Some(match lost {
                Some(commit) => End::LostSector(finding, commit.position),
                None => End::Invalid(finding),
            }),
            Ok(()) if matches!(line, Ok(Line::Stream(_) | Line::Segment(_))) => {
                self.verifier.exhausted().map(End::Full)
            }
            Ok(()) => None,
        };
        self.end.is_none()
    }

    fn something_follows(&mut self) {
        self.end = match self.end.take() {
            Some(End::LostSector(finding, _)) => Some(End::Invalid(finding)),
            other => other,
        };
    }

    /// Whether more bytes may change the answer. What follows the commits is no whole one.
    fn takes_more(&mut self, rest: &Splitter) -> bool {
        if rest.open_bytes() > 0 {
            self.something_follows();
        }
        !matches!(self.end, Some(End::Invalid(_) | End::Full(_))) && !rest.is_too_large()
    }

    fn finish_part(self, rest: &Splitter) -> (Report, Passed) {
        let passed = self.verifier.passed();
        (self.finish(rest), passed)
    }

    /// The report, when there are no more bytes but those that follow the commits.
    fn finish(mut self, rest: &Splitter) -> Report {
        let complete = self.takes_more(rest) || self.end.is_some();
        match self.end {
            Some(End::Invalid(finding)) => self.verifier.invalid(finding),
            Some(End::Full(why)) => self.verifier.stop(&why),
            None if !complete => self.verifier.stop(&format!(
                "the commit that begins at line {} is larger than {} MiB: nothing from there on was checked",
                rest.lines_in_commits() + 1,
                MAX_COMMIT_BYTES >> 20
            )),
            Some(End::LostSector(_, position)) => self.verifier.finish(rest.read_so_far().0 - position),
            None => self.verifier.finish(rest.torn_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonl::{HEAD_PREFIX, MAX_LINE_BYTES};
    use crate::verify::missing::MissingCode;
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
            assert!(verifier.splitter.open_bytes() <= MAX_LINE_BYTES + 1);
        }
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
        assert_eq!(report.missing[0].to_string(), torn);
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
        for chunk in [1, 10, log.len()] {
            let mut verifier = LogVerifier::new(Trust::new()).unwrap();
            assert!(verifier.push(&log[..split]));
            verifier.splitter.limit = 100;
            assert!(log[split..].chunks(chunk).any(|bytes| !verifier.push(bytes)));
            let report = verifier.finish();
            assert_eq!((report.verdict, report.pruned, report.heads), (Verdict::Incomplete, 1, 1), "{chunk}");
            let said = report.missing.iter().any(|what| what.detail.contains("nothing from there on was checked"));
            assert!(said, "{:?}", report.missing);
        }
        let mut cut = LogVerifier::new(Trust::new()).unwrap();
        cut.push(&log[..split]);
        assert!(matches!(cut.finish().verdict, Verdict::Invalid(f) if f.code == FindingCode::PruneUnauthorized));
    }

    #[test]
    fn more_streams_or_segments_than_are_kept_track_of_end_it_at_the_head_before() {
        let log =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/secure-log/logs/valid.jsonl")).unwrap();
        let verify = |streams: usize, segments: usize| {
            let mut verifier = LogVerifier::new(Trust::new()).unwrap();
            verifier.judge.verifier.limits = (streams, segments);
            verifier.push(&log);
            verifier.finish()
        };
        let whole = verify(100, 100);
        assert!(whole.segments > 0 && whole.missing.iter().all(|missing| missing.code != MissingCode::Limit));
        for (streams, segments) in [(0, 100), (100, whole.segments as usize - 1)] {
            let report = verify(streams, segments);
            assert_eq!(report.verdict, Verdict::Incomplete);
            assert!(report.size < whole.size, "{report:?}");
            assert!(report.missing.iter().any(|missing| missing.code == MissingCode::Limit), "{report:?}");
        }
    }

    #[test]
    fn keys_that_make_no_sense_together_are_an_error_and_no_verdict() {
        let mut trust = Trust::new();
        trust.add_witness("log.example+1cc758f9+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".parse().unwrap());
        let error = verify_jsonl(LOG, &trust, |_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
