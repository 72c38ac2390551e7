//! Reading the log's lines.

use secure_log::hash::Hash;
use secure_log::jsonl::{EntryHead, Line, MAX_LINE_BYTES, parse_entry_head, parse_line};
use secure_log::store::StoreError;

use crate::disk::{DiskFile, read_full};
use crate::{corrupt, io_error};

/// What is read on when more is expected to be wanted.
pub(crate) const PAGE: usize = 256 << 10;
/// What is read of a line whose length is not known and behind which nothing is wanted.
pub(crate) const ONE_LINE: usize = 4 << 10;

/// Where a line stands: its first byte, and how many there are without the line feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

impl Span {
    /// The first byte behind the line and its line feed.
    pub(crate) fn end(self) -> u64 {
        self.offset + u64::from(self.len) + 1
    }
}

/// Reads lines of one file through a buffer.
pub(crate) struct Reader<F> {
    pub(crate) file: F,
    start: u64,
    buffer: Vec<u8>,
}

impl<F: DiskFile> Reader<F> {
    pub(crate) fn new(file: F) -> Reader<F> {
        Reader { file, start: 0, buffer: Vec::new() }
    }

    /// Forgets what was read: the file changed.
    pub(crate) fn forget(&mut self) {
        self.buffer.clear();
    }

    /// The line at `span`, parsed. `until` is how far reading will go on from here.
    pub(crate) fn at(&mut self, span: Span, until: u64) -> Result<Line<'_>, StoreError> {
        parse(self.bytes(span.offset, span.len as usize, until)?, span.offset)
    }

    /// What stands at the head of the entry's line at `span`; `None` where the line is another one.
    pub(crate) fn entry_head(&mut self, span: Span, until: u64) -> Result<Option<EntryHead<'_>>, StoreError> {
        self.bytes(span.offset, span.len as usize, until).map(parse_entry_head)
    }

    /// The line that begins at `offset` and ends at or before `end`, and where it stands; reads about `ahead` bytes.
    pub(crate) fn line(&mut self, offset: u64, end: u64, ahead: usize) -> Result<(Span, Line<'_>), StoreError> {
        let span = self.find_line(offset, end, ahead)?;
        let at = (span.offset - self.start) as usize;
        let line = parse(&self.buffer[at..at + span.len as usize], span.offset)?;
        Ok((span, line))
    }

    /// The bytes of the line that begins at `offset`, with its line feed.
    pub(crate) fn raw_line(&mut self, offset: u64, end: u64) -> Result<&[u8], StoreError> {
        let span = self.find_line(offset, end, ONE_LINE)?;
        let at = (span.offset - self.start) as usize;
        Ok(&self.buffer[at..at + span.len as usize + 1])
    }

    /// The hash that the entry's or pruned line at `span` ends with, without parsing the rest.
    pub(crate) fn entry_hash(&mut self, span: Span, until: u64) -> Result<Hash, StoreError> {
        const END: &[u8] = b"\"}";
        const TAIL: usize = 64 + END.len();
        let skipped = (span.len as usize).saturating_sub(TAIL);
        let offset = span.offset + skipped as u64;
        let tail = self.bytes(offset, span.len as usize - skipped, until)?;
        tail.strip_suffix(END)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(Hash::from_hex)
            .ok_or_else(|| corrupt(span.offset, "the line does not end with a hash"))
    }

    fn bytes(&mut self, offset: u64, len: usize, until: u64) -> Result<&[u8], StoreError> {
        self.fill(offset, len, until)?;
        let known = &self.buffer[(offset - self.start) as usize..];
        known.get(..len).ok_or_else(|| corrupt(offset, "the log ends within a line"))
    }

    fn find_line(&mut self, offset: u64, end: u64, ahead: usize) -> Result<Span, StoreError> {
        let limit = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (mut searched, mut want) = (0, 1);
        loop {
            self.fill(offset, want.min(limit), end.min(offset.saturating_add(ahead as u64)))?;
            let known = &self.buffer[(offset - self.start) as usize..];
            let known = &known[..known.len().min(limit)];
            if let Some(found) = memchr::memchr(b'\n', &known[searched..]) {
                return Ok(Span { offset, len: (searched + found) as u32 });
            }
            if known.len() > MAX_LINE_BYTES {
                return Err(corrupt(offset, "a line of more than 34 MiB"));
            }
            if known.len() == limit || known.len() < want {
                return Err(corrupt(offset, "a line without an end"));
            }
            searched = known.len();
            want = (searched * 2).clamp(ONE_LINE, MAX_LINE_BYTES + 1);
        }
    }

    /// Makes `len` bytes from `offset` stand in the buffer if the file has them, and more where reading goes on.
    fn fill(&mut self, offset: u64, len: usize, until: u64) -> Result<(), StoreError> {
        let held = self.start..self.start + self.buffer.len() as u64;
        if held.contains(&offset) && offset + len as u64 <= held.end {
            return Ok(());
        }
        // What is already here of a line that ends behind the buffer is not read again.
        let keep = if held.contains(&offset) { (held.end - offset) as usize } else { 0 };
        self.buffer.drain(..self.buffer.len() - keep);
        self.start = offset;
        let ahead = usize::try_from(until.saturating_sub(offset)).unwrap_or(usize::MAX).min(PAGE + keep);
        let want = len.max(ahead);
        self.buffer.resize(want, 0);
        let read = read_full(&self.file, &mut self.buffer[keep..], offset + keep as u64);
        let read = read.inspect_err(|_| self.buffer.clear()).map_err(io_error("read the log"))?;
        self.buffer.truncate(keep + read);
        Ok(())
    }
}

fn parse(line: &[u8], offset: u64) -> Result<Line<'_>, StoreError> {
    parse_line(line).map_err(|e| corrupt(offset, e))
}
