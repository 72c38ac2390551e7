//! A key that an older one introduces: the payload of the control entry `secure-log.key` (format.md s.10).
//!
//! Only its bytes are here. Whether an introduction counts depends on whose keys are trusted, which [`crate::verify`] knows.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::control::decode_number;
use crate::entry::{EntryRef, KEYS_STREAM};
use crate::hash::Hash;
use crate::note::VerifierKey;
use crate::sign::SignatureError;

/// The longest payload. Two RSA keys of the largest size and a signature by each, all in base64, and two names have less than
/// 12 KiB.
pub const MAX_INTRODUCTION_BYTES: usize = 16 << 10;

/// What a key is for. A key introduces others to what it does itself, and to nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// It signs heads, under the log's origin.
    Log,
    /// It signs entries and segments, under an identity.
    Signer,
}

impl KeyRole {
    const ALL: [KeyRole; 2] = [KeyRole::Log, KeyRole::Signer];

    /// The role's name: the word that stands before such a key in a trust policy.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyRole::Log => "log",
            KeyRole::Signer => "signer",
        }
    }
}

/// What an old key says of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// What the new key may do from now on.
    pub role: KeyRole,
    /// The new key. Its name is the origin, or the identity that it signs under.
    pub new: VerifierKey,
    /// The key that introduces it.
    pub old: VerifierKey,
    /// The last seqno that the old key speaks for; `None` when it goes on.
    pub last: Option<u64>,
}

impl Introduction {
    /// What both keys sign, as the payload of `entry`, whose own payload does not matter. It names the log and, with the
    /// entry, its place: it says nothing in another log, nor anywhere else in this one. No head, entry or checkpoint has this
    /// length and this beginning.
    pub fn message(&self, log_id: &[u8; 16], entry: &EntryRef<'_>) -> [u8; 50] {
        const TAG: &[u8; 18] = b"secure-log/v1/key\n";
        let statement = self.statement();
        let mut bytes = log_id.to_vec();
        EntryRef { payload: statement.as_bytes(), ..*entry }.encode_into(&mut bytes);
        let mut message = [0; 50];
        message[..TAG.len()].copy_from_slice(TAG);
        message[TAG.len()..].copy_from_slice(&Hash::sha256(&bytes).0);
        message
    }

    fn statement(&self) -> String {
        let Introduction { role, new, old, last } = self;
        let last = last.map_or_else(|| GOES_ON.into(), |last| last.to_string());
        format!("{} {new} {old} {last}", role.as_str())
    }
}

/// An introduction with its signatures: by the old key, which vouches for the new one, and by the new key, which shows that
/// whoever was introduced has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIntroduction {
    /// What is said.
    pub introduction: Introduction,
    /// The old key's signature, in the form of entries and segments.
    pub by_old: Vec<u8>,
    /// The new key's.
    pub by_new: Vec<u8>,
}

impl SignedIntroduction {
    /// The payload.
    pub fn encode(&self) -> String {
        let statement = self.introduction.statement();
        format!("{statement} {} {}", BASE64.encode(&self.by_old), BASE64.encode(&self.by_new))
    }

    /// Reads a payload: six words in their one spelling, with one space between two.
    pub fn decode(payload: &[u8]) -> Option<SignedIntroduction> {
        if payload.len() > MAX_INTRODUCTION_BYTES {
            return None;
        }
        let mut words = core::str::from_utf8(payload).ok()?.split(' ');
        let mut word = || words.next().filter(|word| !word.is_empty());
        let role = word()?;
        let role = KeyRole::ALL.into_iter().find(|known| known.as_str() == role)?;
        let [new, old] = [word()?, word()?].map(|key| key.parse().ok().filter(|key: &VerifierKey| !key.is_witness()));
        let last = match word()? {
            GOES_ON => None,
            number => Some(decode_number(number)?),
        };
        let [by_old, by_new] = [word()?, word()?].map(|signature| BASE64.decode(signature).ok());
        let introduction = Introduction { role, new: new?, old: old?, last };
        words.next().is_none().then_some(SignedIntroduction { introduction, by_old: by_old?, by_new: by_new? })
    }

