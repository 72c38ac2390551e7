//! Keys that the log introduced: which of them count here, and going on with another one (format.md s.10).

use core::ops::RangeInclusive;

use crate::control;
use crate::engine::commit::{Pen, Say, Signing};
use crate::engine::open::load_key;
use crate::engine::options::Unattested;
use crate::engine::proof::Checked;
use crate::engine::stream::Tip;
use crate::engine::{Appended, CommitInfo, HeadKey, SecureLog};
use crate::entry::{EntryRef, KEYS_STREAM, StreamRules};
use crate::error::LogError;
use crate::hash::Hash;
use crate::introduction::{Introduction, KeyRole, SignedIntroduction};
use crate::limits::{Invalid, check_name};
use crate::note::{VerifierKey, is_key_name};
use crate::providers::KeyError;
use crate::record::LogRow;
use crate::sign::PublicKey;
use crate::store::{Commit, SecureLogStore};
use crate::verify::{Followed, Rotations, Signer, Trust, checked_introduction, name_and_id};

/// The key that was changed for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedKey {
    /// The key that ended.
    pub old: VerifierKey,
    /// The one that goes on.
    pub new: VerifierKey,
    /// The last seqno that the old one speaks for: that of the last entry of the commit which says so.
    pub last: u64,
}

/// The keys that count here: the policy's, the one that signs, and those that they introduced.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    trust: Trust,
    rotations: Rotations,
    /// How many keys of the log were given. They count from the beginning, also where others introduce them later.
    given: usize,
    /// The entries by which keys were introduced or ended.
    introductions: Vec<Introduced>,
    /// Entries by which keys of the log that nobody trusts introduced others. Where one of those is trusted, the old one was the
    /// log's before.
    earlier: Vec<Introduced>,
}

/// How many keys before the first trusted one are looked at: with more, the oldest heads are nobody's.
const MAX_EARLIER: usize = 1024;

/// An entry that introduces a key.
#[derive(Debug)]
pub(super) struct Introduced {
    seqno: u64,
    hash: Hash,
    introduction: Introduction,
}

/// A key of the log, and the sizes of the heads that it may sign.
pub(super) struct LogKey {
    pub(super) key: VerifierKey,
    pub(super) sizes: RangeInclusive<u64>,
}

/// The key that a rotation leads to, and its label.
pub(super) struct Successor {
    identity: String,
    pub(super) key: HeadKey,
}

impl KnownKeys {
    /// Does what an entry says of a key, if it may. One that may not is a finding of a verification, and no reason not to open
    /// the log.
    fn follow(&mut self, introduced: Introduced) {
        let Introduced { seqno, introduction, .. } = &introduced;
        let followed = self.rotations.follow(&mut self.trust, introduction, *seqno);
        let is_said = self.introductions.iter().any(|said| said.introduction == *introduction);
        if followed == Ok(Followed::Counts) && !is_said {
            self.introductions.push(introduced);
        } else if followed == Ok(Followed::Unknown)
            && introduction.role == KeyRole::Log
            && self.earlier.len() < MAX_EARLIER
        {
            self.earlier.push(introduced);
        }
    }

    /// Keeps, of the keys that nobody trusts, those that led to a trusted one.
    fn keep_predecessors(&mut self) {
        let mut led = Vec::new();
        for said in core::mem::take(&mut self.earlier).into_iter().rev() {
            let new = &said.introduction.new;
            if self.trust.log_keys().contains(new) || led.iter().any(|l: &Introduced| l.introduction.old == *new) {
                led.push(said);
            }
        }
        self.earlier = led;
    }

    /// Whether an entry says something of a key and was not read in its stream: a store hid it there.
    pub(super) fn misses(&self, entry: &EntryRef<'_>, log: &LogRow) -> bool {
        introduction(entry, log).is_some_and(|introduction| {
            let followed = self.rotations.clone().follow(&mut self.trust.clone(), &introduction, entry.seqno);
            followed == Ok(Followed::Counts) && !self.introductions.iter().any(|said| said.introduction == introduction)
        })
    }

