//! Heads as C2SP signed notes: their text, verifier keys, signature lines, whole notes (format.md s.6).
//!
//! A signature line stands here, and in a [`HeadRow`], without the dash that a whole note puts before it.

use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::hash::Hash;
use crate::record::HeadRow;
use crate::sign::{Algorithm, Claim, KeyTables, PublicKey, SignatureError};

/// The longest note that is read. A head with [`MAX_SIGNATURES`] signatures by the largest RSA keys has 0.2 MiB.
pub const MAX_NOTE_BYTES: usize = 1 << 20;
/// The most signature lines of a note or a head (format.md s.7).
pub const MAX_SIGNATURES: usize = 64;

/// The text of a head: what its signatures cover.
pub fn text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", BASE64.encode(root.0))
}

/// What a head says: the three lines of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// Root of the log tree of that size.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a head: these three lines in their one spelling, and no further ones.
    pub fn parse(text: &str) -> Result<Checkpoint, NoteError> {
        let (size, root) = text
            .strip_suffix('\n')
            .and_then(|lines| lines.split_once('\n'))
            .and_then(|(_, rest)| rest.split_once('\n'))
            .ok_or(NoteError::NotAHead)?;
        let origin = text.split('\n').next().filter(|origin| is_key_name(origin)).ok_or(NoteError::NotAHead)?;
        let size = size.parse().map_err(|_| NoteError::NotAHead)?;
        let root = BASE64.decode(root).ok().and_then(|root| Hash::try_from(&root[..]).ok());
        let head = Checkpoint { origin: origin.into(), size, root: root.ok_or(NoteError::NotAHead)? };
        // Numbers have other spellings than this one.
        if head.text() == text { Ok(head) } else { Err(NoteError::NotAHead) }
    }

    /// The text that says this.
    pub fn text(&self) -> String {
        text(&self.origin, self.size, &self.root)
    }
}

/// A whole note: a text and the signature lines over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed, with its last newline.
    pub text: String,
    /// Signature lines, none of which was checked. The head of a keyless log has none.
    pub sigs: Vec<String>,
}

impl Note {
    /// The note of a head.
    pub fn of_head(origin: &str, head: &HeadRow) -> Note {
        Note { text: text(origin, head.size, &head.root), sigs: head.sigs.clone() }
    }

    /// Reads a note strictly. Its signatures stay unchecked: see [`check_signatures`].
    pub fn parse(note: &str) -> Result<Note, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge);
        }
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::NotANote);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NotANote)?;
        if !lines.is_empty() && !lines.ends_with('\n') {
            return Err(NoteError::NotANote);
        }
        let sigs: Vec<String> = lines
            .split_terminator('\n')
            .map(|line| line.strip_prefix("— ").ok_or(NoteError::NotANote).map(String::from))
            .collect::<Result<_, _>>()?;
        if sigs.len() > MAX_SIGNATURES {
            return Err(NoteError::TooLarge);
        }
        for line in &sigs {
            SignatureLine::parse(line)?;
        }
        Ok(Note { text: format!("{text}\n"), sigs })
    }

    /// What the note says of a log.
    pub fn checkpoint(&self) -> Result<Checkpoint, NoteError> {
        Checkpoint::parse(&self.text)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.sigs.iter().try_for_each(|line| writeln!(f, "— {line}"))
    }
}

/// The keys that made these signature lines over `text`, in the order of the lines. Lines by other keys are passed
/// over; one that is malformed, or by one of `keys` and wrong, spoils all of them.
pub fn check_signatures<'k>(
    text: &str,
    lines: &[String],
    keys: &'k [VerifierKey],
) -> Result<Vec<&'k VerifierKey>, NoteError> {
    let mut signers = Vec::new();
    for line in lines {
        let line = SignatureLine::parse(line)?;
        if let Some(key) = keys.iter().find(|key| key.is_named_by(&line)) {
            key.verify(&line, text)?;
            signers.push(key);
        }
    }
    Ok(signers)
}

/// A signature line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine<'a> {
    /// Name of the key.
    pub name: &'a str,
    /// Its id.
    pub id: [u8; 4],
    /// What follows the id: the signature, or time and signature of a witness.
    pub signature: Vec<u8>,
}

