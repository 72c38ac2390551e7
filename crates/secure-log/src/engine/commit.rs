//! Building a commit, signing its head, handing it to the store.

use core::time::Duration;

use crate::control;
use crate::engine::archiving::closes_log;
use crate::engine::options::Every;
use crate::engine::proof::suite_hash;
use crate::engine::rotation::Successor;
use crate::engine::stream::{OpenSegment, Tip, Written};
use crate::engine::{Appended, CommitInfo, HeadKey, LoadedMac, SecureLog, Settings, State};
use crate::entry::{CONTROL_PRODUCER, EntryRef, Severity, SigningRule, entry_message};
use crate::error::LogError;
use crate::hash::Hash;
use crate::index::{IndexRow, Recent};
use crate::note;
use crate::providers::KeyError;
use crate::record::{HeadRow, LogRow, Record, SignatureRow, StreamRow, Subject};
use crate::store::{Commit, Node, NodeId, STORED_LEVEL, SecureLogStore, StoreError, TreeId};
use crate::time::Timestamp;
use crate::tree::leaf_hash;

/// So often is a commit built, and a read done, when another writer was faster each time.
pub(super) const ATTEMPTS: usize = 32;

/// A clock that stands so little before the last entry's time is taken to have stood still.
const CLOCK_SLACK_NANOS: i128 = 60_000_000_000;

/// Whether a commit's head is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// As often as the options say.
    WhenDue,
    /// In any case: it closes, adopts or is asked for.
    Now,
}

/// Writes rows into a commit, and keeps what they lead to.
pub(super) struct Pen<'a> {
    pub(super) commit: &'a mut Commit,
    pub(super) next: &'a mut State,
    pub(super) log: &'a LogRow,
    mac: Option<&'a LoadedMac>,
    pub(super) key: Option<&'a HeadKey>,
    pub(super) successor: Option<&'a Successor>,
    settings: &'a Settings,
    /// Of the commit, among those that this engine tried to make.
    number: u64,
    /// Time of everything in this commit.
    pub(super) time: &'a str,
    recent: Recent,
}

/// What differs from entry to entry.
pub(super) struct Say<'a> {
    pub(super) event: &'a str,
    pub(super) severity: Severity,
    pub(super) producer: &'a str,
    pub(super) encoding: &'a str,
    pub(super) payload: &'a [u8],
    /// The data key that sealed it.
    pub(super) sealed_by: Option<Hash>,
}

impl<'a> Say<'a> {
    pub(super) fn control(event: &'a str, payload: &'a str) -> Say<'a> {
        Say {
            event,
            severity: Severity::Notice,
            producer: CONTROL_PRODUCER,
            encoding: control::ENCODING,
            payload: payload.as_bytes(),
            sealed_by: None,
        }
    }
}

impl<'a> Pen<'a> {
    /// What the next entry of a stream says.
    pub(super) fn fields<'e>(&self, tip: &'e Tip, say: &'e Say<'e>) -> EntryRef<'e>
    where
        'a: 'e,
    {
        EntryRef {
            version: tip.suite.version(),
            stream: &tip.row.name,
            session: &self.settings.session,
            boot: &self.settings.boot,
            seqno: self.next.tree.size() + 1,
            time: self.time,
            event: say.event,
            severity: say.severity.as_str(),
            producer: say.producer,
            encoding: say.encoding,
            payload: say.payload,
            prev: &tip.prev.0,
        }
    }

    /// Appends an entry to a stream, with a signature where the stream's rules call for one.
    pub(super) fn entry(&mut self, tip: &mut Tip, say: &Say<'_>) -> Result<Appended, LogError> {
        self.check_open()?;
        tip.move_by(self.number);
        let entry = self.fields(tip, say);
        let seqno = entry.seqno;
        self.next.closed = closes_log(&entry);
        let (suite, mac) = (tip.suite, self.mac);
        let hash = self.commit.push_entry(
            seqno,
            &tip.row.name,
            |out| entry.encode_into(out),
            |bytes| suite_hash(suite, bytes, mac, &tip.row.name),
        )?;
        self.commit.index.extend(self.recent.keys(say.encoding, say.payload).map(|key| IndexRow { key, seqno }));
        let leaf = leaf_hash(&hash);
        let nodes = &mut self.commit.nodes;
        self.next.tree.push_with(leaf, |subtree, hash| {
            if subtree.level >= STORED_LEVEL {
                let id = NodeId { tree: TreeId::Log, level: subtree.level, index: subtree.index };
                nodes.push(Node { id, hash: *hash });
            }
        });
        tip.prev = hash;
        tip.last = Some(seqno);
        tip.sealed_by = say.sealed_by;
        tip.erasing = (say.event == control::ERASED).then_some(seqno);
        if let OpenSegment::Written(open) = &mut tip.open {
            open.note(seqno, leaf, say.event, (&self.settings.boot, &self.settings.session));
        }
        let appended = Appended { seqno, hash };
        if tip.row.rules.sign == SigningRule::Entries {
            self.sign_entry(&appended)?;
        }
        Ok(appended)
    }

    /// Nothing follows the entry that closed the log.
    fn check_open(&self) -> Result<(), LogError> {
        if self.next.closed { Err(LogError::LogClosed { size: self.next.tree.size() }) } else { Ok(()) }
    }

    /// Signs the entry that was appended last: a signature stands right after its entry (format.md s.7).
    pub(super) fn sign_entry(&mut self, last: &Appended) -> Result<(), LogError> {
        let row = self.signature(Subject::Entry(last.seqno), &entry_message(&last.hash))?;
        self.commit.push_signature(row);
        Ok(())
    }

    /// Makes a stream: its row and, where its rules are not the defaults, the entry that binds them.
    pub(super) fn stream(&mut self, row: StreamRow) -> Result<Tip, LogError> {
        self.check_open()?;
        let policy = row.policy_hash(self.log);
        self.commit.push(Record::Stream(&row));
        let mut tip = Tip::new(row, policy, self.number);
        if !tip.row.rules.is_default() {
            self.entry(&mut tip, &Say::control(control::CREATED, ""))?;
        }
        Ok(tip)
    }

    /// Signs with the log's key under its identity.
    pub(super) fn signature(&self, of: Subject, message: &[u8]) -> Result<SignatureRow, LogError> {
        let identity = &self.settings.identity;
        let key = self.key.ok_or_else(|| KeyError::NotFound(format!("'{identity}', which is to sign")))?;
        Ok(SignatureRow {
            of,
            identity: identity.clone(),
            alg: key.signer.algorithm().as_str().into(),
            key: key.signer.public_key().into(),
            sig: key.signer.sign(message)?,
        })
    }
}