    /// Says whether the entry may say this, in the log of this origin, whoever the keys are.
    pub fn check_place(&self, entry: &EntryRef<'_>, origin: &str) -> Result<(), Misplaced> {
        let Introduction { role, new, old, last } = &self.introduction;
        if entry.stream != KEYS_STREAM {
            return Err(Misplaced::Stream);
        }
        if *role == KeyRole::Log && (new.name() != origin || old.name() != origin) {
            return Err(Misplaced::Name);
        }
        if new.public_key() == old.public_key() {
            return Err(Misplaced::Itself);
        }
        if last.is_some_and(|last| last < entry.seqno) { Err(Misplaced::End) } else { Ok(()) }
    }

    /// Checks both signatures. Whether the old key counts for anything is another question.
    pub fn verify(&self, log_id: &[u8; 16], entry: &EntryRef<'_>) -> Result<(), BadSignature<'_>> {
        let Introduction { new, old, .. } = &self.introduction;
        let message = self.introduction.message(log_id, entry);
        for (key, signature) in [(old, &self.by_old), (new, &self.by_new)] {
            key.public_key().verify(&message, signature).map_err(|error| BadSignature { key, error })?;
        }
        Ok(())
    }
}

/// Why an entry cannot say what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// It stands in another stream.
    Stream,
    /// A key of the log has another name than the log.
    Name,
    /// A key introduces itself.
    Itself,
    /// The old key ends before it says so.
    End,
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misplaced::Stream => "not in the stream secure-log.keys",
            Misplaced::Name => "a key of the log has the log's origin as its name",
            Misplaced::Itself => "a key that introduces itself",
            Misplaced::End => "a key that ends before it says so",
        })
    }
}

/// A signature that is none, and whose it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature<'a> {
    /// The key.
    pub key: &'a VerifierKey,
    /// What is wrong.
    pub error: SignatureError,
}

