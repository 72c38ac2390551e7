//! Appending a commit, and keeping what has to go.

use std::ops::Range;

use secure_log::jsonl::{write_entry, write_record};
use secure_log::record::Record;
use secure_log::store::{Commit, Expected, StoreError, Torn};

use crate::disk::{Disk, DiskFile, Mode, beside, folder_of};
use crate::index::Item;
use crate::io_error;
use crate::reader::{Reader, Span};
use crate::session::{FileStore, log_error};
use crate::tail;

/// How many heads a conflict answers.
const CONFLICT_HEADS: u32 = 16;
const COPY: u64 = 1 << 20;

impl<D: Disk> FileStore<D> {
    pub(crate) fn append(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.acquire()?;
        let appended = match self.append_locked(commit) {
            // Somebody took the lock over while we stood still: once more from the beginning, behind them.
            Err(StoreError::Locked { .. }) => self.acquire().and_then(|()| self.append_locked(commit)),
            other => other,
        };
        if !self.options.hold_lock {
            self.let_go();
        }
        appended
    }

    fn append_locked(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.check_known()?;
        if commit.expected != self.expected()? || self.has_any(commit.new_streams())? {
            let conflict = self.conflict()?;
            self.still_ours()?;
            return Err(conflict);
        }
        self.keep_torn()?;
        self.make_file()?;
        let head = self.encode(commit)?;
        if let Err(e) = self.still_ours() {
            // Nothing was written, so that the index is ahead of the file.
            self.index = None;
            return Err(e);
        }
        let start = self.end();
        if let Err(e) = self.write(start) {
            // What the file holds now is unknown, and so is whether it would still be there after a crash.
            (self.tail, self.index) = (None, None);
            (self.unsynced, self.synced) = (Some(start), false);
            return Err(e);
        }
        self.synced = true;
        let row = commit.head().cloned().ok_or_else(no_head)?;
        self.tail = Some(tail::Tail { head: Some((row, head)), torn: 0 });
        self.write_index(self.options.index_every);
        Ok(())
    }

    pub(crate) fn conflict(&mut self) -> Result<StoreError, StoreError> {
        let heads = self.newest_heads(None, CONFLICT_HEADS)?.into_iter().map(|numbered| numbered.head).collect();
        Ok(StoreError::Conflict { heads })
    }

