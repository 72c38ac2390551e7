//! The exported interface `archive`: convert, forward, convert back. What verifies a chain needs no log.

use std::cell::RefCell;

use secure_log::archive::{Archived, ChainReport, ChainVerdict, ChainVerifier, Fault, MissingArchive, PartReport};
use secure_log::engine::{Absent, ArchiveCheck, Archiving as Making, LogOptions};
use secure_log::error::LogError;
use secure_log::verify::{Trust, TrustError};

use crate::bindings::exports::secure_log::log::archive;
use crate::bindings::exports::secure_log::log::evidence::ArgumentError;
use crate::bindings::exports::secure_log::log::types;
use crate::exports::{Component, chosen, open, with};
use crate::{convert, evidence};

/// An archive in the making; `None` once it was finished.
pub(crate) struct Archiving(RefCell<Option<Making>>);

/// Bytes that are checked; `None` once they were judged.
pub(crate) struct Checking(RefCell<Option<ArchiveCheck>>);

/// A verification of a chain; `None` once its report was given.
pub(crate) struct Chain(RefCell<Option<ChainVerifier>>);

impl archive::Guest for Component {
    type Archiving = Archiving;
    type Checking = Checking;
    type Chain = Chain;

    fn begin() -> Result<archive::Archiving, types::LogError> {
        let begun = with(|log| log.archive())?;
        Ok(archive::Archiving::new(Archiving(RefCell::new(Some(begun)))))
    }

    fn is_closed() -> Result<bool, types::LogError> {
        with(|log| log.is_closed())
    }

    fn check() -> Result<archive::Checking, types::LogError> {
        let begun = with(|log| log.check_archive())?;
        Ok(archive::Checking::new(Checking(RefCell::new(Some(begun)))))
    }

    fn continued() -> Result<Option<String>, types::LogError> {
        with(|log| log.continued())
    }

    fn open_continuing(config: String, note: String) -> Result<(), types::LogError> {
        open(&config, LogOptions { continues: Some(note), ..chosen(Absent::Make) })
    }

    fn verify(policy: String, mac_keys: Vec<Vec<u8>>) -> Result<archive::Chain, ArgumentError> {
        let trust = evidence::trust(&policy, mac_keys)?;
        let verifier = ChainVerifier::new(trust).map_err(|error: TrustError| evidence::unusable_trust(&error))?;
        Ok(archive::Chain::new(Chain(RefCell::new(Some(verifier)))))
    }
}

impl archive::GuestArchiving for Archiving {
    fn next(&self) -> Result<Option<Vec<u8>>, types::LogError> {
        match &mut *self.0.borrow_mut() {
            Some(archiving) => with(|log| archiving.next_page(log)),
            None => Ok(None),
        }
    }

    fn finish(&self) -> Result<archive::Archived, types::LogError> {
        archived(self.0.borrow_mut().take().map(Making::finish))
    }
}

impl archive::GuestChecking for Checking {
    fn push(&self, bytes: Vec<u8>) {
        if let Some(check) = &mut *self.0.borrow_mut() {
            check.push(&bytes);
        }
    }

    fn finish(&self) -> Result<archive::Archived, types::LogError> {
        archived(self.0.borrow_mut().take().map(ArchiveCheck::finish))
    }
}

/// What was finished before is not open any more.
fn archived(finished: Option<Result<Archived, LogError>>) -> Result<archive::Archived, types::LogError> {
    let Archived { note, digest, bytes, report } = finished.ok_or(types::LogError::NotOpen)?.map_err(convert::error)?;
    Ok(archive::Archived { note, digest: digest.0.to_vec(), bytes, report: convert::report(report) })
}

impl archive::GuestChain for Chain {
    fn begin(&self, name: String) -> Result<(), types::LogError> {
        match &mut *self.0.borrow_mut() {
            Some(chain) => chain.begin(&name).map_err(|invalid| convert::error(invalid.into())),
            None => Err(types::LogError::NotOpen),
        }
    }

    fn push(&self, bytes: Vec<u8>) -> bool {
        self.0.borrow_mut().as_mut().is_some_and(|chain| chain.push(&bytes))
    }

    fn finish(&self) -> archive::ChainReport {
        // What was finished before is as a chain without a file.
        let verifier = self.0.borrow_mut().take();
        let verifier =
            verifier.unwrap_or_else(|| ChainVerifier::new(Trust::new()).expect("no keys make sense together"));
        chain_report(verifier.finish())
    }
}

fn chain_report(report: ChainReport) -> archive::ChainReport {
    let (json, text) = (report.to_json(None), report.to_text(None));
    let ChainReport { verdict, parts, faults, missing } = report;
    archive::ChainReport {
        verdict: match verdict {
            ChainVerdict::Valid => archive::ChainVerdict::Valid,
            ChainVerdict::Incomplete => archive::ChainVerdict::Incomplete,
            ChainVerdict::Invalid => archive::ChainVerdict::Invalid,
        },
        faults: faults.into_iter().map(fault).collect(),
        missing: missing.into_iter().map(missing_archive).collect(),
        files: parts.into_iter().map(file).collect(),
        json,
        text,
    }
}

/// There are at most 4096 files.
fn fault(Fault { code, part, detail }: Fault) -> archive::ChainFault {
    archive::ChainFault { code: code.as_str().into(), file: part as u32, detail }
}

fn missing_archive(MissingArchive { head, before, signed }: MissingArchive) -> archive::MissingArchive {
    archive::MissingArchive {
        origin: head.origin,
        size: head.size,
        root: head.root.0.to_vec(),
        before: before as u32,
        signed,
    }
}

fn file(PartReport { name, report }: PartReport) -> archive::ChainFile {
    archive::ChainFile { name, report: convert::report(report) }
}
