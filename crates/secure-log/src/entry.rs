//! Entries, checkpoints and stream rules, and the deterministic CBOR that is hashed of them (format.md s.2 and s.5).

use core::fmt;
use core::str::FromStr;

use crate::cbor::{self, DecodeError, Decoder};
use crate::hash::{Hash, Suite};

/// Event types with this prefix are written by the engine only.
pub const CONTROL_PREFIX: &str = "secure-log.";
/// The producer of control entries.
pub const CONTROL_PRODUCER: &str = "secure-log";
/// The stream in which the engine records what concerns the whole log.
pub const LOG_STREAM: &str = "secure-log";
/// The stream in which keys introduce others.
pub const KEYS_STREAM: &str = "secure-log.keys";
/// What the payload encoding of a sealed payload ends with (format.md s.8).
pub const SEALED_SUFFIX: &str = "+aead-xchacha20poly1305-v1";
/// What stands in every payload encoding that names a sealing, known or not.
pub const SEALED_MARK: &str = "+aead-";

/// Whether `stream` is one of the engine's own: `secure-log` or `secure-log.*`.
pub fn is_reserved_stream(stream: &str) -> bool {
    stream.strip_prefix(LOG_STREAM).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// How serious an event is. The order is by seriousness, so `severity >= Severity::Warning` means
/// "warning or worse" and `Emergency` is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For developers.
    Debug,
    /// Ordinary operation.
    Info,
    /// Ordinary but significant.
    Notice,
    /// Something may be wrong.
    Warning,
    /// Something failed.
    Error,
    /// A part of the system is broken.
    Critical,
    /// Action is needed at once.
    Alert,
    /// The system is unusable.
    Emergency,
}

impl Severity {
    /// All severities, least serious first.
    pub const ALL: [Severity; 8] = [
        Severity::Debug,
        Severity::Info,
        Severity::Notice,
        Severity::Warning,
        Severity::Error,
        Severity::Critical,
        Severity::Alert,
        Severity::Emergency,
    ];

    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
            Severity::Alert => "alert",
            Severity::Emergency => "emergency",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of the words that the format knows at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a word that the format knows at this place")
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Severity {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Severity, UnknownName> {
        Severity::ALL.into_iter().find(|s| s.as_str() == text).ok_or(UnknownName)
    }
}

/// The twelve fields of an entry, borrowed (format.md s.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// Selects the hash suite.
    pub version: u64,
    /// The stream that the entry belongs to.
    pub stream: &'a str,
    /// The session that wrote it.
    pub session: &'a str,
    /// The boot that wrote it.
    pub boot: &'a str,
    /// Position in the whole log, dense, from 1.
    pub seqno: u64,
    /// RFC 3339, UTC, nine fractional digits; opaque to the encoder.
    pub time: &'a str,
    /// What happened.
    pub event: &'a str,
    /// One of the eight severities; text, so that a decoder can show what it was given.
    pub severity: &'a str,
    /// Who reported it.
    pub producer: &'a str,
    /// What the payload is.
    pub encoding: &'a str,
    /// The payload itself.
    pub payload: &'a [u8],
    /// Hash of the previous entry of this stream, or the stream's policy hash.
    pub prev: &'a [u8],
}

impl<'a> EntryRef<'a> {
    /// Appends the canonical bytes to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 12);
        cbor::put_uint(out, self.version);
        cbor::put_text(out, self.stream);
        cbor::put_text(out, self.session);
        cbor::put_text(out, self.boot);
        cbor::put_uint(out, self.seqno);
        cbor::put_text(out, self.time);
        cbor::put_text(out, self.event);
        cbor::put_text(out, self.severity);
        cbor::put_text(out, self.producer);
        cbor::put_text(out, self.encoding);
        cbor::put_bytes(out, self.payload);
        cbor::put_bytes(out, self.prev);
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.payload.len());
        self.encode_into(&mut out);
        out
    }

    /// Reads canonical bytes strictly: the one spelling, the exact length, a 32-byte `prev`.
    ///
    /// What the fields say is not judged here: a severity that the format does not know decodes.
    pub fn decode(bytes: &'a [u8]) -> Result<EntryRef<'a>, DecodeError> {
        let mut d = Decoder::new(bytes);
        d.array(12)?;
        let entry = EntryRef {
            version: d.uint()?,
            stream: d.text()?,
            session: d.text()?,
            boot: d.text()?,
            seqno: d.uint()?,
            time: d.text()?,
            event: d.text()?,
            severity: d.text()?,
            producer: d.text()?,
            encoding: d.text()?,
            payload: d.bytes()?,
            prev: d.bytes_exactly(32)?,
        };
        d.end()?;
        Ok(entry)
    }

    /// Whether the engine wrote this entry for itself.
    pub fn is_control(&self) -> bool {
        self.event.starts_with(CONTROL_PREFIX)
    }

    /// A copy that owns its fields.
    ///
    /// # Panics
    /// Never for an entry that [`EntryRef::decode`] made; `prev` of any other has to be 32 bytes long.
    pub fn to_entry(&self) -> Entry {
        Entry {
            version: self.version,
            stream: self.stream.into(),
            session: self.session.into(),
            boot: self.boot.into(),
            seqno: self.seqno,
            time: self.time.into(),
            event: self.event.into(),
            severity: self.severity.into(),
            producer: self.producer.into(),
            encoding: self.encoding.into(),
            payload: self.payload.into(),
            prev: Hash::try_from(self.prev).expect("decoded entries have a prev of 32 bytes"),
        }
    }
}