impl<'a> SignatureLine<'a> {
    /// Reads `<key name> <base64>`.
    pub fn parse(line: &'a str) -> Result<SignatureLine<'a>, NoteError> {
        let (name, blob) = line.split_once(' ').ok_or(NoteError::BadLine)?;
        let blob = BASE64.decode(blob).map_err(|_| NoteError::BadLine)?;
        let (id, signature) = blob.split_first_chunk().ok_or(NoteError::BadLine)?;
        if !is_key_name(name) || signature.is_empty() {
            return Err(NoteError::BadLine);
        }
        Ok(SignatureLine { name, id: *id, signature: signature.into() })
    }
}

/// A verifier key: a public key with a name, as text `<name>+<id>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: Kind,
    key: PublicKey,
    id: [u8; 4],
}

/// Whether a key signs heads, or what a witness says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Signer,
    Witness,
}

/// Type bytes of a key, before its public key in the id and in the text.
const ED25519: &[u8] = b"\x01";
const ECDSA_P256: &[u8] = b"\x02";
const COSIGNATURE: &[u8] = b"\x04";
const RSA_PSS_SHA256: &[u8] = b"\xffsecure-log/rsa-pss-sha256\n";

const KINDS: [(Kind, Algorithm, &[u8]); 4] = [
    (Kind::Signer, Algorithm::Ed25519, ED25519),
    (Kind::Signer, Algorithm::EcdsaP256, ECDSA_P256),
    (Kind::Witness, Algorithm::Ed25519, COSIGNATURE),
    (Kind::Signer, Algorithm::RsaPssSha256, RSA_PSS_SHA256),
];

impl VerifierKey {
    /// A key that signs heads (or, as a signer of a policy, entries and segments), from its public key in the
    /// algorithm's form (format.md s.5).
    pub fn new(name: &str, algorithm: Algorithm, public_key: &[u8]) -> Result<VerifierKey, NoteError> {
        VerifierKey::build(name, Kind::Signer, PublicKey::new(algorithm, public_key)?)
    }

    /// A witness's key, from its Ed25519 public key.
    pub fn new_witness(name: &str, public_key: &[u8]) -> Result<VerifierKey, NoteError> {
        VerifierKey::build(name, Kind::Witness, PublicKey::new(Algorithm::Ed25519, public_key)?)
    }