    fn has_any<'n>(&mut self, mut streams: impl Iterator<Item = &'n str>) -> Result<bool, StoreError> {
        streams.try_fold(false, |found, name| Ok(found || self.read_stream(name)?.is_some()))
    }

    fn expected(&mut self) -> Result<Option<Expected>, StoreError> {
        let segments = self.with_index_or_nothing(0, |index, _| Ok(index.segment_count()))?;
        let head = self.tail.as_ref().and_then(|tail| tail.head.as_ref());
        Ok(head.map(|(head, _)| Expected { size: head.size, root: head.root, segments }))
    }

    /// Writes the lines of the commit to the buffer and adds them to the index; answers where the head will stand.
    ///
    /// The index runs ahead of the file until the commit is durable: whoever fails in between has to forget it.
    fn encode(&mut self, commit: &Commit) -> Result<Range<u64>, StoreError> {
        let encoded = self.try_encode(commit);
        if encoded.is_err() {
            self.index = None;
        }
        encoded
    }

    fn try_encode(&mut self, commit: &Commit) -> Result<Range<u64>, StoreError> {
        let base = self.end();
        self.ready_index()?;
        let (Some(index), Some(log)) = (&mut self.index, &mut self.log) else { return Err(no_file()) };
        let refused =
            |place: usize, detail: String| StoreError::Corrupt { at: format!("record {place} of the commit"), detail };
        let mut line = Span::default();
        self.buffer.clear();
        for (place, record) in commit.records().enumerate() {
            match &record {
                Record::Entry(row) if row.seqno != index.size() + 1 => {
                    return Err(refused(place, format!("seqno {} and not {}", row.seqno, index.size() + 1)));
                }
                Record::Head(row) if row.size != index.size() => {
                    return Err(refused(place, format!("a head of size {} and not {}", row.size, index.size())));
                }
                Record::Segment(row) if row.id != index.segment_count() + 1 => {
                    return Err(refused(place, format!("segment {} and not {}", row.id, index.segment_count() + 1)));
                }
                _ => {}
            }
            let start = self.buffer.len();
            let written = |out: &Vec<u8>| Span { offset: base + start as u64, len: (out.len() - start - 1) as u32 };
            if let Record::Entry(row) = &record {
                let facts = write_entry(row, &mut self.buffer).map_err(|e| refused(place, e.to_string()))?;
                line = written(&self.buffer);
                index.add_entry(&facts, line, log).map_err(log_error)?;
            } else {
                write_record(&record, &mut self.buffer).map_err(|e| refused(place, e.to_string()))?;
                line = written(&self.buffer);
                index.add(&Item::of_record(&record), line, log).map_err(log_error)?;
            }
        }
        commit.head().ok_or_else(no_head)?;
        index.add_nodes(&commit.nodes).map_err(log_error)?;
        index.add_rows(&commit.index);
        Ok(line.offset..line.end())
    }

    fn make_file(&mut self) -> Result<(), StoreError> {
        if self.log.is_none() {
            let made = self.disk.open(&self.path, Mode::CreateNew);
            // It may be there all the same.
            let file = made.inspect_err(|_| self.tail = None).map_err(io_error("make the log"))?;
            self.log = Some(Reader::new(file));
        }
        Ok(())
    }

    /// One write and one sync. A file that is new is followed by a sync of its folder.
    fn write(&mut self, start: u64) -> Result<(), StoreError> {
        let Some(log) = &self.log else { return Err(no_file()) };
        log.file.write_at(&self.buffer, start).map_err(io_error("write the commit"))?;
        log.file.sync_data().map_err(io_error("sync the commit"))?;
        // A file that holds its first commit may have been made by somebody who crashed before syncing its name.
        if start == 0 {
            self.disk.sync_folder(&folder_of(&self.path)).map_err(io_error("sync the log's folder"))?;
        }
        Ok(())
    }

    /// Moves a commit that was never finished out of the log, durably kept before it goes.
    pub(crate) fn keep_torn(&mut self) -> Result<(), StoreError> {
        let (end, bytes) = (self.end(), self.tail.as_ref().map_or(0, |tail| tail.torn));
        if bytes > 0 {
            let kept_as = self.cut(end..end + bytes, "torn")?;
            self.torn = Some(Torn { bytes, kept_as });
        }
        Ok(())
    }

    /// Copies the last bytes of the log to a kept file, and cuts the log where they began.
    pub(crate) fn cut(&mut self, range: Range<u64>, why: &str) -> Result<String, StoreError> {
        let kept_as = self.keep(range.clone(), why)?;
        self.still_ours()?;
        let Some(log) = &mut self.log else { return Err(no_file()) };
        log.forget();
        let cut = log.file.set_len(range.start).and_then(|()| log.file.sync_data());
        if let Err(e) = cut {
            self.tail = None;
            return Err(io_error("cut the log")(e));
        }
        match &mut self.tail {
            Some(tail) if tail.end() == range.start => tail.torn = 0,
            _ => self.tail = None,
        }
        Ok(kept_as)
    }

    /// Copies a part of the log to a file of its own, durably, and answers its name.
    fn keep(&mut self, range: Range<u64>, why: &str) -> Result<String, StoreError> {
        let failed = io_error("keep what is moved out of the log");
        let (mut kept, mut path, mut n) = (None, beside(&self.path, &format!(".{why}-{}", range.start)), 0);
        while kept.is_none() {
            match self.disk.open(&path, Mode::CreateNew) {
                Ok(file) => kept = Some(file),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    n += 1;
                    path = beside(&self.path, &format!(".{why}-{}-{n}", range.start));
                }
                Err(e) => return Err(failed(e)),
            }
        }
        let (Some(kept), Some(log)) = (kept, &self.log) else {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        };
        let mut bytes = Vec::new();
        for at in range.clone().step_by(COPY as usize) {
            tail::read_range(&log.file, at..range.end.min(at + COPY), &mut bytes)?;
            kept.write_at(&bytes, at - range.start).map_err(&failed)?;
        }
        kept.sync_data().map_err(&failed)?;
        self.disk.sync_folder(&folder_of(&path)).map_err(&failed)?;
        Ok(path.display().to_string())
    }
}

fn no_file() -> StoreError {
    io_error("open the log")(std::io::ErrorKind::NotFound.into())
}

fn no_head() -> StoreError {
    StoreError::Corrupt { at: "the end of the commit".into(), detail: "a commit ends with a head".into() }
}