    /// The keys of the log with this origin.
    fn log_keys(&self, origin: &str) -> Vec<LogKey> {
        let counting = |(index, key): (usize, &VerifierKey)| {
            let introduced = self.introductions.iter().find(|said| said.introduction.new == *key);
            let first = introduced.filter(|_| index >= self.given).map_or(0, |said| said.seqno);
            let last = self.rotations.end_of(KeyRole::Log, key.public_key()).unwrap_or(u64::MAX);
            LogKey { key: key.clone(), sizes: first..=last }
        };
        self.trust.log_keys().iter().enumerate().filter(|(_, key)| key.name() == origin).map(counting).collect()
    }

    /// The keys that were the log's before all of those.
    fn predecessors(&self) -> impl Iterator<Item = LogKey> {
        self.earlier.iter().map(|Introduced { introduction: Introduction { old, last, .. }, .. }| LogKey {
            key: old.clone(),
            sizes: 0..=last.unwrap_or(u64::MAX),
        })
    }

    /// The last seqno that a key of the log speaks for, and the key that came after it, where it ended.
    fn end_of(&self, key: &VerifierKey) -> Option<(u64, &VerifierKey)> {
        let last = self.rotations.end_of(KeyRole::Log, key.public_key())?;
        let ends = |said: &&Introduced| said.introduction.old == *key && said.introduction.last == Some(last);
        self.introductions.iter().find(ends).map(|said| (last, &said.introduction.new))
    }
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Goes on with another key of the keystore, in one commit: the key that signs now introduces it, for heads and, under its
    /// label, for segments and entries, and ends. The head of that commit is signed by both.
    ///
    /// From then on the log is opened with this label as [`crate::engine::LogOptions::identity`]; with the old one it is
    /// [`LogError::KeyEnded`].
    pub fn rotate_key(&mut self, label: &str) -> Result<(RotatedKey, CommitInfo), LogError> {
        check_name("label", label)?;
        if !is_key_name(label) {
            let why = "it becomes the name of a verifier key, which has no white space and no '+'";
            return Err(Invalid::unusable("label", why).into());
        }
        self.refresh()?;
        self.signing_key("a log without a key has none to rotate")?;
        let key = load_key(&*self.providers.keystore, label, &self.log.origin)?.map_err(KeyError::NotFound)?;
        self.successor = Some(Successor { identity: label.into(), key });
        let rotated = self.commit(Signing::Now, |log, commit, time| log.push_rotation(commit, time));
        if !self.stale {
            // It was stored and signs now, or it was not. Where that is unknown the next call finds out.
            self.successor = None;
        }
        rotated
    }

    fn push_rotation(&mut self, commit: &mut Commit, time: &str) -> Result<RotatedKey, LogError> {
        let introductions = self.introductions()?;
        self.check_unnamed()?;
        if !self.load_tip(KEYS_STREAM)? {
            self.push_stream(commit, time, KEYS_STREAM, StreamRules::default())?;
        }
        for introduction in &introductions {
            let (mut pen, streams) = self.pen(commit, time);
            let tip = streams.tip(KEYS_STREAM).expect("the tip was loaded or made just now");
            let Appended { seqno, hash } = pen.introduction(tip, introduction)?;
            self.rotating.push(Introduced { seqno, hash, introduction: introduction.clone() });
        }
        let Introduction { old, new, last, .. } = introductions.into_iter().next().expect("the first is the log's");
        Ok(RotatedKey { old, new, last: last.expect("a key that is rotated ends") })
    }

    /// The log has not named the successor before, neither its key nor its label. Whoever trusts an older key than the one that
    /// signs now knows more keys that ended, and would find that one came back.
    fn check_unnamed(&mut self) -> Result<(), LogError> {
        let Some(Successor { identity, key }) = &self.successor else { return Ok(()) };
        let (label, key) = (identity.clone(), key.verifier.clone());
        let is_named = |name: &VerifierKey, role| {
            name.public_key() == key.public_key() || (role == KeyRole::Signer && name.name() == label)
        };
        let named = self.find_introduction(|said| is_named(&said.new, said.role) || is_named(&said.old, said.role))?;
        let Some((seqno, _)) = named else { return Ok(()) };
        let why = format!("{label:?} cannot be the next key: entry {seqno} names it already, and no key comes back");
        Err(Invalid::unusable("label", why).into())
    }