/// The twelve fields of an entry, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is described at EntryRef")]
pub struct Entry {
    pub version: u64,
    pub stream: String,
    pub session: String,
    pub boot: String,
    pub seqno: u64,
    pub time: String,
    pub event: String,
    pub severity: String,
    pub producer: String,
    pub encoding: String,
    pub payload: Vec<u8>,
    pub prev: Hash,
}

impl Entry {
    /// A borrowed view.
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef {
            version: self.version,
            stream: &self.stream,
            session: &self.session,
            boot: &self.boot,
            seqno: self.seqno,
            time: &self.time,
            event: &self.event,
            severity: &self.severity,
            producer: &self.producer,
            encoding: &self.encoding,
            payload: &self.payload,
            prev: &self.prev.0,
        }
    }
}

/// The twelve fields of a checkpoint (format.md s.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of SegmentRow and of format.md s.5, in its order")]
pub struct CheckpointRef<'a> {
    pub version: u64,
    pub stream: &'a str,
    pub segment_id: u64,
    pub first: u64,
    pub last: u64,
    pub root: &'a [u8],
    pub last_hash: &'a [u8],
    pub prev: &'a [u8],
    pub boot: &'a str,
    pub session: &'a str,
    pub policy: &'a [u8],
    pub closed: &'a str,
}

impl<'a> CheckpointRef<'a> {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        cbor::put_array(&mut out, 12);
        cbor::put_uint(&mut out, self.version);
        cbor::put_text(&mut out, self.stream);
        cbor::put_uint(&mut out, self.segment_id);
        cbor::put_uint(&mut out, self.first);
        cbor::put_uint(&mut out, self.last);
        cbor::put_bytes(&mut out, self.root);
        cbor::put_bytes(&mut out, self.last_hash);
        cbor::put_bytes(&mut out, self.prev);
        cbor::put_text(&mut out, self.boot);
        cbor::put_text(&mut out, self.session);
        cbor::put_bytes(&mut out, self.policy);
        cbor::put_text(&mut out, self.closed);
        out
    }

    /// Reads canonical bytes strictly.
    pub fn decode(bytes: &'a [u8]) -> Result<CheckpointRef<'a>, DecodeError> {
        let mut d = Decoder::new(bytes);
        d.array(12)?;
        let checkpoint = CheckpointRef {
            version: d.uint()?,
            stream: d.text()?,
            segment_id: d.uint()?,
            first: d.uint()?,
            last: d.uint()?,
            root: d.bytes_exactly(32)?,
            last_hash: d.bytes_exactly(32)?,
            prev: d.bytes_exactly(32)?,
            boot: d.text()?,
            session: d.text()?,
            policy: d.bytes_exactly(32)?,
            closed: d.text()?,
        };
        d.end()?;
        Ok(checkpoint)
    }

    /// The hash that the next checkpoint and the `segment-closed` entry name.
    pub fn hash(&self) -> Hash {
        Hash::sha256(&self.encode())
    }
}

/// How confidential a stream is (format.md s.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Tier {
    /// No payload is sealed.
    #[default]
    Public,
    /// Every producer's payload is sealed.
    Protected,
    /// Event type and producer are pseudonyms, too.
    HighlyRestricted,
}

