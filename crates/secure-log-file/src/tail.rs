//! Where the log ends: the last head, and what was never finished behind it (format.md s.7, "Torn commits").
//!
//! Everything is found by reading back from the end of the file, as far as the last two commits reach, and in memory
//! that does not depend on their size.

use std::ops::Range;

use memchr::memmem;
use secure_log::jsonl::{HEAD_PREFIX, Line, parse_line};
use secure_log::record::HeadRow;
use secure_log::store::StoreError;

use crate::disk::{DiskFile, read_full};
use crate::{corrupt, io_error};

/// How a log begins.
const LOG_START: &[u8] = b"{\"t\":\"log\",";
/// Disks lose whole sectors.
const SECTOR: u64 = 512;
const FIRST_CHUNK: usize = 16 << 10;
const LARGEST_CHUNK: usize = 4 << 20;
/// A head has at most 64 signatures of some hundred bytes; this is far more.
const LARGEST_HEAD: u64 = 1 << 20;

/// Where the log ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last head and where its line stands; `None` when the log holds nothing.
    pub(crate) head: Option<(HeadRow, Range<u64>)>,
    /// Bytes behind it that are a commit which was never finished.
    pub(crate) torn: u64,
}

impl Tail {
    /// The end of the last finished commit: where the next one is written.
    pub(crate) fn end(&self) -> u64 {
        self.head.as_ref().map_or(0, |(_, line)| line.end)
    }
}

/// Finds where the log in `file` ends.
pub(crate) fn find(file: &impl DiskFile) -> Result<Tail, StoreError> {
    let len = file.len().map_err(io_error("find the end of the log"))?;
    let Some(last) = head_line_before(file, len)? else {
        return unfinished_log(file, len);
    };
    let before = head_line_before(file, last.start)?;
    let start = before.as_ref().map_or(0, |line| line.end);
    let kept = match lost_sector(file, start..last.end)? {
        None => Some(last),
        Some(_) if last.end == len => before,
        Some(at) => return Err(corrupt(at, "a run of NUL bytes before the last head")),
    };
    let Some(line) = kept else {
        return unfinished_log(file, len);
    };
    let head = read_head(file, &line)?;
    Ok(Tail { torn: len - line.end, head: Some((head, line)) })
}

/// A file without a single finished commit: nothing, or the torn making of a log. Anything else is no log of ours, and
/// is never moved.
fn unfinished_log(file: &impl DiskFile, len: u64) -> Result<Tail, StoreError> {
    let mut first = vec![0; len.min(SECTOR) as usize];
    read_full(file, &mut first, 0).map_err(io_error("read the beginning of the log"))?;
    let ours = LOG_START.starts_with(&first[..first.len().min(LOG_START.len())]);
    let lost = first.iter().all(|&b| b == 0);
    if ours || lost { Ok(Tail { head: None, torn: len }) } else { Err(corrupt(0, "this is not a secure-log file")) }
}

/// The last whole line of a head that ends at or before `end`.
fn head_line_before(file: &impl DiskFile, end: u64) -> Result<Option<Range<u64>>, StoreError> {
    // A line begins after a line feed, and a log never begins with a head.
    let mut needle = vec![b'\n'];
    needle.extend_from_slice(HEAD_PREFIX);
    let finder = memmem::FinderRev::new(&needle);
    let (mut high, mut chunk) = (end, FIRST_CHUNK);
    let mut buffer = Vec::new();
    while high > 0 {
        let low = high.saturating_sub(chunk as u64);
        // The beginning of a match may stand in this chunk and its end in the one that was read before.
        let overlap = (needle.len() as u64 - 1).min(end - high);
        read_range(file, low..high + overlap, &mut buffer)?;
        let mut within = buffer.len();
        while let Some(found) = finder.rfind(&buffer[..within]) {
            let start = low + found as u64 + 1;
            if let Some(line) = whole_line(file, start, end)? {
                return Ok(Some(line));
            }
            within = found;
        }
        high = low;
        chunk = (chunk * 4).min(LARGEST_CHUNK);
    }
    Ok(None)
}

/// The line that begins at `start`, if it ends before `end` and is no longer than a head can be.
fn whole_line(file: &impl DiskFile, start: u64, end: u64) -> Result<Option<Range<u64>>, StoreError> {
    let end = end.min(start + LARGEST_HEAD);
    let mut buffer = Vec::new();
    let mut at = start;
    while at < end {
        read_range(file, at..end.min(at + 4096), &mut buffer)?;
        if let Some(found) = memchr::memchr(b'\n', &buffer) {
            return Ok(Some(start..at + found as u64 + 1));
        }
        at += buffer.len() as u64;
    }
    Ok(None)
}

/// Where a run of NULs begins that a lost sector leaves: from the start of the commit or of a sector to the end of one.
fn lost_sector(file: &impl DiskFile, commit: Range<u64>) -> Result<Option<u64>, StoreError> {
    let is_lost = |run: &Range<u64>| {
        (run.start == commit.start || run.start.is_multiple_of(SECTOR)) && run.end.is_multiple_of(SECTOR)
    };
    let mut run: Option<Range<u64>> = None;
    let mut at = commit.start;
    let mut buffer = Vec::new();
    while at < commit.end {
        read_range(file, at..commit.end.min(at + LARGEST_CHUNK as u64), &mut buffer)?;
        for found in memchr::memchr_iter(0, &buffer) {
            let nul = at + found as u64;
            match &mut run {
                Some(run) if run.end == nul => run.end += 1,
                Some(run) if is_lost(run) => return Ok(Some(run.start)),
                _ => run = Some(nul..nul + 1),
            }
        }
        at += buffer.len() as u64;
    }
    Ok(run.filter(is_lost).map(|run| run.start))
}

fn read_head(file: &impl DiskFile, line: &Range<u64>) -> Result<HeadRow, StoreError> {
    let mut buffer = Vec::new();
    read_range(file, line.clone(), &mut buffer)?;
    match parse_line(&buffer[..buffer.len() - 1]) {
        Ok(Line::Head(head)) => Ok(head),
        Ok(_) => Err(corrupt(line.start, "not the head that its beginning says")),
        Err(e) => Err(corrupt(line.start, e)),
    }
}

/// Reads exactly this range, which was inside the file when its length was asked.
pub(crate) fn read_range(file: &impl DiskFile, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), StoreError> {
    out.clear();
    append_range(file, range, out)
}

/// Reads exactly this range behind what is there.
pub(crate) fn append_range(file: &impl DiskFile, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let (start, len) = (out.len(), (range.end - range.start) as usize);
    out.resize(start + len, 0);
    match read_full(file, &mut out[start..], range.start) {
        Ok(n) if n == len => Ok(()),
        Ok(_) => Err(io_error("read the log")(std::io::ErrorKind::UnexpectedEof.into())),
        Err(e) => Err(io_error("read the log")(e)),
    }
}
