//! Taking something out of the log: the file is written anew and takes the old one's name.

use std::collections::{HashMap, HashSet};

use secure_log::entry::CONTROL_PREFIX;
use secure_log::hash::Hash;
use secure_log::jsonl::{Line, write_record};
use secure_log::record::{DataKeyRow, PrunedRow, Record, WitnessRow};
use secure_log::store::StoreError;

use crate::disk::{Disk, DiskFile, Mode, beside, folder_of, remove_if_there};
use crate::index::Trouble;
use crate::reader::{PAGE, Reader};
use crate::session::FileStore;
use crate::{corrupt, index, io_error};

const WRITE: usize = 1 << 20;

impl<D: Disk> FileStore<D> {
    /// Where nothing is left to be pruned, somebody may have done it who was killed before that was durable: it is made so.
    pub(crate) fn prune_entries(&mut self, up_to: &[(&str, u64)]) -> Result<u64, StoreError> {
        let up_to: HashMap<&str, u64> = up_to.iter().copied().collect();
        if up_to.is_empty() {
            return self.make_durable().map(|()| 0);
        }
        let pruned = self.rewrite(|line| match line {
            Line::Entry(entry)
                if up_to.get(&*entry.stream).is_some_and(|last| entry.seqno <= *last)
                    && !entry.event.starts_with(CONTROL_PREFIX) =>
            {
                Change::Prune(PrunedRow { seqno: entry.seqno, stream: &entry.stream, hash: entry.hash })
            }
            _ => Change::Keep,
        })?;
        if pruned == 0 {
            self.make_durable()?;
        }
        Ok(pruned)
    }

    /// Where none of them is there, somebody may have dropped them who was killed before that was durable: it is made so.
    pub(crate) fn drop_keys(&mut self, ids: &[Hash]) -> Result<(), StoreError> {
        let ids: HashSet<&Hash> = ids.iter().collect();
        if !self.has_keys(&ids)? {
            return self.make_durable();
        }
        let dropped = self.rewrite(|line| match line {
            Line::DataKey(row) if ids.contains(&row.id) => Change::Drop,
            _ => Change::Keep,
        });
        dropped.map(drop)
    }

    pub(crate) fn replace_keys(&mut self, rows: &[DataKeyRow]) -> Result<(), StoreError> {
        let anew: HashMap<_, _> = rows.iter().map(|row| ((&row.id, &row.stream), row)).collect();
        let replaced = self.rewrite(|line| match line {
            Line::DataKey(row) => match anew.get(&(&row.id, &row.stream)) {
                Some(anew) if *anew != row => Change::ReplaceKey(Box::new(DataKeyRow::clone(anew))),
                _ => Change::Keep,
            },
            _ => Change::Keep,
        });
        replaced.map(drop)
    }

    /// Makes sure that a rewritten log has its name for good.
    fn make_durable(&mut self) -> Result<(), StoreError> {
        self.locked(|store| store.disk.sync_folder(&folder_of(&store.path)).map_err(io_error("make the log durable")))
    }

    fn has_keys(&mut self, ids: &HashSet<&Hash>) -> Result<bool, StoreError> {
        self.with_index_or_nothing(false, |index, log| {
            for number in 1..=index.data_key_count() {
                let line = index.data_key(number)?;
                match log.at(line, line.end())? {
                    Line::DataKey(row) if ids.contains(&row.id) => return Ok(true),
                    Line::DataKey(_) => {}
                    _ => return Err(Trouble::Index),
                }
            }
            Ok(false)
        })
    }

    pub(crate) fn drop_witness_rows(&mut self, rows: &[WitnessRow]) -> Result<(), StoreError> {
        let gone: HashSet<&WitnessRow> = rows.iter().collect();
        let dropped = self.rewrite(|line| match line {
            Line::Witness(row) if gone.contains(row) => Change::Drop,
            _ => Change::Keep,
        });
        dropped.map(drop)
    }

