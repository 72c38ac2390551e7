//! Closing a log, giving it out as an archive, and going on from it in another log (docs/archives.md).
//!
//! A log is closed by its last entry, the one that deprecates the engine's own stream `secure-log`: a store that compares and
//! appends lets no writer overlook it, whoever has the log open. What an archive holds was verified on its way out.

use std::collections::BTreeSet;
use std::io::Write;

use sha2::{Digest as _, Sha256};

use crate::archive::Archived;
use crate::control;
use crate::engine::SecureLog;
use crate::engine::commit::{ATTEMPTS, Say, Signing};
use crate::engine::exporting::Export;
use crate::engine::proof::Checked;
use crate::engine::read::own_signer;
use crate::entry::{EntryRef, LOG_STREAM, StreamRules, is_reserved_stream};
use crate::error::LogError;
use crate::export::{ExportFailure, ExportOptions, Exported, Format};
use crate::hash::Hash;
use crate::limits::Invalid;
use crate::note::{Checkpoint, Note, VerifierKey, check_signatures};
use crate::record::{HeadRow, Record};
use crate::store::{Commit, SecureLogStore, StoreError};
use crate::verify::{LogVerifier, MissingCode, Verdict};

/// So many streams have their open segments closed in one commit.
pub(super) const CLOSED_AT_ONCE: u32 = 256;

/// An archive in the making, page after page. It is one when [`Archiving::finish`] says so.
#[derive(Debug)]
pub struct Archiving {
    export: Export,
    check: ArchiveCheck,
}

/// Takes the bytes of what is to be the archive of a log that was closed, and says whether it is.
#[derive(Debug)]
pub struct ArchiveCheck {
    verifier: LogVerifier,
    digest: Sha256,
    bytes: u64,
    head: HeadRow,
    note: String,
}

/// The streams to which something was appended since a log had so many entries.
struct Since {
    seen: u64,
    streams: BTreeSet<String>,
}

/// What a log says that it continues.
#[derive(Debug)]
pub(super) struct Continued {
    pub(super) head: Checkpoint,
    note: Note,
    text: String,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Closes the log for good, and answers its last head: every open segment is closed, an entry says that nothing follows, and
    /// the head over it is signed and published. From then on each call that would append is [`LogError::LogClosed`], whoever
    /// makes it and since whenever the log is open there. A log that is closed already is left as it is, so that what was
    /// interrupted can be done again.
    ///
    /// A log without a key is not closed: its archive would show nothing of its end.
    pub fn close_log(&mut self) -> Result<HeadRow, LogError> {
        self.refresh()?;
        self.catch_up()?;
        self.signing_key("an archive ends with a signed head")?;
        for _ in 0..ATTEMPTS {
            if self.accepted.closed {
                return self.sign_head();
            }
            let mut since = Since { seen: self.accepted.head.size, streams: BTreeSet::new() };
            self.close_segments()?;
            let closed = self.commit(Signing::Now, |log, commit, time| {
                if log.accepted.closed {
                    // Somebody else was faster.
                    return Err(LogError::Conflict);
                }
                log.close_since(&mut since, commit, time)?;
                if !log.load_tip(LOG_STREAM)? {
                    log.push_stream(commit, time, LOG_STREAM, StreamRules::default())?;
                }
                let (mut pen, streams) = log.pen(commit, time);
                let tip = streams.tip(LOG_STREAM).expect("the tip was loaded or made just now");
                pen.entry(tip, &Say::control(control::DEPRECATED, ""))?;
                tip.deprecated = true;
                tip.row.deprecated = Some(time.into());
                pen.commit.push(Record::Stream(&tip.row));
                Ok(())
            });
            match closed {
                Ok(_) => return self.sign_head(),
                Err(LogError::Conflict) => self.catch_up()?,
                Err(error) => return Err(error),
            }
        }
        Err(LogError::Conflict)
    }

    /// Whether the log was closed: it is read and verified like any other, and nothing is appended to it.
    pub fn is_closed(&mut self) -> Result<bool, LogError> {
        self.catch_up()?;
        Ok(self.accepted.closed)
    }

