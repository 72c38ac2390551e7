//! Logs whose bytes and lines were changed, whatever they mean.

use super::dice::Dice;

/// Changes bytes and lines, whatever they mean.
pub(crate) fn change_bytes(mut log: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.roll(2) {
        if log.is_empty() {
            break;
        }
        let at = dice.index(log.len());
        match dice.roll(10) {
            0 => log[at] ^= 1 << dice.roll(8),
            1 => log[at] = dice.roll(256) as u8,
            2 => drop(log.remove(at)),
            3 => log.insert(at, b"\"\\,:{}[]0a\n\x7f"[dice.index(12)]),
            4 => log.truncate(at),
            5 => log.extend_from_slice(
                [&b"{\"t\":\"head\"}\n"[..], b"\0\0\0", b"\n", b"{\"t\":\"mystery\"}\n"][dice.index(4)],
            ),
            6 => lose_sectors(&mut log, dice),
            _ => log = change_lines(&log, dice),
        }
    }
    log
}

/// Sets a run of bytes to NUL, mostly as a disk would have: whole sectors, or what a commit begins with.
fn lose_sectors(log: &mut [u8], dice: &mut Dice) {
    const SECTOR: usize = 512;
    let start = match dice.roll(4) {
        0 => dice.index(log.len()),
        1 => commit_starts(log)[dice.index(commit_starts(log).len())],
        _ => dice.index(log.len() / SECTOR + 1) * SECTOR,
    };
    let sectors_end = (start / SECTOR + 1 + dice.index(2)) * SECTOR;
    let end = if dice.chance(5) { start + dice.index(600) } else { sectors_end };
    let (start, end) = (start.min(log.len()), end.min(log.len()));
    log[start..end].fill(0);
}

/// Where commits begin.
fn commit_starts(log: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in log.split_inclusive(|b| *b == b'\n') {
        at += line.len();
        if line.starts_with(b"{\"t\":\"head\"") || at == line.len() {
            starts.push(at);
        }
    }
    starts
}

fn change_lines(log: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = log.split_inclusive(|b| *b == b'\n').collect();
    let (one, other) = (dice.index(lines.len()), dice.index(lines.len()));
    match dice.roll(4) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(other, lines[one]),
        2 => lines.swap(one, other),
        _ => {
            let line = lines.remove(one);
            lines.insert(other.min(lines.len()), line);
        }
    }
    lines.concat()
}