    pub(crate) fn set_aside_after(&mut self, head: u64) -> Result<String, StoreError> {
        self.locked(|store| {
            store.keep_torn()?;
            let known = store.with_index_or_nothing(0, |index, _| Ok(index.head_count()))?;
            if !(1..=known).contains(&head) {
                let detail = format!("there is no head {head}");
                return Err(StoreError::Io { operation: "set records aside".into(), detail });
            }
            let from = store.with_index(|index, _| index.head(head))?.end();
            store.discard_index()?;
            let kept_as = store.cut(from..store.end(), "aside");
            // Whatever came of it, the log has to be looked at again.
            (store.tail, store.index, store.log_row) = (None, None, None);
            kept_as
        })
    }

    /// Does something under the lock, which is then held as long as the options say.
    pub(crate) fn locked<T>(
        &mut self,
        act: impl FnOnce(&mut FileStore<D>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.acquire()?;
        let done = self.check_known().and_then(|()| act(self));
        if !self.options.hold_lock {
            self.let_go();
        }
        done
    }

    pub(crate) fn discard_index(&mut self) -> Result<(), StoreError> {
        self.index = None;
        index::discard(&self.disk, &self.path).map_err(io_error("discard the index"))
    }

    /// Writes the log anew, changed as `change` says, and answers how many lines it changed.
    fn rewrite(&mut self, change: impl for<'l> Fn(&'l Line<'_>) -> Change<'l>) -> Result<u64, StoreError> {
        self.locked(|store| {
            store.keep_torn()?;
            let temporary = beside(&store.path, ".new");
            let written = store.write_changed(&temporary, change);
            if !matches!(written, Ok(1..)) {
                // Nothing has changed but for a file that nobody reads.
                let _ = remove_if_there(&store.disk, &temporary);
                return written;
            }
            store.still_ours()?;
            store.discard_index()?;
            (store.tail, store.log_row) = (None, None);
            let renamed = store.disk.rename(&temporary, &store.path);
            let replaced = renamed.and_then(|()| store.disk.sync_folder(&folder_of(&store.path)));
            if replaced.is_err() {
                // Which of the two has the name is unknown, and so is whether it would still have it after a crash: whoever
                // takes the lock makes sure of it.
                store.synced = false;
                store.let_go();
            }
            replaced.map_err(io_error("replace the log"))?;
            written
        })
    }

    fn write_changed(
        &mut self,
        to: &std::path::Path,
        change: impl for<'l> Fn(&'l Line<'_>) -> Change<'l>,
    ) -> Result<u64, StoreError> {
        let failed = io_error("write the log anew");
        let end = self.end();
        let Some(log) = &self.log else { return Ok(0) };
        remove_if_there(&self.disk, to).map_err(&failed)?;
        let file = self.disk.open(to, Mode::CreateNew).map_err(&failed)?;
        let (mut at, mut written, mut changed) = (0, 0, 0);
        let mut lines = Reader::new(&log.file);
        let out = &mut self.buffer;
        out.clear();
        while at < end {
            let (span, line) = lines.line(at, end, PAGE)?;
            at = span.end();
            match change(&line) {
                Change::Keep => {}
                Change::Drop => {
                    changed += 1;
                    continue;
                }
                Change::Prune(row) => {
                    changed += 1;
                    write_record(&Record::Pruned(row), out).map_err(|e| corrupt(span.offset, e))?;
                    continue;
                }
                Change::ReplaceKey(row) => {
                    changed += 1;
                    write_record(&Record::DataKey(&row), out).map_err(|e| corrupt(span.offset, e))?;
                    continue;
                }
            }
            drop(line);
            out.extend_from_slice(lines.raw_line(span.offset, end)?);
            if out.len() >= WRITE {
                file.write_at(out, written).map_err(&failed)?;
                written += out.len() as u64;
                out.clear();
                if let Some(lock) = &mut self.lock {
                    lock.renew().map_err(&failed)?;
                }
            }
        }
        file.write_at(out, written).map_err(&failed)?;
        file.sync_data().map_err(&failed)?;
        Ok(changed)
    }
}

/// What becomes of a line.
enum Change<'l> {
    Keep,
    Drop,
    Prune(PrunedRow<'l>),
    ReplaceKey(Box<DataKeyRow>),
}