impl Tier {
    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Public => "public",
            Tier::Protected => "protected",
            Tier::HighlyRestricted => "highly-restricted",
        }
    }
}

impl FromStr for Tier {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Tier, UnknownName> {
        [Tier::Public, Tier::Protected, Tier::HighlyRestricted]
            .into_iter()
            .find(|t| t.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// What a stream requires to be signed (format.md s.5). Heads are signed whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SigningRule {
    /// Nothing.
    #[default]
    None,
    /// Every closed segment.
    Segments,
    /// Every closed segment and every entry.
    Entries,
}

impl SigningRule {
    /// The name in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            SigningRule::None => "none",
            SigningRule::Segments => "segments",
            SigningRule::Entries => "entries",
        }
    }
}

impl FromStr for SigningRule {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<SigningRule, UnknownName> {
        [SigningRule::None, SigningRule::Segments, SigningRule::Entries]
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// The rules that a stream was created with. They never change.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StreamRules {
    /// How confidential it is.
    pub tier: Tier,
    /// The suite of its first entry.
    pub suite: Suite,
    /// What it requires to be signed.
    pub sign: SigningRule,
    /// What it is for; never `Some("")`.
    pub description: Option<String>,
}

impl StreamRules {
    /// Whether these are the rules of a stream that an append makes by naming it.
    pub fn is_default(&self) -> bool {
        *self == StreamRules::default()
    }
}

/// What the first entry of a stream and all of its checkpoints are bound to.
pub fn policy_hash(log_id: &[u8; 16], log_created: &str, stream: &str, created: &str, rules: &StreamRules) -> Hash {
    let mut out = Vec::with_capacity(256);
    cbor::put_array(&mut out, 10);
    cbor::put_uint(&mut out, 1);
    cbor::put_bytes(&mut out, log_id);
    cbor::put_text(&mut out, log_created);
    cbor::put_text(&mut out, stream);
    cbor::put_text(&mut out, created);
    cbor::put_text(&mut out, rules.tier.as_str());
    cbor::put_text(&mut out, rules.suite.name());
    match rules.suite.key_id() {
        Some(id) => cbor::put_bytes(&mut out, &id.0),
        None => cbor::put_bytes(&mut out, &[]),
    }
    cbor::put_text(&mut out, rules.sign.as_str());
    cbor::put_text(&mut out, rules.description.as_deref().unwrap_or(""));
    Hash::sha256(&out)
}

/// What a signature of an entry covers.
pub fn entry_message(entry_hash: &Hash) -> [u8; 52] {
    tagged(b"secure-log/v1/entry\n", entry_hash)
}

/// What a signature of a segment covers.
pub fn checkpoint_message(checkpoint_hash: &Hash) -> [u8; 57] {
    tagged(b"secure-log/v1/checkpoint\n", checkpoint_hash)
}

fn tagged<const N: usize>(tag: &[u8], hash: &Hash) -> [u8; N] {
    let mut out = [0; N];
    out[..tag.len()].copy_from_slice(tag);
    out[tag.len()..].copy_from_slice(&hash.0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_by_seriousness() {
        assert!(Severity::Emergency > Severity::Alert);
        assert_eq!(Severity::ALL.iter().max(), Some(&Severity::Emergency));
        assert_eq!("warning".parse(), Ok(Severity::Warning));
        assert_eq!("Warning".parse::<Severity>(), Err(UnknownName));
    }

    #[test]
    fn the_engines_own_streams_are_told_from_others() {
        for (name, reserved) in
            [("secure-log", true), ("secure-log.keys", true), ("secure-logs", false), ("a", false), ("", false)]
        {
            assert_eq!(is_reserved_stream(name), reserved, "{name}");
        }
    }

    #[test]
    fn decoding_gives_back_what_was_encoded_and_nothing_else() {
        let entry = Entry {
            version: 1,
            stream: "a".into(),
            session: "s".into(),
            boot: "b".into(),
            seqno: 1 << 40,
            time: "2026-11-20T04:07:11.000000000Z".into(),
            event: "e".into(),
            severity: "info".into(),
            producer: "p".into(),
            encoding: "text".into(),
            payload: vec![7; 300],
            prev: Hash([9; 32]),
        };
        let bytes = entry.as_ref().encode();
        assert_eq!(EntryRef::decode(&bytes).unwrap().to_entry(), entry);
        for cut in 0..bytes.len() {
            assert!(EntryRef::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(EntryRef::decode(&longer).is_err());
    }
}
