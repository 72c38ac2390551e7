//! Rows 22 and 23 where they are about a disk: torn commits, lost sectors, and a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use secure_log_testkit::attacks::{Said, Subject, sample_records, to_jsonl};
use secure_log_testkit::{OwnedRecord, SeededRandom, count, seed};
use wasmtime::{Result, bail, ensure};

use crate::stacks::{Kept, Stacks};
use crate::{Check, Seen, check};

/// The checks.
pub fn checks() -> Vec<Check> {
    vec![
        check("22", "file: a last commit that was cut or lost sectors is no part of the log", torn),
        full("256k", Kept::AsReleased),
        // The tables take some room before there is an entry.
        full("1m", Kept::InDatabaseAsReleased),
    ]
}

const SECTOR: usize = 512;

fn torn(stacks: &Stacks) -> Result<Seen> {
    let (before, whole) = with_a_long_last_commit(stacks)?;
    let mut images: Vec<Vec<u8>> = Vec::new();
    let mut random = SeededRandom::new(seed());
    let all = before.len() + 1..whole.len();
    match count(0, 1) {
        0 => (0..20).for_each(|_| {
            images.push(whole[..all.start + random.below(all.len() as u64) as usize].to_vec());
        }),
        _ => images.extend(all.map(|cut| whole[..cut].to_vec())),
    }
    let cuts = images.len();
    let sectors = (0..whole.len()).step_by(SECTOR).filter(|at| *at > before.len());
    let starts: Vec<usize> = std::iter::once(before.len()).chain(sectors.clone()).collect();
    for (number, first) in starts.iter().enumerate() {
        for end in starts.iter().skip(number + 1) {
            let mut image = whole.clone();
            image[*first..*end].fill(0);
            images.push(image);
        }
    }
    ensure!(images.len() > cuts, "the last commit has a sector of its own");
    for (number, image) in images.iter().enumerate() {
        let mut log = stacks.at(Kept::AsReleased, &stacks.folder(), &format!("torn-{number}.jsonl"));
        log.lay_file(image)?;
        let said = log.open_and_verify();
        let Said::Incomplete { missing } = &said else { bail!("image {number}: expected incomplete, found {said:?}") };
        ensure!(missing.len() == 1 && missing[0].contains("never finished"), "image {number}: {missing:?}");
        ensure!(fs::read(log.file())? == *image, "image {number}: opening and verifying write nothing");
        ensure!(log.append("files", "next") == Ok(26), "image {number}: the next entry is the 26th");
        ensure!(log.read(25) == Ok(b"/tmp".to_vec()), "image {number}: what was acknowledged is there");
        ensure!(fs::read(log.file())?.starts_with(&before), "image {number}: what was finished stays");
        let said = log.open_and_verify();
        ensure!(said == Said::Valid, "image {number}: expected valid, found {said:?}");
    }
    Ok(Seen::Held(format!("{cuts} cuts and {} lost runs of sectors", images.len() - cuts)))
}

/// The bytes of the sample log, and of the same with one more commit that is several sectors long.
fn with_a_long_last_commit(stacks: &Stacks) -> Result<(Vec<u8>, Vec<u8>)> {
    let before = to_jsonl(&sample_records());
    let mut log = stacks.fresh(Kept::AsReleased);
    log.lay_file(&before)?;
    ensure!(log.open_and_verify() == Said::Valid, "the sample log is valid");
    ensure!(log.append("files", &"long ".repeat(500)) == Ok(26), "one more entry is the 26th");
    Ok((before, fs::read(log.file())?))
}

fn full(size: &'static str, kept: Kept) -> Check {
    let name = format!("{}: a full disk is a storage error, and nothing is lost", kept.name());
    check("23", name, move |stacks| fill(stacks, kept, size))
}

fn fill(stacks: &Stacks, kept: Kept, size: &str) -> Result<Seen> {
    let folder = stacks.folder().with_file_name(format!("small-disk-{}", kept.name()));
    fs::create_dir_all(&folder)?;
    let disk = match SmallDisk::mount(&folder, size) {
        Ok(disk) => disk,
        Err(why) => return Ok(Seen::NotRun(format!("a small disk cannot be mounted: {why}"))),
    };
    let mut log = stacks.at(kept, &folder, &format!("full.{}", kept.extension()));
    log.open().expect("a log fits on the disk");
    let payload = "x".repeat(5000);
    let mut acknowledged = Vec::new();
    let refusal = loop {
        match log.append("a", &payload) {
            Ok(seqno) => acknowledged.push(seqno),
            Err(refusal) => break refusal,
        }
        ensure!(acknowledged.len() < 1000, "the disk never gets full");
    };
    ensure!(refusal == "storage", "expected storage, found {refusal}");
    ensure!(log.append("a", &payload) == Err("storage".into()), "and again");
    let large = *acknowledged.last().expect("something fits on the disk");
    ensure!(log.read(large) == Ok(payload.clone().into_bytes()), "what was acknowledged can be read");
    // Somebody makes room: the same writer reads its state again and goes on, and so does one that starts anew.
    disk.resize("8m")?;
    ensure!(log.append("a", "room") == Ok(large + 1), "the next entry after there is room");
    let said = log.open_and_verify();
    ensure!(said == Said::Valid, "expected valid, found {said:?}");
    ensure!(log.append("a", "anew") == Ok(large + 2), "the next entry of the next instance");
    let entries = log.records().iter().filter_map(OwnedRecord::seqno).count() as u64;
    ensure!(entries == large + 2, "each is there once: {entries}");
    if kept.is_in_database() {
        drop(log);
        integrity_check(&folder.join("full.db"))?;
    }
    Ok(Seen::Held(format!("{large} entries on {size}, then storage twice, and the log goes on")))
}

/// What another build of SQLite says of the database.
fn integrity_check(database: &Path) -> Result<()> {
    let said =
        run(Command::new("sqlite3").arg(database).arg("PRAGMA integrity_check")).map_err(wasmtime::Error::msg)?;
    ensure!(said == "ok", "sqlite3 says: {said}");
    Ok(())
}

/// A small file system, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, size: &str) -> Result<SmallDisk, String> {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder))?;
        Ok(SmallDisk(folder.into()))
    }

    fn resize(&self, size: &str) -> Result<()> {
        run(Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0))
            .map(drop)
            .map_err(wasmtime::Error::msg)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What an instance still holds open does not keep the folder from being taken away.
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(&self.0)) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}

/// What the command prints.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
