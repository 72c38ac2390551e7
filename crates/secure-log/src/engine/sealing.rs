//! Appending sealed payloads, and opening them (format.md s.8).

use core::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::engine::commit::Say;
use crate::engine::data_keys::{StreamKeys, place};
use crate::engine::write::{Batch, runs};
use crate::engine::{Appended, CommitInfo, NewEntry, SecureLog};
use crate::entry::{Entry, SEALED_MARK, SEALED_SUFFIX, Tier};
use crate::error::LogError;
use crate::hash::Hash;
use crate::limits::{Invalid, check_stream};
use crate::providers::KeyError;
use crate::record::{DataKeyRow, Record};
use crate::sealed::{
    self, DataKey, MAX_OVERHEAD_BYTES, NONCE_BYTES, Place, PseudonymKey, PseudonymOf, Restricted, SealedPayload,
    Secret, inner_encoding,
};
use crate::store::{Commit, SecureLogStore};
use crate::threads;

/// What was sealed. It is zeroed when dropped, and printed without what it holds.
pub struct Opened {
    /// What happened; in a highly-restricted stream what its pseudonym stands for.
    pub event: Zeroizing<String>,
    /// Who reported it; in a highly-restricted stream what its pseudonym stands for.
    pub producer: Zeroizing<String>,
    /// What the payload is.
    pub encoding: String,
    /// The payload.
    pub payload: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}

/// An entry as it stands, and what was sealed in it or why that does not open.
pub type OpenedEntry = (Entry, Result<Opened, LogError>);

/// What seals a batch's entries of one stream.
pub(super) struct Sealer {
    stream: Box<str>,
    key: Arc<DataKey>,
    /// The key's line, where this batch is the first that it seals.
    row: Option<DataKeyRow>,
    pseudonyms: Option<Arc<PseudonymKey>>,
}

impl<S: SecureLogStore> SecureLog<S> {
    /// Appends one entry with its payload sealed, durably. A stream that is public or not there is
    /// [`LogError::StreamNotProtected`]: what is to be secret is never written in clear.
    ///
    /// ```
    /// # #[cfg(feature = "system")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use secure_log::engine::{Erase, LogOptions, NewEntry, Providers, SecureLog};
    /// use secure_log::entry::{Severity, StreamRules, Tier};
    /// use secure_log::error::LogError;
    /// use secure_log::memory::MemoryStore;
    /// use secure_log_keystore::{Config, SoftwareKeystore};
    ///
    /// let keystore = SoftwareKeystore::new(Config::from_env(|name| match name {
    ///     "SECURE_LOG_KEYSTORE_SEED" => Ok("5e".repeat(32)), // openssl rand -hex 32
    ///     other => std::env::var(other),
    /// })?);
    /// let options = LogOptions { kek_label: Some("kek-2026".into()), ..LogOptions::default() };
    /// let mut log = SecureLog::open(MemoryStore::new(), Providers::system(keystore), options)?;
    /// log.create_stream("patients", &StreamRules { tier: Tier::Protected, ..StreamRules::default() })?;
    ///
    /// let (entry, _) = log.append_sealed(&NewEntry {
    ///     stream: "patients",
    ///     event: "file.opened",
    ///     severity: Severity::Info,
    ///     producer: "ward-3",
    ///     encoding: "text",
    ///     payload: b"record 4711",
    /// })?;
    /// assert_eq!(*log.open_payload(entry.seqno)?.payload, b"record 4711");
    ///
    /// log.erase("patients", Erase::Stream)?;
    /// assert!(matches!(log.open_payload(entry.seqno), Err(LogError::PayloadErased(_))));
    /// assert_eq!(log.verify_log()?.erased_payloads, 1);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "system"))]
    /// # fn main() {}
    /// ```
    pub fn append_sealed(&mut self, entry: &NewEntry<'_>) -> Result<(Appended, CommitInfo), LogError> {
        let (appended, info) = self.append_sealed_batch(core::slice::from_ref(entry))?;
        Ok((appended[0], info))
    }

