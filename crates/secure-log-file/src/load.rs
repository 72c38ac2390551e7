//! Loading a whole log: into a file beside it, which takes its name when it is complete.

use secure_log::jsonl::write_record;
use secure_log::store::{Commit, StoreError};

use crate::disk::{Disk, DiskFile, Mode, beside, folder_of, remove_if_there};
use crate::io_error;
use crate::session::FileStore;

/// How far a load has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loading {
    rows: u64,
    bytes: u64,
}

impl<D: Disk> FileStore<D> {
    pub(crate) fn load_rows(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.acquire()?;
        let loaded = self.load_locked(after, rows, done);
        if loaded.is_err() {
            self.loading = None;
        }
        if !self.options.hold_lock {
            self.let_go();
        }
        loaded
    }

    fn load_locked(&mut self, after: u64, rows: &Commit, done: bool) -> Result<(), StoreError> {
        self.check_known()?;
        if self.end() > 0 {
            return Err(self.conflict()?);
        }
        let failed = io_error("load a log");
        let temporary = beside(&self.path, ".load");
        let count = rows.records().len() as u64;
        if after == 0 {
            self.loading = None;
            if self.disk.exists(&temporary).map_err(&failed)? {
                remove_if_there(&self.disk, &temporary).map_err(&failed)?;
                self.disk.sync_folder(&folder_of(&self.path)).map_err(&failed)?;
            }
            if count == 0 {
                return Ok(());
            }
            self.disk.open(&temporary, Mode::CreateNew).map_err(&failed)?;
        }
        let Loading { rows: before, bytes } = self.loading.take().unwrap_or_default();
        if before != after {
            let detail = format!("{before} records of it are here, and not {after}");
            return Err(StoreError::Io { operation: "go on with a load".into(), detail });
        }
        self.buffer.clear();
        for (number, record) in (after + 1..).zip(rows.records()) {
            write_record(&record, &mut self.buffer).map_err(|error| StoreError::Corrupt {
                at: format!("record {number} of the log"),
                detail: error.to_string(),
            })?;
        }
        let file = self.disk.open(&temporary, Mode::Write).map_err(&failed)?;
        if file.len().map_err(&failed)? != bytes {
            // Where the lock is given back in between, somebody else may have begun anew.
            let detail = "what was loaded so far is not there any more".into();
            return Err(StoreError::Io { operation: "go on with a load".into(), detail });
        }
        self.still_ours()?;
        file.write_at(&self.buffer, bytes).map_err(&failed)?;
        self.loading = Some(Loading { rows: after + count, bytes: bytes + self.buffer.len() as u64 });
        if done {
            file.sync_data().map_err(&failed)?;
            self.take_loaded(&temporary)?;
        }
        Ok(())
    }

    /// Gives what was loaded the log's name.
    fn take_loaded(&mut self, temporary: &std::path::Path) -> Result<(), StoreError> {
        let failed = io_error("load a log");
        self.loading = None;
        // What stands there is the making of a log that nobody finished.
        self.keep_torn()?;
        self.still_ours()?;
        self.discard_index()?;
        (self.tail, self.log_row, self.log) = (None, None, None);
        let renamed = self.disk.rename(temporary, &self.path);
        renamed.and_then(|()| self.disk.sync_folder(&folder_of(&self.path))).map_err(&failed)?;
        self.look(Mode::Write)?;
        self.ready_index()?;
        self.write_index(1);
        Ok(())
    }
}
