//! A proof of one entry as a text that other people's tools read: C2SP tlog-proof (format.md s.6).

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::entry::{Entry, EntryRef};
use crate::hash::Hash;
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::note::{MAX_NOTE_BYTES, Note};
use crate::proof::head::{check_quorum, verify_note};
use crate::proof::{MAX_PROOF_HASHES, Refused, VerifiedHead, verify_inclusion};
use crate::verify::Trust;

/// The longest proof that is read: an entry with the largest payload in base64 (4 for each 3 bytes), as many lines of 45
/// bytes as a proof has hashes, the longest note, and 1 MiB for the entry's other fields.
pub const MAX_TLOG_PROOF_BYTES: usize = MAX_PAYLOAD_BYTES / 3 * 4 + MAX_PROOF_HASHES * 45 + MAX_NOTE_BYTES + (1 << 20);

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";

/// A proof of one entry, as somebody offers it: nothing in it is checked before [`TlogProof::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's canonical bytes, which are the proof's extra data.
    pub entry: Vec<u8>,
    /// Index of its leaf: its seqno less one.
    pub index: u64,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The head that it is under.
    pub note: Note,
}

/// An entry that stands under a head which a known key of the log signed. Only [`TlogProof::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEntry {
    entry: Entry,
    hash: Hash,
    head: VerifiedHead,
}

impl VerifiedEntry {
    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its hash.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The head.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }
}

impl TlogProof {
    /// Reads the text of a proof in its one spelling. Its extra data cannot be missing: nothing else says which entry it is.
    pub fn parse(text: &str) -> Result<TlogProof, Refused> {
        if text.len() > MAX_TLOG_PROOF_BYTES {
            return Err(Refused::TooLarge { limit: MAX_TLOG_PROOF_BYTES, found: text.len() });
        }
        let rest = text.strip_prefix(FIRST_LINE).ok_or(Refused::Malformed("the first line is not that of a proof"))?;
        let (proof, note) =
            rest.split_once("\n\n").ok_or(Refused::Malformed("no blank line ends the proof's hashes"))?;
        let mut lines = proof.split('\n');
        let entry = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(|extra| BASE64.decode(extra).ok())
            .ok_or(Refused::Malformed("the second line is not 'extra' and an entry in base64"))?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|index| index.parse().ok())
            .ok_or(Refused::Malformed("the third line is not 'index' and a number"))?;
        let proof = TlogProof { entry, index, hashes: parse_hashes(lines)?, note: Note::parse(note)? };
        // Numbers have other spellings than this one.
        if proof.to_string() == text {
            Ok(proof)
        } else {
            Err(Refused::Malformed("not in the one spelling of a proof"))
        }
    }

    /// Checks that a known key of the log signed the head, that the entry says the place that it is offered for, and that its
    /// hash, computed from its bytes, stands at that place under the head.
    ///
    /// An entry of the keyed suite can be checked by who holds the key; anybody else is told [`Refused::MacKeyMissing`]. Where
    /// `trust` names a quorum of witnesses, that quorum has cosigned the head.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedEntry, Refused> {
        let verified = self.verify_alone(trust)?;
        check_quorum(&self.note, trust)?;
        Ok(verified)
    }

    /// All but the quorum.
    pub(super) fn verify_alone(&self, trust: &Trust) -> Result<VerifiedEntry, Refused> {
        let head = verify_note(&self.note, trust)?;
        let entry = EntryRef::decode(&self.entry).map_err(|_| Refused::Malformed("the extra data is no entry"))?;
        let seqno = self.index.checked_add(1).ok_or(Refused::Malformed("no entry has the last of all indices"))?;
        if entry.seqno != seqno {
            return Err(Refused::AnotherSeqno { expected: seqno, found: entry.seqno });
        }
        let stands = |hash: &Hash| verify_inclusion(&self.hashes, hash, seqno, head.size(), head.root());
        let hash = match entry.version {
            1 => Hash::sha256(&self.entry),
            2 => Hash(*blake3::hash(&self.entry).as_bytes()),
            3 => self.keyed_hash(trust, |hash| stands(hash).is_ok())?,
            version => return Err(Refused::UnknownSuite(version)),
        };
        stands(&hash)?;
        Ok(VerifiedEntry { entry: entry.to_entry(), hash, head })
    }

    /// The entry does not say under which key it was hashed; the right one is that which leads to the root.
    fn keyed_hash(&self, trust: &Trust, fits: impl Fn(&Hash) -> bool) -> Result<Hash, Refused> {
        for hash in trust.keyed_hashes(&self.entry) {
            let hash = Hash(hash.map_err(Refused::Key)?);
            if fits(&hash) {
                return Ok(hash);
            }
        }
        Err(Refused::MacKeyMissing)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FIRST_LINE}extra {}\nindex {}\n", BASE64.encode(&self.entry), self.index)?;
        write_hashes(f, &self.hashes)?;
        write!(f, "\n{}", self.note)
    }
}

/// Reads hashes in base64, one a line.
pub(super) fn parse_hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Hash>, Refused> {
    let mut hashes = Vec::new();
    for line in lines {
        let hash = BASE64.decode(line).ok().and_then(|bytes| Hash::try_from(&bytes[..]).ok());
        hashes.push(hash.ok_or(Refused::Malformed("a line of the proof is not a hash in base64"))?);
        if hashes.len() > MAX_PROOF_HASHES {
            return Err(Refused::Malformed("the proof has more hashes than any tree has levels"));
        }
    }
    Ok(hashes)
}

/// Writes hashes in base64, one a line.
pub(super) fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Hash]) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash.0)))
}