    /// Appends all entries or none, in one durable commit, with their payloads sealed.
    pub fn append_sealed_batch(&mut self, entries: &[NewEntry<'_>]) -> Result<(Vec<Appended>, CommitInfo), LogError> {
        self.append_one_batch(Batch::sealed(entries))
    }

    /// Opens the payload of an entry, which is read and proven as [`SecureLog::read`] does.
    ///
    /// A payload whose data key was erased is [`LogError::PayloadErased`], and one whose key is gone otherwise
    /// [`LogError::DataKeyMissing`]; to tell them apart the stream is read from the entry on, once.
    pub fn open_payload(&mut self, seqno: u64) -> Result<Opened, LogError> {
        self.reading(|log| {
            let (entry, _) = log.read_once(seqno)?;
            log.open_entry(&entry, &mut StreamKeys::default())
        })
    }

    /// The entries of a stream that [`SecureLog::read_page`] answers, with what was sealed in each: one that does not open says
    /// why, and keeps no other from being opened. Each data key is unwrapped once.
    pub fn open_page(&mut self, stream: &str, from: u64, to: u64, limit: u32) -> Result<Vec<OpenedEntry>, LogError> {
        self.reading(|log| {
            let page = log.page_once(Some(stream), from, to, limit)?;
            let mut keys = StreamKeys::default();
            page.into_iter()
                .map(|entry| match log.open_entry(&entry, &mut keys) {
                    // It is not of this entry.
                    Err(error @ (LogError::Store(_) | LogError::Conflict)) => Err(error),
                    opened => Ok((entry, opened)),
                })
                .collect()
        })
    }

    /// What stands in a highly-restricted stream for this event type or producer: entries that have it can be searched for.
    pub fn pseudonym(&mut self, stream: &str, of: PseudonymOf, value: &str) -> Result<String, LogError> {
        check_stream(stream)?;
        self.reading(|log| {
            if log.existing_tip(stream)?.row.rules.tier != Tier::HighlyRestricted {
                return Err(Invalid::unusable("stream", "only highly-restricted streams have pseudonyms").into());
            }
            log.finish_erasure(stream)?;
            let key = log.pseudonym_key(stream, &mut StreamKeys::default())?;
            Ok(key.pseudonym(place(&log.log, stream), of, value))
        })
    }

    pub(super) fn open_entry(&mut self, entry: &Entry, keys: &mut StreamKeys) -> Result<Opened, LogError> {
        let refused = || LogError::PayloadRefused(entry.seqno);
        let Some(encoding) = inner_encoding(&entry.encoding) else {
            return Err(match entry.encoding.contains(SEALED_MARK) {
                true => LogError::NotImplemented("open what is sealed like this"),
                false => LogError::NotSealed(entry.seqno),
            });
        };
        let sealed = SealedPayload::decode(&entry.payload).map_err(|_| refused())?;
        self.finish_erasure(&entry.stream)?;
        let Some(key) = self.data_key(&entry.stream, &sealed.key, keys)? else {
            return Err(match self.is_erased(&entry.stream, entry.seqno, &sealed.key)? {
                true => LogError::PayloadErased(entry.seqno),
                false => LogError::DataKeyMissing(entry.seqno),
            });
        };
        let opened = key.open(place(&self.log, &entry.stream), encoding, &sealed).map_err(|_| refused())?;
        if self.existing_tip(&entry.stream)?.row.rules.tier != Tier::HighlyRestricted {
            let (event, producer) = (entry.event.clone().into(), entry.producer.clone().into());
            return Ok(Opened { event, producer, encoding: encoding.into(), payload: opened });
        }
        let restricted = Restricted::decode(&opened).map_err(|_| refused())?;
        // Without the key for pseudonyms the data key alone says what they stand for.
        if let Ok(key) = self.pseudonym_key(&entry.stream, keys) {
            let place = place(&self.log, &entry.stream);
            let fits = key.stands_for(place, PseudonymOf::EventType, restricted.event, &entry.event)
                && key.stands_for(place, PseudonymOf::Producer, restricted.producer, &entry.producer);
            if !fits {
                return Err(refused());
            }
        }
        Ok(Opened {
            event: Zeroizing::new(restricted.event.into()),
            producer: Zeroizing::new(restricted.producer.into()),
            encoding: encoding.into(),
            payload: Zeroizing::new(restricted.payload.into()),
        })
    }

    /// What seals a batch, before anything of it is written: a key that cannot be had refuses the batch and no other.
    pub(super) fn sealers(&mut self, batch: &[NewEntry<'_>]) -> Result<Vec<Sealer>, LogError> {
        let mut sealers: Vec<Sealer> = Vec::new();
        for run in runs(batch) {
            let stream = run[0].stream;
            if !sealers.iter().any(|sealer| *sealer.stream == *stream) {
                sealers.push(self.sealer(stream)?);
            }
        }
        Ok(sealers)
    }

    /// The stream's last entry says which data key is in use: the key that sealed it, if it is sealed, as no key is used across
    /// a close and each close is an entry. Nothing else that a store says is asked. Where that key cannot be unwrapped here, and
    /// where the last entry is one of the engine's own, a new one is made.
    fn sealer(&mut self, stream: &str) -> Result<Sealer, LogError> {
        self.finish_erasure(stream)?;
        let tip = self.existing_tip(stream)?;
        let (in_use, tier) = (tip.sealed_by, tip.row.rules.tier);
        let mut keys = StreamKeys::default();
        let pseudonyms = match tier {
            Tier::HighlyRestricted => Some(self.pseudonym_key(stream, &mut keys)?),
            Tier::Protected | Tier::Public => None,
        };
        let known = match in_use {
            Some(id) => match self.data_key(stream, &id, &mut keys) {
                Err(LogError::Key(KeyError::NotFound(_)) | LogError::DataKeyRefused { .. }) => None,
                found => found?,
            },
            None => None,
        };
        let (key, row) = match known {
            Some(key) => (key, None),
            None => {
                let secret = self.random_secret()?;
                let key = DataKey::new(place(&self.log, stream), secret.clone());
                let row = self.wrap_key(stream, (key.id(), &secret))?;
                (self.ring.keep(stream, key), Some(row))
            }
        };
        Ok(Sealer { stream: stream.into(), key, row, pseudonyms })
    }

    /// Makes the key for pseudonyms of a stream that is being made: its line.
    pub(super) fn new_pseudonym_key(&mut self, stream: &str) -> Result<DataKeyRow, LogError> {
        let secret = self.random_secret()?;
        let id = PseudonymKey::new(place(&self.log, stream), secret.clone()).id();
        self.wrap_key(stream, (id, &secret))
    }

    fn random_secret(&mut self) -> Result<Secret, LogError> {
        let mut secret = Secret::default();
        self.providers.random.fill(secret.as_mut_slice())?;
        Ok(secret)
    }

    fn wrap_key(&mut self, stream: &str, key: (Hash, &Secret)) -> Result<DataKeyRow, LogError> {
        let Some(label) = self.settings.kek_label.clone() else {
            let what = "sealing needs a key that wraps data keys: set SECURE_LOG_KEK_LABEL";
            return Err(KeyError::NotFound(what.into()).into());
        };
        let kek = self.ring.kek(&*self.providers.keystore, &label)?;
        Ok(sealed::wrap(place(&self.log, stream), key, (kek, &label), "")?)
    }

    /// Writes the entries of a batch, sealed. Its streams are there.
    pub(super) fn push_sealed(
        &mut self,
        commit: &mut Commit,
        time: &str,
        batch: &[NewEntry<'_>],
        mut sealers: Vec<Sealer>,
    ) -> Result<Vec<Appended>, LogError> {
        let mut nonces = vec![0; batch.len() * NONCE_BYTES];
        self.providers.random.fill(&mut nonces)?;
        let mut nonces = nonces.as_chunks::<NONCE_BYTES>().0;
        let mut appended = Vec::with_capacity(batch.len());
        for run in runs(batch) {
            let stream = run[0].stream;
            let sealer = sealers.iter_mut().find(|sealer| *sealer.stream == *stream);
            let sealer = sealer.expect("there is a sealer for each stream of the batch");
            let (mut pen, streams) = self.pen(commit, time);
            let tip = streams.tip(stream).expect("the tip was loaded for its sealer");
            if let Some(row) = sealer.row.take() {
                let row = DataKeyRow { first: pen.next.tree.size() + 1, created: time.into(), ..row };
                pen.commit.push(Record::DataKey(&row));
            }
            let (place, sealer) = (place(pen.log, stream), &*sealer);
            let pieces: Vec<_> = run
                .chunk_by(|a, b| a.encoding == b.encoding)
                .flat_map(|alike| alike.chunks(PIECE))
                .map(|entries| (entries, nonces.split_off(..entries.len()).expect("there is a nonce for each entry")))
                .collect();
            threads::make_and_take(
                threads::available(),
                WORTH_A_THREAD,
                &pieces,
                |(entries, nonces)| sealer.seal(place, entries, nonces),
                |sealed| {
                    for say in sealed.says() {
                        appended.push(pen.entry(tip, &say)?);
                    }
                    Ok::<_, LogError>(())
                },
            )?;
        }
        Ok(appended)
    }
}

/// So many entries are sealed before they are written.
const PIECE: usize = 64;

/// A thread that seals some of so many pieces has begun before the others are done.
const WORTH_A_THREAD: usize = 6;

/// Entries of one stream and encoding, sealed.
struct Sealed<'a> {
    entries: &'a [NewEntry<'a>],
    by: Hash,
    encoding: String,
    /// Their payloads, one right after the other, and where each ends.
    payloads: Vec<u8>,
    ends: Vec<usize>,
    /// What stands for the event type and the producer of each; nothing but in a highly-restricted stream.
    pseudonyms: Vec<[String; 2]>,
}

impl Sealer {
    fn seal<'a>(&self, place: Place<'_>, entries: &'a [NewEntry<'a>], nonces: &[[u8; NONCE_BYTES]]) -> Sealed<'a> {
        let encoding = entries[0].encoding;
        let bound = self.key.bound_to(place, encoding);
        let clear: usize = entries.iter().map(|entry| entry.payload.len()).sum();
        let mut payloads = Vec::with_capacity(clear + entries.len() * MAX_OVERHEAD_BYTES);
        let (mut ends, mut pseudonyms) = (Vec::with_capacity(entries.len()), Vec::new());
        for (&NewEntry { event, producer, payload, .. }, nonce) in entries.iter().zip(nonces) {
            match &self.pseudonyms {
                None => self.key.seal_bound(&bound, nonce, payload, &mut payloads),
                Some(key) => {
                    let restricted = Restricted { event, producer, payload };
                    self.key.seal_restricted_bound(&bound, nonce, &restricted, &mut payloads);
                    pseudonyms.push(
                        [(PseudonymOf::EventType, event), (PseudonymOf::Producer, producer)]
                            .map(|(of, value)| key.pseudonym(place, of, value)),
                    );
                }
            }
            ends.push(payloads.len());
        }
        let encoding = [encoding, SEALED_SUFFIX].concat();
        Sealed { entries, by: self.key.id(), encoding, payloads, ends, pseudonyms }
    }
}

impl Sealed<'_> {
    /// What each entry says.
    fn says(&self) -> impl Iterator<Item = Say<'_>> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        let payloads = starts.zip(&self.ends).map(|(start, end)| &self.payloads[start..*end]);
        self.entries.iter().zip(payloads).enumerate().map(|(at, (entry, payload))| {
            let stands_for = self.pseudonyms.get(at);
            let (event, producer) =
                stands_for.map_or((entry.event, entry.producer), |[event, producer]| (event, producer));
            Say {
                event,
                severity: entry.severity,
                producer,
                encoding: &self.encoding,
                payload,
                sealed_by: Some(self.by),
            }
        })
    }
}