impl Written {
    /// Takes in an entry that the store already had.
    pub(super) fn note_read(&mut self, seqno: u64, leaf: Hash, entry: &EntryRef<'_>) {
        self.note(seqno, leaf, entry.event, (entry.boot, entry.session));
    }

    fn note(&mut self, seqno: u64, leaf: Hash, event: &str, (boot, session): (&str, &str)) {
        if self.tree.size() == 0 {
            self.first = seqno;
        }
        self.last = seqno;
        self.worth_closing |= event != control::SEGMENT_CLOSED;
        for (kept, now) in [(&mut self.boot, boot), (&mut self.session, session)] {
            if kept != now {
                *kept = now.into();
            }
        }
        let nodes = &mut self.nodes;
        self.tree.push_with(leaf, |subtree, hash| {
            if subtree.level >= STORED_LEVEL {
                nodes.push((subtree, *hash));
            }
        });
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Builds a commit and makes it durable. `build` loads what it needs, checks it, and only then writes rows; it is
    /// called again when another writer was faster, on the state that then holds.
    pub(super) fn commit<T>(
        &mut self,
        signing: Signing,
        mut build: impl FnMut(&mut Self, &mut Commit, &str) -> Result<T, LogError>,
    ) -> Result<(T, CommitInfo), LogError> {
        self.refresh()?;
        self.may_write()?;
        for lost in 0..ATTEMPTS {
            // Whatever panics on the way, in a store or in a key, leaves a state that is read again.
            self.stale = true;
            self.tried += 1;
            self.rotating.clear();
            let now = self.entry_time();
            let time = now.to_string();
            let mut commit = Commit::new(Some(self.accepted.expected()));
            let sealed = build(self, &mut commit, &time).and_then(|built| {
                if commit.is_empty() && signing == Signing::WhenDue {
                    return Ok((built, false));
                }
                self.seal(&mut commit, signing, now).map(|()| (built, true))
            });
            let built = match sealed {
                Ok((built, true)) => built,
                Ok((built, false)) => {
                    self.stale = false;
                    return Ok((built, self.info()));
                }
                Err(error) => {
                    self.abandon(&commit);
                    self.stale = false;
                    // What another writer did since looks like damage, or like a refusal, to who does not know of it.
                    if !self.is_behind() {
                        return Err(error);
                    }
                    self.give_way(lost)?;
                    self.reload()?;
                    continue;
                }
            };
            match self.store.insert(&commit) {
                Ok(()) => {
                    self.stale = false;
                    // A store that was written to has moved an unfinished commit aside.
                    self.torn_bytes = 0;
                    self.next.last_time = Some(now);
                    self.accepted = self.next.clone();
                    self.news.tell(self.accepted.head.size);
                    self.streams.rotate();
                    self.segments_read.clear();
                    if !self.rotating.is_empty() {
                        self.take_over();
                    }
                    self.publish_when_due(signing, now)?;
                    return Ok((built, self.info()));
                }
                Err(StoreError::Conflict { heads }) => {
                    self.next = self.accepted.clone();
                    self.streams.take_back(self.tried);
                    self.check_conflict(&heads)?;
                    self.give_way(lost)?;
                    // After a pause there is a newer one.
                    let newest = if lost == 0 { heads.into_iter().next() } else { Some(self.newest_head()?.head) };
                    if !newest.is_some_and(|newest| self.follow(&newest)) {
                        self.reload()?;
                    }
                }
                Err(error) => {
                    self.abandon(&commit);
                    // Nothing was written by a store that is locked, not configured or a later version's; of all else it is
                    // unknown.
                    self.stale = !matches!(
                        error,
                        StoreError::Locked { .. } | StoreError::Config(_) | StoreError::LaterVersion { .. }
                    );
                    return Err(error.into());
                }
            }
        }
        Err(LogError::Conflict)
    }

    /// Waits a moment, the longer the more often others were faster: of many that try again at once all but one do so in vain.
    fn give_way(&mut self, lost: usize) -> Result<(), LogError> {
        let mut random = [0; 2];
        self.providers.random.fill(&mut random)?;
        let micros = u64::from(u16::from_le_bytes(random)) % (1000 << lost.min(6)) * u64::from(lost > 0);
        std::thread::sleep(Duration::from_micros(micros));
        Ok(())
    }

    /// The parts of the engine that writing rows needs, beside the streams.
    pub(super) fn pen<'a>(
        &'a mut self,
        commit: &'a mut Commit,
        time: &'a str,
    ) -> (Pen<'a>, &'a mut crate::engine::stream::StreamCache) {
        let pen = Pen {
            commit,
            next: &mut self.next,
            log: &self.log,
            mac: self.mac.as_ref(),
            key: self.key.as_ref().ok(),
            successor: self.successor.as_ref(),
            settings: &self.settings,
            number: self.tried,
            time,
            recent: Recent::default(),
        };
        (pen, &mut self.streams)
    }