    fn build(name: &str, kind: Kind, key: PublicKey) -> Result<VerifierKey, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::BadName);
        }
        let id = match (kind, key.algorithm()) {
            (Kind::Signer, Algorithm::EcdsaP256) => Hash::sha256(&key.to_note_form()),
            _ => Hash::sha256(&[name.as_bytes(), b"\n", &typed(kind, &key)].concat()),
        };
        let id = *id.0.first_chunk().expect("a hash has 32 bytes");
        Ok(VerifierKey { name: name.into(), kind, key, id })
    }

    /// The same key under another name, which is one that a key may have.
    pub(crate) fn renamed(&self, name: &str) -> VerifierKey {
        VerifierKey::build(name, self.kind, self.key.clone()).expect("the name was checked")
    }

    /// Its name: the origin of a log, or whatever a witness or signer calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id: a hint to find it by, no proof of anything.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether it is a witness's: what it signs is a cosignature and never makes a head the log's.
    pub fn is_witness(&self) -> bool {
        self.kind == Kind::Witness
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the line says that it is by this key.
    pub fn is_named_by(&self, line: &SignatureLine<'_>) -> bool {
        self.id == line.id && self.name == line.name
    }

    /// Whether `line` is by this key over `text`. `Ok(false)` when it is by another key, an error when it says that it is
    /// by this one and is not, or is no signature line.
    pub fn check_line(&self, line: &str, text: &str) -> Result<bool, NoteError> {
        let line = SignatureLine::parse(line)?;
        if !self.is_named_by(&line) {
            return Ok(false);
        }
        self.verify(&line, text).map(|()| true)
    }

    /// The line of a signature that this key made of a head, in the form of [`crate::providers::CheckpointSigner`]. A
    /// witness's line says when, too, and is not made here.
    pub fn signature_line(&self, signature: &[u8]) -> Result<String, NoteError> {
        if self.is_witness() {
            return Err(NoteError::BadLine);
        }
        let blob = [&self.id[..], &self.key.signature_to_note_form(signature)?].concat();
        Ok(format!("{} {}", self.name, BASE64.encode(blob)))
    }

    /// Checks a line that names this key.
    pub fn verify(&self, line: &SignatureLine<'_>, text: &str) -> Result<(), NoteError> {
        self.verify_by(line, text, |claim| claim.verify())
    }

    /// The same with tables of keys.
    pub(crate) fn verify_with(
        &self,
        tables: &KeyTables,
        line: &SignatureLine<'_>,
        text: &str,
    ) -> Result<(), NoteError> {
        self.verify_by(line, text, |claim| tables.verify(claim))
    }

    fn verify_by(
        &self,
        line: &SignatureLine<'_>,
        text: &str,
        verify: impl FnOnce(Claim<'_>) -> Result<(), SignatureError>,
    ) -> Result<(), NoteError> {
        let (key, text_bytes) = (&self.key, text.as_bytes());
        match self.kind {
            // Of all algorithms it alone has another form in notes.
            Kind::Signer if key.algorithm() == Algorithm::EcdsaP256 => {
                Ok(key.verify_note(text_bytes, &line.signature)?)
            }
            Kind::Signer => Ok(verify(Claim { key, message: text_bytes, signature: &line.signature })?),
            Kind::Witness => {
                let (time, signature) = line.signature.split_first_chunk().ok_or(NoteError::BadLine)?;
                let time = u64::from_be_bytes(*time);
                if time == 0 || i64::try_from(time).is_err() {
                    return Err(NoteError::BadCosignatureTime);
                }
                let message = format!("cosignature/v1\ntime {time}\n{text}");
                Ok(verify(Claim { key, message: message.as_bytes(), signature })?)
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, const_hex::encode(self.id), BASE64.encode(typed(self.kind, &self.key)))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<VerifierKey, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::BadKey);
        };
        let typed = BASE64.decode(key).map_err(|_| NoteError::BadKey)?;
        let (kind, algorithm, key) = KINDS
            .iter()
            .find_map(|&(kind, algorithm, prefix)| Some((kind, algorithm, typed.strip_prefix(prefix)?)))
            .ok_or(NoteError::UnknownKeyType)?;
        let key = VerifierKey::build(name, kind, PublicKey::from_note_form(algorithm, key)?)?;
        // The id, too, is right, and everything is spelled as it should be.
        if key.to_string() == text { Ok(key) } else { Err(NoteError::BadKey) }
    }
}

/// Whether a key, and so a log, may have this name: not empty, no space, no control character, no `+`.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_ascii_control())
}

/// Type bytes and public key, as they stand in the id and in the text.
fn typed(kind: Kind, key: &PublicKey) -> Vec<u8> {
    let (_, _, prefix) = KINDS
        .iter()
        .find(|(k, algorithm, _)| (*k, *algorithm) == (kind, key.algorithm()))
        .expect("a signer's key may have any algorithm, and a witness's is made with Ed25519");
    [*prefix, &key.to_note_form()].concat()
}

/// Why a note, a verifier key or a signature line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// Not a text, a blank line and signature lines.
    NotANote,
    /// More than [`MAX_NOTE_BYTES`] or [`MAX_SIGNATURES`].
    TooLarge,
    /// Not the three lines of a head.
    NotAHead,
    /// Not a signature line.
    BadLine,
    /// A cosignature whose time is 0 or not below 2^63.
    BadCosignatureTime,
    /// Not a verifier key in its one spelling, or one with a wrong id.
    BadKey,
    /// A verifier key of a type that is not known here.
    UnknownKeyType,
    /// Not a name that a key may have.
    BadName,
    /// The public key, or a signature that says it is by a known key, is wrong.
    Signature(SignatureError),
}

