//! A file whose adjacent writes are gathered and handed over as one.
//!
//! SQLite writes a page at a time, and to its write-ahead log a header before each. A call of a WASI host costs far more than
//! the bytes that it carries, so what follows on what was written last is kept until it has to be seen: by a sync, by whoever
//! asks for the file's length, or by a read of what is not kept.

use std::io;
use std::path::PathBuf;

use secure_log_disk::{Disk, DiskFile, folder_of, read_full};

/// At most so much is kept: a commit of a thousand entries fits.
const MOST: usize = 4 << 20;

/// So much is read at once by whoever reads from the beginning to the end.
const AHEAD: usize = 256 << 10;

/// An open file, and what was not handed over yet.
pub(crate) struct Gathered<F> {
    file: F,
    /// Bytes of the file and where they begin, while one reads ahead.
    ahead: Option<(u64, Vec<u8>)>,
    /// Where the bytes that are kept belong.
    start: u64,
    kept: Vec<u8>,
    /// The folder that has to be synced with the file: its name is new.
    new_in: Option<PathBuf>,
}

impl<F: DiskFile> Gathered<F> {
    pub(crate) fn over(file: F) -> Gathered<F> {
        Gathered { file, ahead: None, start: 0, kept: Vec::new(), new_in: None }
    }

    /// A file that was just made at this path.
    pub(crate) fn made(file: F, path: &std::path::Path) -> Gathered<F> {
        Gathered { new_in: Some(folder_of(path)), ..Gathered::over(file) }
    }

    /// Whether its name may not be durable yet.
    pub(crate) fn is_new(&self) -> bool {
        self.new_in.is_some()
    }

    /// Has the next sync make its name durable, too.
    pub(crate) fn name_in(&mut self, folder: PathBuf) {
        self.new_in = Some(folder);
    }

    /// Reads more than is asked for from now on, or no longer. Nobody else may write meanwhile.
    pub(crate) fn read_ahead(&mut self, on: bool) {
        self.ahead = on.then(Default::default);
    }

    /// Keeps the bytes, or hands over what is kept when they do not follow on it.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.read_ahead(false);
        match self.place(offset) {
            Some(at) => {
                let within = bytes.len().min(self.kept.len() - at);
                self.kept[at..at + within].copy_from_slice(&bytes[..within]);
                self.kept.extend_from_slice(&bytes[within..]);
            }
            None => {
                self.hand_over()?;
                self.start = offset;
                self.kept.extend_from_slice(bytes);
            }
        }
        if self.kept.len() >= MOST { self.hand_over() } else { Ok(()) }
    }

    /// Fills `out`, and answers how much of it the file has.
    pub(crate) fn read(&mut self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(out.len() as u64);
        if !self.kept.is_empty() && offset < self.end() && end > self.start {
            if let Some(at) = self.place(offset)
                && let Some(found) = self.kept.get(at..at + out.len())
            {
                out.copy_from_slice(found);
                return Ok(out.len());
            }
            self.hand_over()?;
        }
        let Some((start, bytes)) = &mut self.ahead else { return read_full(&self.file, out, offset) };
        let within = |start: u64| usize::try_from(offset.checked_sub(start)?).ok();
        if within(*start).is_none_or(|at| bytes.get(at..at + out.len()).is_none()) {
            bytes.resize(AHEAD.max(out.len()), 0);
            let found = read_full(&self.file, bytes, offset);
            bytes.truncate(*found.as_ref().unwrap_or(&0));
            *start = offset;
            found?;
        }
        let found = within(*start).and_then(|at| bytes.get(at..)).unwrap_or_default();
        let length = found.len().min(out.len());
        out[..length].copy_from_slice(&found[..length]);
        Ok(length)
    }

    pub(crate) fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.len()?.max(if self.kept.is_empty() { 0 } else { self.end() }))
    }

    pub(crate) fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.read_ahead(false);
        self.hand_over()?;
        self.file.set_len(len)
    }

    /// Makes durable what was written, with the file's name.
    pub(crate) fn sync(&mut self, disk: &impl Disk) -> io::Result<()> {
        self.hand_over()?;
        self.file.sync_data()?;
        if let Some(folder) = &self.new_in {
            disk.sync_folder(folder)?;
            self.new_in = None;
        }
        Ok(())
    }

    /// Hands over what is kept. What could not be is forgotten: SQLite takes its transaction back, and must not find parts of
    /// it later.
    pub(crate) fn hand_over(&mut self) -> io::Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let done = self.file.write_at(&self.kept, self.start);
        self.kept.clear();
        done
    }

    fn end(&self) -> u64 {
        self.start + self.kept.len() as u64
    }

    /// Where in what is kept something belongs that begins there or right behind it.
    fn place(&self, offset: u64) -> Option<usize> {
        let at = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        (!self.kept.is_empty() && at <= self.kept.len()).then_some(at)
    }
}
