//! Making, opening and re-reading a log: from which head it may be continued (security.md rule 8).

use std::collections::HashMap;
use std::sync::Arc;

use crate::control;
use crate::engine::anchoring::anchored_head;
use crate::engine::archiving::{closes_log, continued_head, origin_after};
use crate::engine::commit::{ATTEMPTS, Signing};
use crate::engine::data_keys::KeyRing;
use crate::engine::options::{Absent, Every, LogOptions, Providers, Unattested};
use crate::engine::proof::{Checked, load_tree, prove_consistency};
use crate::engine::rotation::{KnownKeys, LogKey};
use crate::engine::stream::StreamCache;
use crate::engine::{AnchorState, HeadKey, LoadedMac, SecureLog, Settings, State};
use crate::error::LogError;
use crate::hash::KeyId;
use crate::note::{self, VerifierKey};
use crate::providers::{AnchorView, KeyError, Keystore, Random};
use crate::record::{HeadRow, LogRow, Record};
use crate::store::{Commit, NumberedHead, SecureLogStore, StoreError};
use crate::tree::{CompactTree, empty_root, leaf_hash};
use crate::verify::{Finding, FindingCode, Place, Report, Verdict};

/// Heads read at once while a signed one is looked for.
const HEADS_PAGE: u32 = 256;

/// So far back is a signed head looked for in a log that was made without a key.
const KEYLESS_SEARCH: u64 = 4096;

impl<S: SecureLogStore> SecureLog<S> {
    /// Opens the log in the store, or makes a new one where the store is empty and the anchor knows of none. With
    /// [`Absent::Refuse`] none is made: that is [`LogError::LogNotFound`], and nothing was written.
    ///
    /// The anchor is asked first, then the store is read. What is there is continued only from a head that a trusted
    /// key signed, that is no smaller than the anchor's and consistent with it; see security.md rule 8. A log made where the
    /// keystore has no key of the configured identity is keyless: its heads are unsigned and every verdict says so.
    pub fn open(mut store: S, mut providers: Providers, mut options: LogOptions) -> Result<SecureLog<S>, LogError> {
        options.check()?;
        let continued =
            options.continues.take().map(|note| continued_head(&note, options.origin.as_deref())).transpose()?;
        if let (Some(continued), None) = (&continued, &options.origin)
            && store.log()?.is_none()
        {
            options.origin = Some(origin_after(&continued.head));
        }
        let mut view = providers.anchor.latest(options.origin.as_deref())?;
        let is_named = options.origin.is_some();
        let mac = options.mac_label.as_deref().map(|label| load_mac(&*providers.keystore, label)).transpose()?;
        let session = id_or_random(options.session, &mut *providers.random)?;
        let boot = id_or_random(options.boot, &mut *providers.random)?;
        let existing = store.log()?;
        let is_new = existing.is_none();
        let log = match existing {
            Some(log) => check_origin(log, options.origin.as_deref())?,
            None => new_identity(&view, options.absent, options.origin, &mut providers)?,
        };
        let key = load_key(&*providers.keystore, &options.identity, &log.origin)?;
        let head = HeadRow { size: 0, root: empty_root(), sigs: Vec::new() };
        let start = State {
            tree: CompactTree::new(),
            head,
            segments: 0,
            attested: false,
            signed: None,
            signed_at: None,
            last_time: None,
            closed: false,
            others_to: 0,
        };
        let torn = store.torn();
        let mut this = SecureLog {
            torn_bytes: torn.as_ref().map_or(0, |torn| torn.bytes),
            torn,
            store,
            trust: options.trust,
            settings: Settings {
                identity: options.identity,
                kek_label: options.kek_label,
                session,
                boot,
                head_every: options.head_every,
                anchor_every: options.anchor_every,
            },
            keyless: false,
            key,
            known: KnownKeys::default(),
            successor: None,
            rotating: Vec::new(),
            mac,
            log,
            next: start.clone(),
            accepted: start,
            streams: StreamCache::default(),
            segments_read: HashMap::new(),
            ring: KeyRing::default(),
            erasing: None,
            pruning: false,
            stale: false,
            tried: 0,
            unrecorded: None,
            anchor: AnchorState {
                configured: view != AnchorView::NotConfigured,
                silent: view == AnchorView::WhenPublished,
                reanchor: options.reanchor,
                ..AnchorState::default()
            },
            set_aside: None,
            clock_jumps: 0,
            news: Arc::default(),
            providers,
        };
        this.known = this.given_keys();
        if let Some(continued) = continued.as_ref().filter(|_| is_new) {
            // Before anything is made.
            this.check_continued(continued)?;
        }
        if is_new && this.create()? {
            this.meet_anchor(view)?;
            if let Some(continued) = &continued {
                this.continue_from(continued)?;
            }
            return Ok(this);
        }
        if this.anchor.configured && (is_new || !is_named) {
            // What it answered may be of another log, or from before somebody else made this one.
            view = this.providers.anchor.latest(Some(&this.log.origin))?;
        }
        this.accept_stored(options.unattested)?;
        this.meet_anchor(view)?;
        this.check_keyless(options.unattested)?;
        this.record_recovered()?;
        this.check_reanchored()?;
        this.finish_last_erasure();
        this.finish_last_prune();
        if let Some(continued) = &continued {
            this.continue_from(continued)?;
        }
        Ok(this)
    }