    /// The state after the last commit.
    pub(super) fn info(&self) -> CommitInfo {
        let head = &self.accepted.head;
        CommitInfo { size: head.size, root: head.root, signed: !head.sigs.is_empty(), anchored: self.is_anchored() }
    }

    /// A log with signed heads is not continued without its key.
    fn may_write(&self) -> Result<(), LogError> {
        if !self.keyless {
            self.signing_key("this log's heads are signed, and without the key it can be read and not continued")?;
        }
        Ok(())
    }

    /// Ends the commit with a head over everything in it.
    pub(super) fn seal(&mut self, commit: &mut Commit, signing: Signing, now: Timestamp) -> Result<(), LogError> {
        let (size, root) = (self.next.tree.size(), self.next.tree.root());
        self.check_not_ended(size)?;
        let mut sigs = Vec::new();
        if let Ok(key) = &mut self.key {
            let due = signing == Signing::Now || {
                let entries = size - self.next.signed_size();
                is_due(self.settings.head_every, entries, self.next.signed_at, now)
            };
            if due {
                let text = note::text(&self.log.origin, size, &root);
                sigs.push(key.sign_head(&text)?);
                if let Some(successor) = self.successor.as_mut().filter(|_| !self.rotating.is_empty()) {
                    sigs.push(successor.key.sign_head(&text)?);
                }
                self.next.attested = true;
                self.next.signed_at = Some(now);
            }
        }
        let head = HeadRow { size, root, sigs };
        if !head.sigs.is_empty() {
            self.next.signed = Some(head.clone());
        }
        commit.push(Record::Head(&head));
        self.next.head = head;
        Ok(())
    }

    /// Forgets what a commit that was not stored would have led to.
    fn abandon(&mut self, commit: &Commit) {
        self.next = self.accepted.clone();
        if !commit.is_empty() {
            // Its streams have moved; they are proven again from the store.
            self.streams.clear();
        }
    }

    /// The later of the clock and the last entry's time, if that is at most a minute later; a clock that was set back
    /// further is followed, and counted.
    fn entry_time(&mut self) -> Timestamp {
        let now = self.providers.clock.now();
        match self.accepted.last_time {
            Some(last) if last > now && last.nanos_since(now) <= CLOCK_SLACK_NANOS => last,
            Some(last) if last > now => {
                self.clock_jumps += 1;
                now
            }
            _ => now,
        }
    }
}

impl HeadKey {
    /// The signature line of a head. The first is verified before anything is stored under it: a key whose two halves do not
    /// fit would make a log that nobody can open again.
    fn sign_head(&mut self, text: &str) -> Result<String, LogError> {
        let bad =
            |error: &dyn core::fmt::Display| KeyError::Backend(format!("it made a signature that is none: {error}"));
        let signature = self.signer.sign(text.as_bytes())?;
        let line = self.verifier.signature_line(&signature).map_err(|error| bad(&error))?;
        if !self.tried {
            self.verifier.check_line(&line, text).map_err(|error| bad(&error))?;
            self.tried = true;
        }
        Ok(line)
    }
}

/// Whether something that is done so often is due.
pub(super) fn is_due(every: Every, entries: u64, since: Option<Timestamp>, now: Timestamp) -> bool {
    match every {
        Every::Commit => true,
        Every::Entries(n) => entries >= n,
        Every::Millis(ms) => since.is_none_or(|since| now.nanos_since(since) >= i128::from(ms) * 1_000_000),
    }
}