    /// Closes what is open in producers' streams, many in one commit.
    fn close_segments(&mut self) -> Result<(), LogError> {
        let mut after = 0;
        loop {
            let page = self.streams(after, CLOSED_AT_ONCE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            let names: Vec<String> =
                page.into_iter().map(|stream| stream.row.name).filter(|name| !is_reserved_stream(name)).collect();
            self.commit(Signing::WhenDue, |log, commit, time| {
                if log.accepted.closed {
                    return Ok(());
                }
                for name in &names {
                    log.finish_erasure(name)?;
                    log.push_close(commit, time, name)?;
                }
                Ok(())
            })?;
        }
    }

    /// Closes in this commit the segments to which something was appended since: others may have done so when they were closed
    /// already, and nobody does so once this is committed.
    fn close_since(&mut self, since: &mut Since, commit: &mut Commit, time: &str) -> Result<(), LogError> {
        let size = self.accepted.head.size;
        self.walk(None, since.seen + 1, size, |_, stream, checked| {
            let closes = matches!(&checked, Checked::Entry(entry, _) if entry.event == control::SEGMENT_CLOSED);
            if !closes && !is_reserved_stream(stream) {
                since.streams.insert(stream.to_owned());
            }
            // Those are to be closed in commits of their own.
            if since.streams.len() > CLOSED_AT_ONCE as usize { Err(LogError::Conflict) } else { Ok(true) }
        })?;
        since.seen = size;
        for name in &since.streams {
            self.finish_erasure(name)?;
            self.push_close(commit, time, name)?;
        }
        Ok(())
    }

    /// Closes the log, and begins its archive: its own lines, which verify alone. [`SecureLog::write_archive`] does all of it.
    pub fn archive(&mut self) -> Result<Archiving, LogError> {
        let check = self.check_archive()?;
        let export = self.export(&ExportOptions::new(Format::JsonLines))?;
        Ok(Archiving { export, check })
    }

    /// Closes the log, and takes bytes that are to be its archive, for who has one already and does not know whether it is whole.
    pub fn check_archive(&mut self) -> Result<ArchiveCheck, LogError> {
        let head = self.close_log()?;
        let note = Note::of_head(&self.log.origin, &head).to_string();
        let mut trust = self.verifying_trust()?;
        if let Some(signer) = own_signer(&*self.providers.keystore, &self.settings.identity)?
            && !trust.signers().iter().any(|other| other.key() == signer.key())
        {
            trust.add_signer(signer);
        }
        let verifier = LogVerifier::new(trust).map_err(|error| Invalid::unusable("trust policy", error.to_string()))?;
        Ok(ArchiveCheck { verifier, digest: Sha256::new(), bytes: 0, head, note })
    }

    /// Closes the log and writes its archive, in memory that its length does not change. `progress` is told after each page what
    /// was written so far. What was written is an archive only when this has answered it: until then it may be cut short.
    ///
    /// ```
    /// use secure_log::archive::{ChainVerdict, verify_chain};
    /// use secure_log::engine::{LogOptions, NewEntry, SecureLog};
    /// use secure_log::entry::Severity;
    /// use secure_log::error::LogError;
    /// use secure_log::memory::MemoryStore;
    /// use secure_log::verify::Trust;
    /// use secure_log_testkit::attacks::providers;
    ///
    /// let event = NewEntry {
    ///     stream: "door",
    ///     event: "opened",
    ///     severity: Severity::Info,
    ///     producer: "sensor",
    ///     encoding: "text",
    ///     payload: b"front",
    /// };
    /// let mut log = SecureLog::open(MemoryStore::new(), providers(), LogOptions::default())?;
    /// log.append(&event)?;
    /// let mut archive = Vec::new();
    /// let archived = log.write_archive(&mut archive, |_| {}).unwrap();
    /// assert!(matches!(log.append(&event), Err(LogError::LogClosed { size: 3 })));
    ///
    /// let continues = LogOptions { continues: Some(archived.note), ..LogOptions::default() };
    /// let mut next = SecureLog::open(MemoryStore::new(), providers(), continues)?;
    /// next.append(&event)?;
    /// let mut live = Vec::new();
    /// secure_log::jsonl::export(next.store_mut(), &mut live).unwrap();
    ///
    /// let mut trust = Trust::new();
    /// trust.add_log_key(log.status().head_key.unwrap().parse().unwrap());
    /// let chain = verify_chain([("1", &archive[..]), ("2", &live[..])], &trust, |_, _| {}).unwrap();
    /// assert_eq!(chain.verdict, ChainVerdict::Valid);
    /// # Ok::<(), LogError>(())
    /// ```
    pub fn write_archive(
        &mut self,
        out: &mut dyn Write,
        mut progress: impl FnMut(&Exported),
    ) -> Result<Archived, ExportFailure> {
        let mut archiving = self.archive()?;
        while let Some(page) = archiving.next_page(self)? {
            out.write_all(&page).map_err(ExportFailure::Output)?;
            progress(archiving.exported());
        }
        out.flush().map_err(ExportFailure::Output)?;
        Ok(archiving.finish()?)
    }

    /// The last head of the log that this one continues, as a whole signed note; `None` where it continues none.
    pub fn continued(&mut self) -> Result<Option<String>, LogError> {
        self.reading(|log| {
            let Some(first) = log.store.stream(LOG_STREAM)?.and_then(|state| state.first) else { return Ok(None) };
            let (_, note) = log.proven_entry(LOG_STREAM, first, |entry| {
                (entry.event == control::CONTINUED).then(|| String::from_utf8_lossy(entry.payload).into_owned())
            })?;
            Ok(note.flatten())
        })
    }

    /// Checks that a key that counts here signed the head that is to be continued: the one that signs, or one that the policy has
    /// of the earlier log.
    pub(super) fn check_continued(&self, continued: &Continued) -> Result<(), LogError> {
        let origin = &continued.head.origin;
        let own = self.key.iter().map(|key| key.verifier.renamed(origin));
        let named = self.trust.log_keys().iter().filter(|key| key.name() == origin).cloned();
        let keys: Vec<VerifierKey> = own.chain(named).collect();
        let signers = check_signatures(&continued.note.text, &continued.note.sigs, &keys);
        match signers {
            Ok(signers) if !signers.is_empty() => Ok(()),
            Ok(_) => Err(Invalid::unusable(
                FIELD,
                "a head that the key of this log signed, or one that the trust policy has for the earlier log",
            )
            .into()),
            Err(error) => Err(Invalid::unusable(FIELD, format!("a head with right signatures: {error}")).into()),
        }
    }

    /// Has the log say in its first entry that it continues another one, or finds that it says so already.
    pub(super) fn continue_from(&mut self, continued: &Continued) -> Result<(), LogError> {
        self.catch_up()?;
        if self.accepted.head.size == 0 {
            self.check_continued(continued)?;
            let said = self.commit(Signing::Now, |log, commit, time| {
                if log.accepted.head.size > 0 {
                    // Another writer was faster: what it wrote is looked at below.
                    return Err(LogError::Conflict);
                }
                log.push_stream(commit, time, LOG_STREAM, StreamRules::default())?;
                let (mut pen, streams) = log.pen(commit, time);
                let tip = streams.tip(LOG_STREAM).expect("the tip was made just now");
                pen.entry(tip, &Say::control(control::CONTINUED, &continued.text))
            });
            match said {
                Ok(_) => return Ok(()),
                Err(LogError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        let said = self.continued()?.and_then(|note| Note::parse(&note).ok()?.checkpoint().ok());
        match said {
            Some(said) if said == continued.head => Ok(()),
            Some(said) => Err(LogError::PolicyMismatch(format!(
                "the log continues {:?} at size {}, and {:?} at size {} was asked for",
                said.origin, said.size, continued.head.origin, continued.head.size
            ))),
            None => Err(LogError::PolicyMismatch(format!(
                "the log continues no other one, and {:?} at size {} was asked for",
                continued.head.origin, continued.head.size
            ))),
        }
    }
}

impl Archiving {
    /// What was given out so far.
    pub fn exported(&self) -> &Exported {
        self.export.exported()
    }

    /// The next part of the archive, about 1 MiB; `None` after the last. `log` is the log that it was begun with.
    pub fn next_page<S: SecureLogStore>(&mut self, log: &mut SecureLog<S>) -> Result<Option<Vec<u8>>, LogError> {
        let page = self.export.next_page(log)?;
        if let Some(page) = &page {
            self.check.push(page);
        }
        Ok(page)
    }

    /// Says what the archive holds, when all of it was given out and found right: up to the head that closed the log.
    pub fn finish(self) -> Result<Archived, LogError> {
        self.check.finish()
    }
}

impl ArchiveCheck {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.verifier.push(bytes);
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Says what the archive holds, when there are no more bytes.
    pub fn finish(self) -> Result<Archived, LogError> {
        let ArchiveCheck { verifier, digest, bytes, head, note } = self;
        let report = verifier.finish();
        if let Verdict::Invalid(finding) = report.verdict {
            return Err(LogError::InvalidRecord(Box::new(finding)));
        }
        let torn = report.missing.iter().any(|missing| missing.code == MissingCode::TornCommit);
        if torn || (report.size, report.root, report.complete_to) != (head.size, head.root, head.size) {
            let detail = "it does not end with the head that closed the log".into();
            return Err(StoreError::Corrupt { at: "the end of the archive".into(), detail }.into());
        }
        Ok(Archived { note, digest: Hash(digest.finalize().into()), bytes, report })
    }
}

const FIELD: &str = "the head that is continued";

/// Reads the note of the head that a log named `origin` is to continue.
pub(super) fn continued_head(text: &str, origin: Option<&str>) -> Result<Continued, LogError> {
    let bad =
        |error: crate::note::NoteError| Invalid::unusable(FIELD, format!("a whole signed note of a head: {error}"));
    let note = Note::parse(text).map_err(bad)?;
    let head = note.checkpoint().map_err(bad)?;
    if head.size == 0 || note.sigs.is_empty() {
        return Err(Invalid::unusable(FIELD, "a signed head of a log with entries").into());
    }
    if origin == Some(&head.origin) {
        let detail = "another name than that of the log that it continues: two heads of one size under one name are two histories";
        return Err(Invalid::unusable("origin", detail).into());
    }
    Ok(Continued { head, note, text: text.into() })
}

/// The name of the log that continues this head, where it is given none: who makes a second such log meets the first at the
/// anchor.
pub(super) fn origin_after(head: &Checkpoint) -> String {
    let hash = Hash::sha256(head.text().as_bytes());
    format!("secure-log/{}", const_hex::encode(&hash.0[..16]))
}

/// Whether this entry closes its log: no other may follow.
pub(super) fn closes_log(entry: &EntryRef<'_>) -> bool {
    entry.event == control::DEPRECATED && entry.stream == LOG_STREAM
}