/// In place of a seqno: the old key does not end.
const GOES_ON: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Algorithm;
    use ed25519_dalek::{Signer as _, SigningKey};

    const LOG: [u8; 16] = [9; 16];

    fn secret(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn key(name: &str, seed: u8) -> VerifierKey {
        VerifierKey::new(name, Algorithm::Ed25519, &secret(seed).verifying_key().to_bytes()).unwrap()
    }

    fn entry<'a>(payload: &'a [u8], prev: &'a [u8; 32]) -> EntryRef<'a> {
        EntryRef {
            version: 1,
            stream: KEYS_STREAM,
            session: "s",
            boot: "b",
            seqno: 7,
            time: "2026-11-20T04:00:00.000000000Z",
            event: crate::control::KEY,
            severity: "notice",
            producer: "secure-log",
            encoding: "text",
            payload,
            prev,
        }
    }

    fn signed(introduction: Introduction) -> SignedIntroduction {
        let message = introduction.message(&LOG, &entry(b"", &[1; 32]));
        let [by_old, by_new] = [1, 2].map(|seed| secret(seed).sign(&message).to_bytes().to_vec());
        SignedIntroduction { introduction, by_old, by_new }
    }

    fn sample() -> SignedIntroduction {
        signed(Introduction { role: KeyRole::Log, new: key("o", 2), old: key("o", 1), last: Some(7) })
    }

    #[test]
    fn a_payload_comes_back_and_has_one_spelling() {
        let sample = sample();
        let payload = sample.encode();
        assert_eq!(SignedIntroduction::decode(payload.as_bytes()), Some(sample.clone()));
        let going_on = SignedIntroduction {
            introduction: Introduction { role: KeyRole::Signer, last: None, ..sample.introduction },
            ..sample
        };
        assert_eq!(SignedIntroduction::decode(going_on.encode().as_bytes()), Some(going_on.clone()));
        let words: Vec<&str> = payload.split(' ').collect();
        let with = |at: usize, word: &str| {
            let mut words = words.clone();
            words[at] = word;
            words.join(" ")
        };
        let witness = VerifierKey::new_witness("o", key("o", 1).public_key().as_bytes()).unwrap().to_string();
        let flawed = [
            with(0, "Log"),
            with(0, "witness"),
            with(1, &witness),
            with(2, &witness),
            with(1, "o+00000000+AAAA"),
            with(3, "07"),
            with(3, "0"),
            with(3, "+7"),
            with(3, "18446744073709551616"),
            with(4, ""),
            with(4, &words[4][..86]),
            with(5, "A=="),
            words[..5].join(" "),
            format!("{payload} "),
            format!("{payload}\n"),
            format!(" {payload}"),
            payload.replacen(' ', "  ", 1),
            payload.replacen(' ', "\t", 1),
            String::new(),
        ];
        for flawed in flawed {
            assert_eq!(SignedIntroduction::decode(flawed.as_bytes()), None, "{flawed}");
        }
        let long = with(4, &BASE64.encode([0; MAX_INTRODUCTION_BYTES]));
        assert_eq!(SignedIntroduction::decode(long.as_bytes()), None);
    }

    #[test]
    fn it_says_something_in_one_place_of_one_log() {
        let sample = sample();
        let payload = sample.encode();
        let at = entry(payload.as_bytes(), &[1; 32]);
        assert_eq!(sample.verify(&LOG, &at), Ok(()));
        assert!(sample.verify(&[8; 16], &at).is_err());
        let elsewhere = [
            EntryRef { seqno: 8, ..at },
            EntryRef { prev: &[2; 32], ..at },
            EntryRef { time: "2026-11-20T04:00:01.000000000Z", ..at },
            EntryRef { stream: "secure-log", ..at },
            EntryRef { event: "secure-log.created", ..at },
            EntryRef { version: 2, ..at },
        ];
        for elsewhere in elsewhere {
            assert!(sample.verify(&LOG, &elsewhere).is_err(), "{elsewhere:?}");
        }
    }

    #[test]
    fn both_keys_sign_what_is_said() {
        let good = sample();
        let at = entry(b"", &[1; 32]);
        let flawed = |edit: &dyn Fn(&mut SignedIntroduction)| {
            let mut flawed = good.clone();
            edit(&mut flawed);
            flawed.verify(&LOG, &at).map_err(|bad| bad.key.to_string())
        };
        let (old, new) = (key("o", 1).to_string(), key("o", 2).to_string());
        assert_eq!(flawed(&|_| ()), Ok(()));
        assert_eq!(flawed(&|s| s.by_old[0] ^= 1), Err(old.clone()));
        assert_eq!(flawed(&|s| s.by_new[0] ^= 1), Err(new));
        assert_eq!(flawed(&|s| core::mem::swap(&mut s.by_old, &mut s.by_new)), Err(old.clone()));
        assert_eq!(flawed(&|s| s.introduction.last = None), Err(old.clone()));
        assert_eq!(flawed(&|s| s.introduction.role = KeyRole::Signer), Err(old.clone()));
        assert_eq!(flawed(&|s| s.introduction.new = key("o", 3)), Err(old));
    }

    #[test]
    fn it_stands_where_it_belongs() {
        let place = |edit: &dyn Fn(&mut Introduction), stream| {
            let mut introduction = sample().introduction;
            edit(&mut introduction);
            let at = EntryRef { stream, ..entry(b"", &[1; 32]) };
            signed(introduction).check_place(&at, "o")
        };
        assert_eq!(place(&|_| (), KEYS_STREAM), Ok(()));
        assert_eq!(place(&|_| (), "secure-log"), Err(Misplaced::Stream));
        assert_eq!(place(&|i| i.new = key("other", 2), KEYS_STREAM), Err(Misplaced::Name));
        assert_eq!(place(&|i| i.old = key("other", 1), KEYS_STREAM), Err(Misplaced::Name));
        let as_signer = |i: &mut Introduction| (i.role, i.new) = (KeyRole::Signer, key("other", 2));
        assert_eq!(place(&as_signer, KEYS_STREAM), Ok(()));
        assert_eq!(place(&|i| i.new = key("o", 1), KEYS_STREAM), Err(Misplaced::Itself));
        assert_eq!(place(&|i| i.last = Some(6), KEYS_STREAM), Err(Misplaced::End));
        assert_eq!(place(&|i| i.last = None, KEYS_STREAM), Ok(()));
    }
}
