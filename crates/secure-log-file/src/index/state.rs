//! How much of each file of the index counts, and how much of the log they cover.
//!
//! Two places take turns. One is written only after everything that it speaks of was synced, and the other one, and
//! what that speaks of, stays as it was until then.

use std::path::{Path, PathBuf};

use secure_log::hash::Hash;

use super::Salt;
use super::rows::Row;
use super::sorted::RUNS;
use crate::disk::{Disk, DiskFile, Mode, folder_of, read_full, remove_if_there};
use crate::reader::Span;

/// Changes with every change of the index's files: an index of another version is built anew.
const VERSION: u64 = 5;
const MAGIC: &[u8; 16] = b"secure-log state";
/// One sector each, so that writing one never harms the other.
const PLACE: usize = 512;
pub(super) const TABLES: usize = 12;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Drawn when the index was made: its files all carry it.
    pub(super) salt: Salt,
    /// Grows by one with each state; 0 when none was written.
    pub(super) epoch: u32,
    /// Size of the hash table of names.
    pub(super) name_bits: u32,
    /// The end of the last head that is covered.
    pub(super) covered: u64,
    /// How long the line of that head is, and its hash, by which the log is recognised.
    pub(super) head_len: u64,
    pub(super) head: Hash,
    /// How many rows of each table count.
    pub(super) rows: [u64; TABLES],
    /// How many rows each run of the index by key has.
    pub(super) runs: [u64; RUNS],
    /// How many bytes the facts of entries have.
    pub(super) facts: u64,
    /// The first line that this version does not know; of no length where there is none.
    pub(super) unknown: Span,
}

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        VERSION.put(&mut out);
        out.extend_from_slice(&self.salt);
        self.epoch.put(&mut out);
        self.name_bits.put(&mut out);
        self.covered.put(&mut out);
        self.head_len.put(&mut out);
        self.head.put(&mut out);
        self.rows.iter().chain(&self.runs).for_each(|rows| rows.put(&mut out));
        self.facts.put(&mut out);
        self.unknown.put(&mut out);
        let sum = Hash::sha256(&out);
        sum.put(&mut out);
        out.resize(PLACE, 0);
        out
    }

    fn decode(place: &[u8]) -> Option<State> {
        let mut rest = place.strip_prefix(MAGIC)?;
        let version = next::<u64>(&mut rest)?;
        let salt = rest.split_off(..16)?.try_into().ok()?;
        let mut state = State {
            salt,
            epoch: next(&mut rest)?,
            name_bits: next(&mut rest)?,
            covered: next(&mut rest)?,
            head_len: next(&mut rest)?,
            head: next(&mut rest)?,
            rows: [0; TABLES],
            runs: [0; RUNS],
            facts: 0,
            unknown: Span::default(),
        };
        for rows in state.rows.iter_mut().chain(&mut state.runs) {
            *rows = next(&mut rest)?;
        }
        state.facts = next(&mut rest)?;
        state.unknown = next(&mut rest)?;
        // Whatever is wrong with it, its checksum says so.
        (version == VERSION && state.epoch > 0 && state.encode() == place).then_some(state)
    }
}

fn next<R: Row>(rest: &mut &[u8]) -> Option<R> {
    rest.split_off(..R::SIZE).map(R::take)
}

/// The newest state; `None` when there is none that can be used.
pub(super) fn read(disk: &impl Disk, folder: &Path) -> Option<State> {
    let file = disk.open(&path(folder), Mode::Read).ok()?;
    let mut places = [0; 2 * PLACE];
    let len = read_full(&file, &mut places, 0).ok()?;
    places[..len].chunks_exact(PLACE).filter_map(State::decode).max_by_key(|state| state.epoch)
}

/// Writes a state durably. What it speaks of was synced before.
pub(super) fn write(disk: &impl Disk, folder: &Path, state: &State) -> std::io::Result<()> {
    let first = state.epoch == 1;
    if first {
        // The files' names have to be durable before the state is, and with the state the folder's own.
        remove_if_there(disk, &path(folder))?;
    }
    let file = disk.open(&path(folder), if first { Mode::CreateNew } else { Mode::Write })?;
    file.write_at(&state.encode(), u64::from(state.epoch % 2) * PLACE as u64)?;
    file.sync_data()?;
    if first {
        disk.sync_folder(folder)?;
        disk.sync_folder(&folder_of(folder))?;
    }
    Ok(())
}

/// Whether the index can be written.
pub(super) fn is_writable(disk: &impl Disk, folder: &Path) -> bool {
    disk.open(&path(folder), Mode::Write).is_ok()
}

/// Makes the index one that nobody uses any more.
pub(super) fn discard(disk: &impl Disk, folder: &Path) -> std::io::Result<()> {
    remove_if_there(disk, &path(folder))
}

fn path(folder: &Path) -> PathBuf {
    folder.join("state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_state_is_checked() {
        let state = State { epoch: 7, covered: 1 << 40, rows: [9; TABLES], runs: [5; RUNS], ..State::default() };
        let place = state.encode();
        assert_eq!(State::decode(&place), Some(state));
        for bit in 0..place.len() * 8 {
            let mut flipped = place.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(State::decode(&flipped), None, "bit {bit}");
        }
    }
}