    /// A key of a signer that the log says has ended before this seqno signs nothing there: it would spoil the log.
    pub(super) fn check_signer(&mut self, identity: &str, key: &PublicKey, seqno: u64) -> Result<(), LogError> {
        let has_ended = |said: &Introduction| {
            let ended = said.last.is_some_and(|last| last < seqno);
            ended && said.role == KeyRole::Signer && said.old.public_key() == key
        };
        match self.find_introduction(has_ended)? {
            Some((_, Introduction { new, last: Some(last), .. })) => {
                Err(LogError::KeyEnded { identity: identity.into(), last, successor: name_and_id(&new) })
            }
            _ => Ok(()),
        }
    }

    /// The first entry that introduces a key so, whoever it is.
    fn find_introduction(
        &mut self,
        is_wanted: impl Fn(&Introduction) -> bool,
    ) -> Result<Option<(u64, Introduction)>, LogError> {
        let (size, log) = (self.accepted.head.size, self.log.clone());
        let mut found = None;
        self.walk(Some(KEYS_STREAM), 1, size, |seqno, _, checked| {
            if let Checked::Entry(entry, _) = checked {
                found = introduction(&entry, &log).filter(&is_wanted).map(|introduction| (seqno, introduction));
            }
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// What the key that signs now has to say of its successor, which may be said.
    fn introductions(&self) -> Result<Vec<Introduction>, LogError> {
        let (key, successor) = (self.signing_key("it introduces the next one")?, self.successor.as_ref());
        let successor = successor.expect("it was loaded before the commit");
        let mut introductions = vec![Introduction {
            role: KeyRole::Log,
            new: successor.key.verifier.clone(),
            old: key.verifier.clone(),
            last: None,
        }];
        // No policy can name an identity of another form, and nobody can hand on what nobody trusts.
        if is_key_name(&self.settings.identity) {
            let [new, old] = [(&successor.identity, &successor.key), (&self.settings.identity, key)]
                .map(|(name, key)| key.verifier.renamed(name));
            introductions.push(Introduction { role: KeyRole::Signer, new, old, last: None });
        }
        let last = self.next.tree.size() + introductions.len() as u64;
        let (mut trust, mut rotations) = (self.known.trust.clone(), self.known.rotations.clone());
        for introduction in &mut introductions {
            introduction.last = Some(last);
            let refused = |why: String| Invalid::unusable("label", format!("{:?} {why}", successor.identity));
            if introduction.new.public_key() == introduction.old.public_key() {
                return Err(refused("is the key that signs now".into()).into());
            }
            rotations
                .follow(&mut trust, introduction, last)
                .map_err(|forbidden| refused(format!("cannot be the next key: {forbidden}")))?;
        }
        Ok(introductions)
    }

    /// From here on the successor signs: the commit that introduces it is stored.
    pub(super) fn take_over(&mut self) {
        if let Some(Successor { identity, key }) = self.successor.take() {
            self.settings.identity = identity;
            self.key = Ok(key);
        }
        for introduced in core::mem::take(&mut self.rotating) {
            self.known.follow(introduced);
        }
    }

    /// The keys that count before anything was read: the policy's, and the one that signs here.
    pub(super) fn given_keys(&self) -> KnownKeys {
        let mut trust = self.trust.clone();
        if let Ok(key) = &self.key {
            trust.add_log_key(key.verifier.clone());
            let identity = &self.settings.identity;
            let public = key.verifier.public_key();
            if let Ok(signer) = Signer::new(identity, public.algorithm(), public.as_bytes(), 1..=u64::MAX) {
                trust.add_signer(signer);
            }
        }
        KnownKeys { given: trust.log_keys().len(), trust, ..KnownKeys::default() }
    }

    /// The keys that count, as far as the log of this size introduces and ends some. They are signed by each other, so that
    /// nothing has to be trusted before; what was read is proven by [`SecureLog::prove_introductions`].
    pub(super) fn read_introductions(&mut self, size: u64, choice: Unattested) -> Result<KnownKeys, LogError> {
        let mut known = self.given_keys();
        if known.given == 0 || self.store.stream(KEYS_STREAM)?.is_none() {
            return Ok(known);
        }
        let log = self.log.clone();
        let walked = self.walk(Some(KEYS_STREAM), 1, size, |seqno, _, checked| {
            if let Checked::Entry(entry, hash) = checked
                && let Some(introduction) = introduction(&entry, &log)
            {
                known.follow(Introduced { seqno, hash, introduction });
            }
            Ok(true)
        });
        match walked {
            // Whoever sets aside what a store put there is not kept from it by how it looks.
            Err(_) if choice != Unattested::Refuse => {}
            walked => walked?,
        }
        known.keep_predecessors();
        Ok(known)
    }

    /// Proves under the accepted head what keys rest on, and that the key that signs here has not ended.
    pub(super) fn prove_introductions(&mut self, choice: Unattested) -> Result<(), LogError> {
        let size = self.accepted.head.size;
        let all = |known: &KnownKeys| -> Vec<(u64, Hash)> {
            known.introductions.iter().chain(&known.earlier).map(|said| (said.seqno, said.hash)).collect()
        };
        if all(&self.known).iter().any(|(seqno, _)| *seqno > size) {
            self.known = self.read_introductions(size, choice)?;
        }
        let said = all(&self.known);
        for (seqno, hash) in said {
            self.prove_entry(seqno, &hash)?;
        }
        let Ok(key) = &self.key else { return Ok(()) };
        let Some((last, successor)) = self.known.end_of(&key.verifier) else { return Ok(()) };
        if size < last {
            return Ok(());
        }
        if self.successor.as_ref().is_some_and(|waiting| waiting.key.verifier == *successor) {
            self.take_over();
            return Ok(());
        }
        self.check_not_ended(size + 1)
    }

    /// Nothing is signed by a key that ended.
    pub(super) fn check_not_ended(&self, size: u64) -> Result<(), LogError> {
        let Ok(key) = &self.key else { return Ok(()) };
        match self.known.end_of(&key.verifier) {
            Some((last, successor)) if size > last => Err(LogError::KeyEnded {
                identity: self.settings.identity.clone(),
                last,
                successor: name_and_id(successor),
            }),
            _ => Ok(()),
        }
    }

    /// The keys that make a head the log's.
    pub(super) fn log_keys(&self) -> Vec<LogKey> {
        self.known.log_keys(&self.log.origin)
    }

    /// The same and those that were the log's before them, for heads that are proven to be of this log's history. Nothing is gone
    /// on from on their word.
    pub(super) fn past_log_keys(&self) -> Vec<LogKey> {
        self.log_keys().into_iter().chain(self.known.predecessors()).collect()
    }

    /// The keys that sign entries and segments.
    pub(super) fn known_signers(&self) -> &Trust {
        &self.known.trust
    }
}

/// What an entry says of a key, if it says it as it has to.
fn introduction(entry: &EntryRef<'_>, log: &LogRow) -> Option<Introduction> {
    if entry.event != control::KEY {
        return None;
    }
    checked_introduction(entry, &log.id, &log.origin).ok().map(|signed| signed.introduction)
}

impl Pen<'_> {
    /// Appends the entry by which the key that signs introduces its successor, with the signatures of both.
    fn introduction(&mut self, tip: &mut Tip, introduction: &Introduction) -> Result<Appended, LogError> {
        let (old, new) = self.key.zip(self.successor).expect("they were looked for before anything was written");
        let say = Say::control(control::KEY, "");
        let entry = self.fields(tip, &say);
        let message = introduction.message(&self.log.id, &entry);
        let signed = SignedIntroduction {
            introduction: introduction.clone(),
            by_old: old.signer.sign(&message)?,
            by_new: new.key.signer.sign(&message)?,
        };
        signed.verify(&self.log.id, &entry).map_err(|bad| {
            KeyError::Backend(format!("{} made a signature that is none: {}", name_and_id(bad.key), bad.error))
        })?;
        self.entry(tip, &Say::control(control::KEY, &signed.encode()))
    }
}