impl From<SignatureError> for NoteError {
    fn from(error: SignatureError) -> NoteError {
        NoteError::Signature(error)
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoteError::NotANote => "not a signed note",
            NoteError::TooLarge => "a note that is too large",
            NoteError::NotAHead => "not the text of a head: origin, size and root",
            NoteError::BadLine => "not a signature line",
            NoteError::BadCosignatureTime => "a cosignature of no time",
            NoteError::BadKey => "not a verifier key, or one with a wrong id",
            NoteError::UnknownKeyType => "a verifier key of an unknown type",
            NoteError::BadName => "a name that is empty or has a space, a control character or a '+'",
            NoteError::Signature(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for NoteError {}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signer as _;

    const ORIGIN: &str = "log.example/1";

    fn ed25519(seed: u8) -> (ed25519_dalek::SigningKey, [u8; 32]) {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let public = secret.verifying_key().to_bytes();
        (secret, public)
    }

    fn signed_head() -> (HeadRow, VerifierKey) {
        let (secret, public) = ed25519(1);
        let root = Hash([3; 32]);
        let signature = secret.sign(text(ORIGIN, 7, &root).as_bytes()).to_bytes();
        let key = VerifierKey::new(ORIGIN, Algorithm::Ed25519, &public).unwrap();
        let line = key.signature_line(&signature).unwrap();
        (HeadRow { size: 7, root, sigs: vec![line] }, key)
    }

    #[test]
    fn a_head_comes_back_from_its_note() {
        let (head, key) = signed_head();
        let note = Note::of_head(ORIGIN, &head);
        assert_eq!(Note::parse(&note.to_string()).unwrap(), note);
        let checkpoint = note.checkpoint().unwrap();
        assert_eq!(checkpoint, Checkpoint { origin: ORIGIN.into(), size: 7, root: head.root });
        assert_eq!(check_signatures(&note.text, &note.sigs, core::slice::from_ref(&key)).unwrap(), [&key]);
        assert_eq!(key.check_line(&head.sigs[0], &text(ORIGIN, 8, &head.root)), Err(SignatureError::Mismatch.into()));
        let keyless = Note::of_head(ORIGIN, &HeadRow { sigs: Vec::new(), ..head });
        assert_eq!(Note::parse(&keyless.to_string()).unwrap(), keyless);
    }

    #[test]
    fn a_p256_head_is_signed_in_der() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let public = secret.verifying_key().to_sec1_bytes();
        let text = text(ORIGIN, 7, &Hash([3; 32]));
        let signature: p256::ecdsa::Signature = secret.sign(text.as_bytes());
        let key = VerifierKey::new(ORIGIN, Algorithm::EcdsaP256, &public).unwrap();
        let line = key.signature_line(&signature.to_bytes()).unwrap();
        assert_eq!(key.check_line(&line, &text), Ok(true));
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn a_cosignature_names_its_time() {
        let (secret, public) = ed25519(2);
        let key = VerifierKey::new_witness("witness.example", &public).unwrap();
        assert_eq!(key.to_string().parse::<VerifierKey>(), Ok(key.clone()));
        let text = text(ORIGIN, 7, &Hash([3; 32]));
        let line = |time: u64| {
            let signature = secret.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).to_bytes();
            let blob = [&key.id()[..], &time.to_be_bytes(), &signature].concat();
            format!("witness.example {}", BASE64.encode(blob))
        };
        assert_eq!(key.check_line(&line(1_790_000_000), &text), Ok(true));
        for time in [0, 1 << 63] {
            assert_eq!(key.check_line(&line(time), &text), Err(NoteError::BadCosignatureTime));
        }
        let signer = VerifierKey::new("witness.example", Algorithm::Ed25519, &public).unwrap();
        assert_eq!(signer.check_line(&line(1), &text), Ok(false));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let (head, _) = signed_head();
        let good = Note::of_head(ORIGIN, &head).to_string();
        for bad in [
            good.replace("\n\n", "\n"),
            good.replace("— ", "- "),
            good.trim_end().to_string(),
            good.replace("log.example/1\n7", "log.example/1\r\n7"),
            format!("{good}rest"),
            format!("{good}{}", "— a AAAAAAA=\n".repeat(MAX_SIGNATURES)),
            good.replace("=\n", "\n"),
        ] {
            assert!(Note::parse(&bad).is_err(), "{bad:?}");
        }
        for bad in ["a\n07\n", "a\n+7\n", "a b\n7\n", "\n7\n", "a\n7\nAAAA\n", "a\n18446744073709551616\n"] {
            let text = format!("{bad}{}\n", BASE64.encode([0; 32]));
            assert_eq!(Checkpoint::parse(&text), Err(NoteError::NotAHead), "{text:?}");
        }
    }

    #[test]
    fn a_verifier_key_has_one_spelling() {
        let (_, key) = signed_head();
        let good = key.to_string();
        assert_eq!(good.parse(), Ok(key));
        for bad in [
            good.replace("log.example/1", "log.example/2"),
            good.replace("log.example/1", "log.example 1"),
            good.replacen('+', "", 1),
            format!("{good}="),
            good[..good.len() - 4].to_string(),
            String::new(),
        ] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }
}
