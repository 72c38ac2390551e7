//! Cutting a file into whole commits, as its bytes come: where lines and commits end, what the disk never got, and no more
//! memory than that needs (format.md s.7).

use std::io::{self, Read};

use crate::jsonl::{HEAD_PREFIX, MAX_LINE_BYTES};

/// Holds the bytes of a file that were not judged yet.
#[derive(Debug)]
pub(super) struct Splitter {
    /// Lines with their newlines; of a line that is too long, no more than shows that it is.
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`: the places of the newlines.
    ends: Vec<usize>,
    /// Up to here lines were looked for.
    scanned: usize,
    /// Where the line that is not finished yet begins.
    line_start: usize,
    /// Up to here there are whole commits, and as many of `ends`.
    whole: usize,
    whole_ends: usize,
    /// The last of them, if the disk never got a part of it.
    damaged: Option<Damaged>,
    /// Lines before `bytes`, before `whole` and before `line_start`.
    lines_before: u64,
    lines_whole: u64,
    lines: u64,
    /// Bytes of the file before `bytes`, and bytes of a line that is too long that are not in there.
    position: u64,
    dropped: u64,
    /// Where the commit that has no head yet begins in the file.
    commit_start: u64,
    sectors: LostSectors,
    /// The largest commit that is held.
    pub(super) limit: usize,
    too_large: bool,
}

/// Lines of whole commits, one after the other.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the first line begins, and where each ends.
    pub(super) start: usize,
    pub(super) ends: &'a [usize],
    /// Lines of the file before them.
    pub(super) lines_before: u64,
    /// Where the damage begins: with the last commit.
    pub(super) damaged: Option<Damaged>,
}

/// A commit of which the disk never got a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged {
    /// Lines and bytes of the file before it.
    pub(super) lines_before: u64,
    pub(super) position: u64,
}

impl<'a> Block<'a> {
    /// Its lines, without their newlines.
    pub(super) fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (bytes, mut start) = (self.bytes, self.start);
        self.ends.iter().map(move |&end| {
            let line = &bytes[start..end];
            start = end + 1;
            line
        })
    }
}

impl Splitter {
    /// Holds commits of up to so many bytes.
    pub(super) fn new(limit: usize) -> Splitter {
        Splitter {
            bytes: Vec::new(),
            ends: Vec::new(),
            scanned: 0,
            line_start: 0,
            whole: 0,
            whole_ends: 0,
            damaged: None,
            lines_before: 0,
            lines_whole: 0,
            lines: 0,
            position: 0,
            dropped: 0,
            commit_start: 0,
            sectors: LostSectors::default(),
            limit,
            too_large: false,
        }
    }

    /// Takes the next bytes of the file. [`Splitter::block`] is asked for commits after each call, and again until it has
    /// none.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.scan();
    }

    /// The same with what a reader has, up to `length` bytes; answers how many they were.
    pub(super) fn read(&mut self, from: &mut impl Read, length: usize) -> io::Result<usize> {
        let read = from.take(length as u64).read_to_end(&mut self.bytes);
        self.scan();
        read
    }

    /// The commits that are whole. They are there until [`Splitter::discard_block`].
    pub(super) fn block(&self) -> Option<Block<'_>> {
        let (bytes, ends) = (&self.bytes[..self.whole], &self.ends[..self.whole_ends]);
        let block = Block { bytes, start: 0, ends, lines_before: self.lines_before, damaged: self.damaged };
        (!bytes.is_empty()).then_some(block)
    }

    /// Lets go of the commits that are whole, and looks for further ones.
    pub(super) fn discard_block(&mut self) {
        self.bytes.drain(..self.whole);
        self.ends.drain(..self.whole_ends);
        self.block_is_gone();
    }

    /// The same, and hands out their bytes and where their lines end. `spent` is a buffer that may be used again.
    pub(super) fn take_block(&mut self, mut spent: Vec<u8>) -> (Vec<u8>, Vec<usize>) {
        spent.clear();
        spent.extend_from_slice(&self.bytes[self.whole..]);
        self.bytes.truncate(self.whole);
        let bytes = core::mem::replace(&mut self.bytes, spent);
        let open_ends = self.ends.split_off(self.whole_ends);
        let ends = core::mem::replace(&mut self.ends, open_ends);
        self.block_is_gone();
        (bytes, ends)
    }

    fn block_is_gone(&mut self) {
        self.scanned -= self.whole;
        self.line_start -= self.whole;
        self.ends.iter_mut().for_each(|end| *end -= self.whole);
        self.whole = 0;
        self.whole_ends = 0;
        self.position = self.commit_start;
        self.dropped = 0;
        self.lines_before = self.lines_whole;
        self.damaged = None;
        self.scan();
    }

    /// Whether the commit that follows those that were handed out is too large.
    pub(super) fn is_too_large(&self) -> bool {
        self.too_large && self.whole == 0
    }

    /// How many bytes of the commit that has no head yet are held.
    pub(super) fn open_bytes(&self) -> usize {
        self.bytes.len() - self.whole
    }

    /// How many bytes follow the last commit in the file.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.file_position(self.bytes.len()) - self.commit_start
    }

    /// Bytes and lines that were read.
    pub(super) fn read_so_far(&self) -> (u64, u64) {
        (self.file_position(self.bytes.len()), self.lines)
    }

    /// Lines before the commit that has no head yet.
    pub(super) fn lines_in_commits(&self) -> u64 {
        self.lines_whole
    }

    fn file_position(&self, offset: usize) -> u64 {
        self.position + self.dropped + offset as u64
    }

    /// Looks for ends of lines in what was not looked at, up to the end or to a commit that is damaged or too large.
    fn scan(&mut self) {
        // NUL stands in no record, so that runs of it are looked for from the first one on.
        let mut careful = self.sectors.run.is_some();
        while self.damaged.is_none() && !self.too_large {
            let rest = &self.bytes[self.scanned..];
            let mut newline = if careful { None } else { memchr::memchr2(b'\n', 0, rest) };
            careful |= newline.is_some_and(|at| rest[at] == 0);
            if careful {
                newline = memchr::memchr(b'\n', rest);
            }
            let end = newline.map_or(self.bytes.len(), |length| self.scanned + length);
            if careful {
                let at = self.file_position(self.scanned);
                self.sectors.take(&self.bytes[self.scanned..end], at, self.commit_start);
            }
            self.scanned = end;
            self.forget_what_is_too_long();
            self.too_large = self.scanned - self.whole > self.limit;
            if newline.is_none() || self.too_large {
                break;
            }
            self.end_line();
        }
    }

    /// Of a line that is too long, drops what is not needed to see that it is.
    fn forget_what_is_too_long(&mut self) {
        let kept = self.line_start + MAX_LINE_BYTES + 1;
        if self.scanned > kept {
            self.dropped += (self.scanned - kept) as u64;
            self.bytes.drain(kept..self.scanned);
            self.scanned = kept;
        }
    }

    /// A newline stands where was looked last.
    fn end_line(&mut self) {
        self.sectors.end_run(self.file_position(self.scanned), self.commit_start);
        let ends_commit = self.bytes[self.line_start..].starts_with(HEAD_PREFIX) || self.lines == 0;
        self.lines += 1;
        self.ends.push(self.scanned);
        self.scanned += 1;
        self.line_start = self.scanned;
        if ends_commit {
            self.damaged =
                self.sectors.lost.then_some(Damaged { lines_before: self.lines_whole, position: self.commit_start });
            self.sectors = LostSectors::default();
            self.whole = self.scanned;
            self.whole_ends = self.ends.len();
            self.lines_whole = self.lines;
            self.commit_start = self.file_position(self.scanned);
        }
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

    #[test]
    fn commits_are_the_same_however_the_file_is_cut() {
        let mut file = b"{\"t\":\"log\"}\n".to_vec();
        for commit in 0..5 {
            file.extend(format!("line {commit}\nanother\n{{\"t\":\"head\",\"size\":{commit}}}\n").bytes());
        }
        // The third commit lost sectors.
        let damage_at = file.len() as u64;
        let at = file.len();
        file.extend(vec![b'x'; 512 - at % 512]);
        file.extend([0; 512]);
        file.extend(b"x\n{\"t\":\"head\"}\nline\n{\"t\":\"head\"}\nthe rest");
        let read = |length: usize| {
            let mut splitter = Splitter::new(usize::MAX);
            let mut commits = Vec::new();
            for chunk in file.chunks(length) {
                splitter.push(chunk);
                while let Some(block) = splitter.block() {
                    commits.push((block.bytes.to_vec(), block.lines_before, block.damaged));
                    splitter.discard_block();
                }
            }
            assert_eq!(splitter.torn_bytes(), "the rest".len() as u64);
            assert_eq!(splitter.read_so_far(), (file.len() as u64, 20));
            let bytes: Vec<u8> = commits.iter().flat_map(|(bytes, ..)| bytes.clone()).collect();
            let damaged: Vec<_> = commits.iter().filter_map(|(.., damaged)| *damaged).collect();
            (bytes, damaged)
        };
        let whole = file[..file.len() - "the rest".len()].to_vec();
        for length in [1, 2, 3, 7, 100, 511, 512, 513, file.len()] {
            assert_eq!(
                read(length),
                (whole.clone(), vec![Damaged { lines_before: 16, position: damage_at }]),
                "{length}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut splitter = Splitter::new(usize::MAX);
        splitter.push(b"{\"t\":\"log\"}\n");
        splitter.discard_block();
        for _ in 0..100 {
            splitter.push(&[b'x'; 1 << 20]);
            assert!(splitter.open_bytes() <= MAX_LINE_BYTES + 1);
        }
        assert!(splitter.bytes.capacity() <= 3 * (MAX_LINE_BYTES + 1));
        assert_eq!(splitter.torn_bytes(), 100 << 20);
        splitter.push(b"\n{\"t\":\"head\"}\n");
        let block = splitter.block().unwrap();
        assert_eq!((block.bytes.len(), block.lines_before), (MAX_LINE_BYTES + 2 + 13, 1));
        splitter.discard_block();
        assert_eq!((splitter.torn_bytes(), splitter.read_so_far()), (0, (12 + (100 << 20) + 14, 3)));
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
            sectors.end_run(start - 3 + line.len() as u64, commit_start);
            sectors.lost
        };
        assert!(lost(512, 1024, 100));
        assert!(lost(512, 1536, 100));
        assert!(lost(100, 1024, 100), "from where the commit begins");
        assert!(!lost(101, 1024, 100));
        assert!(!lost(512, 1023, 100));
        assert!(!lost(513, 1024, 100));
    }
}