    /// Makes the log: a commit of its own, with a head of size 0. `false` when somebody else made one meanwhile.
    fn create(&mut self) -> Result<bool, LogError> {
        self.keyless = self.key.is_err();
        self.check_anchored_key()?;
        let now = self.providers.clock.now();
        let mut commit = Commit::new(None);
        commit.push(Record::Log(&self.log));
        self.seal(&mut commit, Signing::Now, now)?;
        match self.store.insert(&commit) {
            Ok(()) => {
                self.accepted = self.next.clone();
                Ok(true)
            }
            Err(StoreError::Conflict { .. }) => {
                let found = self.store.log()?.ok_or(LogError::Conflict)?;
                if found.origin != self.log.origin {
                    self.key = load_key(&*self.providers.keystore, &self.settings.identity, &found.origin)?;
                }
                self.log = found;
                self.next = self.accepted.clone();
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Before a write: reads the state again where an earlier one had an unknown outcome, and records what was adopted and is
    /// not recorded yet.
    pub(super) fn refresh(&mut self) -> Result<(), LogError> {
        if self.stale {
            self.reload()?;
        }
        self.check_not_ended(self.accepted.head.size + 1)?;
        self.record_recovered()
    }

    /// Sees what other writers have appended, so that a read answers from the log as it is now.
    pub(super) fn catch_up(&mut self) -> Result<(), LogError> {
        let newest = self.newest_head()?.head;
        if self.stale || !self.accepted.is_at(&newest) { self.reload() } else { Ok(()) }
    }

    /// Reads from the log as it is now. What fails while another writer goes on is read again: half of it came from before
    /// that and half from after, which looks like damage.
    pub(super) fn reading<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, LogError>) -> Result<T, LogError> {
        for _ in 1..ATTEMPTS {
            self.catch_up()?;
            match read(self) {
                Err(_) if self.is_behind() => {}
                answer => return answer,
            }
        }
        self.catch_up()?;
        read(self)
    }

    /// Whether another writer has gone on.
    pub(super) fn is_behind(&mut self) -> bool {
        self.newest_head().is_ok_and(|newest| !self.accepted.is_at(&newest.head))
    }

    /// Reads the state again, and goes on from it if it extends what was signed or accepted here.
    pub(super) fn reload(&mut self) -> Result<(), LogError> {
        self.streams.clear();
        self.ring.doubt();
        self.anchor.said = None;
        if self.store.log()?.as_ref() != Some(&self.log) {
            return Err(LogError::PolicyMismatch("the identity of the log changed under way".into()));
        }
        self.accept_stored(Unattested::Refuse)?;
        self.news.tell(self.accepted.head.size);
        self.stale = false;
        self.record_recovered()
    }

    /// Whether heads that a store shows after a conflict can be an extension of what is known here. Only a first look: what
    /// is gone on from is read and proven by [`SecureLog::reload`].
    pub(super) fn check_conflict(&self, heads: &[HeadRow]) -> Result<(), LogError> {
        let known = &self.accepted.head;
        let Some(newest) = heads.first() else {
            return Err(LogError::Rollback { expected: known.size, found: 0 });
        };
        if newest.size < known.size || (newest.size == known.size && newest.root != known.root) {
            return Err(LogError::Fork { expected: known.size, found: newest.size });
        }
        Ok(())
    }

    /// Finds the head to go on from, proves it against what was accepted before, and accepts it. Entries under no signed
    /// head that were chosen to be kept have to be recorded before anything else is written.
    fn accept_stored(&mut self, choice: Unattested) -> Result<(), LogError> {
        self.find_stored(choice).map_err(|error| match error {
            LogError::Fork { expected, found } if expected == found => self.diagnose(error),
            LogError::ChainBroken { .. } | LogError::Store(StoreError::Corrupt { .. }) => self.diagnose(error),
            _ => error,
        })
    }

    fn find_stored(&mut self, choice: Unattested) -> Result<(), LogError> {
        let newest = self.newest_head()?;
        if self.accepted.is_at(&newest.head) && (self.accepted.head.size > 0 || self.accepted.attested) {
            // What this log wrote itself needs no signature to be recognised.
            self.accepted.segments = self.store.segment_count()?;
            self.next = self.accepted.clone();
            return Ok(());
        }
        self.known = self.read_introductions(newest.head.size, choice)?;
        let attested = self.attested_head(&newest)?;
        let signed = attested.as_ref().map(|base| base.head.clone()).or_else(|| self.accepted.signed.clone());
        let signed_size = signed.as_ref().map_or(0, |head| head.size);
        let is_attested = self.accepted.attested || attested.is_some();
        let (base, keyless_entries) = match attested {
            Some(base) => (base, false),
            // Who takes all signatures away does not make it a keyless log.
            None if is_attested => (NumberedHead { head: self.accepted.head.clone(), ..newest.clone() }, false),
            None => (self.unsigned_base(&newest)?, true),
        };
        let found = newest.head.size;
        if is_attested && signed_size == found {
            // Nobody signs what was adopted before it is recorded.
            self.unrecorded = None;
        }
        // Between signed heads, what this log was acknowledged itself is further than what anybody attested.
        let own = self.accepted.head.size > base.head.size;
        let start = if own { self.accepted.head.clone() } else { base.head.clone() };
        if found < start.size {
            return Err(LogError::Rollback { expected: start.size, found });
        }
        if found == start.size && newest.head.root != start.root {
            return Err(LogError::Fork { expected: start.size, found });
        }
        let mut tree =
            if own { self.accepted.tree.clone() } else { load_tree(&mut self.store, start.size, &start.root)? };
        let (size, mut head, mut adopted) = (start.size, start, None);
        if keyless_entries && self.key.is_ok() && size > 0 {
            // A keyless log gets its first key: nobody has attested what is there.
            adopted = Some((1, size));
        } else if found > size {
            match self.choose(choice) {
                Unattested::Refuse => return Err(LogError::Unattested { first: size + 1, last: found }),
                Unattested::SetAside => self.set_aside = Some(self.store.set_aside(base.number)?),
                Unattested::Adopt => {
                    self.extend(&mut tree, size + 1, &newest.head)?;
                    head = newest.head;
                    adopted = Some((size + 1, found));
                }
            }
        }
        let known = self.accepted.head.clone();
        prove_consistency(&mut self.store, (known.size, &known.root), (head.size, &head.root))?;
        let segments = self.store.segment_count()?;
        let (signed_at, last_time, closed) = (None, None, false);
        let others_to = if head.size > known.size { head.size } else { self.accepted.others_to };
        self.accepted =
            State { tree, segments, attested: is_attested, signed, signed_at, last_time, head, closed, others_to };
        self.next = self.accepted.clone();
        if let Some(range) = adopted {
            self.note_adopted(range);
        }
        self.prove_introductions(choice)?;
        self.accepted.last_time = self.look_at_last()?;
        self.next = self.accepted.clone();
        Ok(())
    }

    /// Remembers entries that were adopted until they are recorded.
    pub(super) fn note_adopted(&mut self, (first, last): (u64, u64)) {
        let (known_first, known_last) = self.unrecorded.unwrap_or((first, last));
        self.unrecorded = Some((first.min(known_first), last.max(known_last)));
    }

    /// A log without a signed head, of which the anchor has one, is no keyless log: somebody took the signatures away. Of
    /// an anchor that shows nothing that cannot be known before there is a head to publish.
    fn check_keyless(&self, choice: Unattested) -> Result<(), LogError> {
        let anchored = match self.anchor.last {
            Some((size, _)) => size,
            None if self.anchor.silent => 0,
            None => return Ok(()),
        };
        match self.unrecorded {
            Some((_, last)) if !self.accepted.attested && last > anchored && choice != Unattested::Adopt => {
                Err(LogError::Unattested { first: anchored + 1, last })
            }
            _ => Ok(()),
        }
    }

    /// The first check that fails in what is stored, where that says more than what was noticed.
    fn diagnose(&mut self, noticed: LogError) -> LogError {
        match self.verify_stored() {
            Ok(Report { verdict: Verdict::Invalid(finding), .. }) => LogError::InvalidRecord(Box::new(finding)),
            _ => noticed,
        }
    }

    pub(super) fn newest_head(&mut self) -> Result<NumberedHead, LogError> {
        self.store.heads(None, 1)?.into_iter().next().ok_or_else(|| {
            let detail = "a log has at least the head of size 0 that it was made with";
            StoreError::Corrupt { at: "the last head".into(), detail: detail.into() }.into()
        })
    }

    /// The newest head that a trusted key of the log signed.
    pub(super) fn attested_head(&mut self, newest: &NumberedHead) -> Result<Option<NumberedHead>, LogError> {
        let keys = self.log_keys();
        if keys.is_empty() {
            return Ok(None);
        }
        if self.is_attested(&newest.head, &keys)? {
            return Ok(Some(newest.clone()));
        }
        let first = self.store.heads(Some(2), 1)?;
        let first_attested = match first.first() {
            Some(first) => self.is_attested(&first.head, &keys)?,
            None => false,
        };
        let mut below = newest.number;
        while below > 1 && (first_attested || newest.number - below < KEYLESS_SEARCH) {
            let page = self.store.heads(Some(below), HEADS_PAGE)?;
            if page.is_empty() {
                let detail = "the store does not have it, and has later ones".into();
                return Err(StoreError::Corrupt { at: format!("head number {}", below - 1), detail }.into());
            }
            for head in page {
                if head.number >= below {
                    return Err(LogError::Fork { expected: below, found: head.number });
                }
                below = head.number;
                if self.is_attested(&head.head, &keys)? {
                    return Ok(Some(head));
                }
            }
        }
        Ok(None)
    }

    /// Where to stand in a log without a head by a trusted key: on its newest head if it is keyless, and nowhere if somebody
    /// signed it.
    fn unsigned_base(&mut self, newest: &NumberedHead) -> Result<NumberedHead, LogError> {
        let first = self.store.heads(Some(2), 1)?;
        // Also one under another name counts: a log that was given another origin is not one that nobody signed.
        let signed = |head: &HeadRow| !head.sigs.is_empty();
        if !signed(&newest.head) && !first.iter().any(|first| signed(&first.head)) {
            self.keyless = self.key.is_err();
            return Ok(newest.clone());
        }
        self.signing_key("this log's heads are signed, and without the key it can be neither checked nor continued")?;
        let identity = &self.settings.identity;
        let detail =
            format!("this log's heads are signed by another key than '{identity}', and no policy trusts that key");
        Err(KeyError::AccessDenied(detail).into())
    }

    /// Whether one of these keys signed this head. A signature by one of them that does not verify is a finding, and so is one
    /// by a key that had ended.
    pub(super) fn is_attested(&self, head: &HeadRow, keys: &[LogKey]) -> Result<bool, LogError> {
        let text = note::text(&self.log.origin, head.size, &head.root);
        let finding = |code, detail: String| {
            LogError::InvalidRecord(Box::new(Finding::new(code, Place::Head(head.size), detail)))
        };
        let mut attested = false;
        for line in &head.sigs {
            for LogKey { key, sizes } in keys {
                let signed = key
                    .check_line(line, &text)
                    .map_err(|error| finding(FindingCode::SignatureInvalid, error.to_string()))?;
                if signed && head.size > *sizes.end() {
                    return Err(finding(FindingCode::KeyEnded, "signed by a key that had ended".into()));
                }
                attested |= signed && sizes.contains(&head.size);
            }
        }
        Ok(attested)
    }

    fn choose(&self, choice: Unattested) -> Unattested {
        match (choice, self.settings.head_every) {
            // Who signs less often than every commit has chosen to adopt what stands in between.
            (Unattested::Refuse, Every::Entries(_) | Every::Millis(_)) => Unattested::Adopt,
            _ => choice,
        }
    }

    /// Re-hashes the entries from `first` on and appends them to the tree, which then must have the head's root.
    fn extend(&mut self, tree: &mut CompactTree, first: u64, head: &HeadRow) -> Result<(), LogError> {
        let (mut expected, mut hashes) = (first, tree.clone());
        let (log, known) = (self.log.clone(), core::mem::take(&mut self.known));
        let walked = self.walk(None, first, head.size, |seqno, _, checked| {
            if seqno != expected {
                return Err(LogError::ChainBroken { seqno: expected, reason: "the store does not have this entry" });
            }
            if matches!(&checked, Checked::Entry(entry, _) if known.misses(entry, &log)) {
                return Err(LogError::ChainBroken { seqno, reason: "the store hid it from who read its stream" });
            }
            let (Checked::Entry(_, hash) | Checked::Pruned(hash)) = checked;
            hashes.push(leaf_hash(&hash));
            expected += 1;
            Ok(true)
        });
        self.known = known;
        walked?;
        if hashes.root() != head.root || expected != head.size + 1 {
            return Err(LogError::ChainBroken {
                seqno: first,
                reason: "the entries from here on do not lead to their head",
            });
        }
        *tree = hashes;
        Ok(())
    }

    /// Time of the last entry, if it can be read and is one. Where it erases data keys or records a prune, that is remembered until
    /// it is finished, and where it closes the log, for good.
    fn look_at_last(&mut self) -> Result<Option<crate::time::Timestamp>, LogError> {
        let size = self.accepted.head.size;
        if size == 0 {
            return Ok(None);
        }
        let (mut last, mut erasing, mut pruning, mut closed) = (None, None, false, false);
        let walked = self.walk(None, size, size, |_, stream, checked| {
            if let Checked::Entry(entry, hash) = checked {
                last = Some((hash, entry.time.parse().ok()));
                erasing = (entry.event == control::ERASED).then(|| stream.to_owned());
                pruning = entry.event == control::PRUNED;
                closed = closes_log(&entry);
            }
            Ok(true)
        });
        (self.erasing, self.pruning) = (erasing, pruning);
        self.accepted.closed = closed;
        match (walked, last) {
            // Without the stream's key its time cannot be trusted, and the clock alone decides.
            (Err(LogError::MacKeyMissing { .. }), _) => Ok(None),
            (Err(error), _) => Err(error),
            (Ok(()), Some((hash, time))) => {
                self.prove_entry(size, &hash)?;
                Ok(time)
            }
            (Ok(()), None) => {
                Err(LogError::ChainBroken { seqno: size, reason: "the store does not have the last entry" })
            }
        }
    }
}

/// What will identify the log that is made, where one may be.
fn new_identity(
    view: &AnchorView,
    absent: Absent,
    origin: Option<String>,
    providers: &mut Providers,
) -> Result<LogRow, LogError> {
    // An anchor that knows of a log says more than that it is not there: it was.
    if let AnchorView::Head(note) = view {
        return Err(LogError::Rollback { expected: anchored_head(note)?.1, found: 0 });
    }
    if absent == Absent::Refuse {
        return Err(LogError::LogNotFound { origin });
    }
    let mut id = [0; 16];
    providers.random.fill(&mut id)?;
    let origin = origin.unwrap_or_else(|| format!("secure-log/{}", const_hex::encode(id)));
    Ok(LogRow { id, origin, created: providers.clock.now().to_string() })
}

fn check_origin(log: LogRow, wanted: Option<&str>) -> Result<LogRow, LogError> {
    match wanted {
        Some(wanted) if wanted != log.origin => Err(LogError::PolicyMismatch(format!(
            "the store holds the log {:?}, and {wanted:?} was asked for",
            log.origin
        ))),
        _ => Ok(log),
    }
}

/// The key that signs, or what the keystore says where it has none of this label.
pub(super) fn load_key(
    keystore: &dyn Keystore,
    identity: &str,
    origin: &str,
) -> Result<Result<HeadKey, String>, LogError> {
    match keystore.signer(identity) {
        Ok(signer) => {
            let verifier = VerifierKey::new(origin, signer.algorithm(), signer.public_key())
                .map_err(|error| KeyError::Backend(format!("'{identity}' has a public key that is none: {error}")))?;
            Ok(Ok(HeadKey { signer, verifier, tried: false }))
        }
        Err(KeyError::NotFound(absent)) => Ok(Err(absent)),
        Err(error) => Err(error.into()),
    }
}

fn load_mac(keystore: &dyn Keystore, label: &str) -> Result<LoadedMac, LogError> {
    let key = keystore.mac(label)?;
    let id = KeyId::from_mac(&key.mac(KeyId::LABEL)?);
    Ok(LoadedMac { label: label.into(), key, id })
}

fn id_or_random(id: Option<String>, random: &mut dyn Random) -> Result<String, LogError> {
    match id {
        Some(id) => Ok(id),
        None => {
            let mut bytes = [0; 16];
            random.fill(&mut bytes)?;
            Ok(const_hex::encode(bytes))
        }
    }
}
