//! Which keys count besides those of the policy: the log introduces keys and ends others, under signatures by keys that count
//! already (format.md s.10).

use core::fmt;

use crate::entry::EntryRef;
use crate::introduction::{Introduction, KeyRole, SignedIntroduction};
use crate::note::VerifierKey;
use crate::sign::PublicKey;
use crate::verify::finding::{Finding, FindingCode, Place, Quoted};
use crate::verify::trust::{Signer, Trust};
use crate::verify::verifier::Verifier;

/// How many keys that a log introduces are followed: at most 6 KiB each.
pub const MAX_INTRODUCED_KEYS: usize = 1024;

/// What introductions did to the keys of a [`Trust`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Rotations {
    introduced: usize,
    ended: Vec<Ended>,
    /// There were more keys than are followed.
    pub(crate) untracked: bool,
}

/// A key that ended, and the last seqno that it spoke for.
#[derive(Clone, Debug)]
struct Ended {
    role: KeyRole,
    key: PublicKey,
    last: u64,
}

/// What an introduction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The new key counts.
    Counts,
    /// Nobody trusts the old key: it says nothing.
    Unknown,
}

/// Why a key that counts must not say what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// It ended with this seqno.
    Ended(u64),
    /// The new key ended with this seqno, and a key that ended never comes back.
    Returns(u64),
    /// The new key's name is that of another identity.
    NameTaken,
    /// The new key is that of another identity.
    KeyTaken,
}

impl Rotations {
    /// Trusts the new key where the old one is trusted for what it introduces. Its signatures were verified before.
    pub(crate) fn follow(
        &mut self,
        trust: &mut Trust,
        introduction: &Introduction,
        seqno: u64,
    ) -> Result<Followed, Forbidden> {
        let Introduction { role, new, old, last } = introduction;
        let known = match role {
            KeyRole::Log => trust.log_keys().contains(old),
            KeyRole::Signer => {
                let keys = trust.signer_keys(old.name(), seqno);
                keys.is_some_and(|keys| keys.contains(old.public_key()))
            }
        };
        if !known {
            return Ok(Followed::Unknown);
        }
        if let Some(end) = self.end_of(*role, old.public_key()).filter(|end| seqno > *end) {
            return Err(Forbidden::Ended(end));
        }
        if let Some(end) = self.end_of(*role, new.public_key()) {
            return Err(Forbidden::Returns(end));
        }
        match role {
            KeyRole::Log => self.trust_log_key(trust, new),
            KeyRole::Signer => self.trust_signer(trust, new, old)?,
        }
        if let Some(last) = *last {
            self.end(*role, old.public_key(), last);
        }
        Ok(Followed::Counts)
    }

    /// The last seqno that a key speaks for, where the log says that it ends.
    pub(crate) fn end_of(&self, role: KeyRole, key: &PublicKey) -> Option<u64> {
        self.ended.iter().find(|ended| ended.role == role && ended.key == *key).map(|ended| ended.last)
    }

    /// Whether what this key signed counts where it stands.
    pub(super) fn check(&self, role: KeyRole, key: &PublicKey, seqno: u64, at: Place) -> Result<(), Finding> {
        match self.end_of(role, key) {
            Some(last) if seqno > last => {
                let detail = "signed by a key that had ended";
                Err(Finding::new(FindingCode::KeyEnded, at, detail).comparing(format_args!("at most {last}"), seqno))
            }
            _ => Ok(()),
        }
    }

    fn trust_log_key(&mut self, trust: &mut Trust, new: &VerifierKey) {
        if !trust.log_keys().contains(new) && self.has_room() {
            trust.add_log_key(new.clone());
        }
    }

    fn trust_signer(&mut self, trust: &mut Trust, new: &VerifierKey, old: &VerifierKey) -> Result<(), Forbidden> {
        let mut known = false;
        for signer in trust.signers() {
            match (signer.identity() == new.name(), signer.key() == new.public_key()) {
                (true, true) => known = true,
                (true, false) if new.name() != old.name() => return Err(Forbidden::NameTaken),
                (false, true) => return Err(Forbidden::KeyTaken),
                _ => {}
            }
        }
        if !known && self.has_room() {
            // Before its introduction nobody knows it: it needs no first seqno.
            let signer = Signer::from_verifier_key(new, 1..=u64::MAX).expect("an introduced key is no witness's");
            trust.add_signer(signer);
        }
        Ok(())
    }

    fn has_room(&mut self) -> bool {
        let room = self.introduced < MAX_INTRODUCED_KEYS;
        if room {
            self.introduced += 1;
        } else {
            self.untracked = true;
        }
        room
    }

    fn end(&mut self, role: KeyRole, key: &PublicKey, last: u64) {
        match self.ended.iter_mut().find(|ended| ended.role == role && ended.key == *key) {
            Some(ended) => ended.last = ended.last.min(last),
            None => self.ended.push(Ended { role, key: key.clone(), last }),
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Forbidden::Ended(last) => write!(f, "the key that introduces it ended with seqno {last}"),
            Forbidden::Returns(last) => write!(f, "it ended with seqno {last}, and no key comes back"),
            Forbidden::NameTaken => f.write_str("the name is another identity's"),
            Forbidden::KeyTaken => f.write_str("the key is another identity's"),
        }
    }
}

impl Forbidden {
    pub(crate) fn finding(self, introduction: &Introduction, seqno: u64) -> Finding {
        let code = match self {
            Forbidden::Ended(_) | Forbidden::Returns(_) => FindingCode::KeyEnded,
            Forbidden::NameTaken | Forbidden::KeyTaken => FindingCode::KeyConflict,
        };
        Finding::new(code, Place::Seqno(seqno), format!("introduces {}: {self}", name_of(&introduction.new)))
    }
}

impl Verifier {
    /// Judges an entry that introduces a key, and follows it.
    pub(super) fn introduce(&mut self, entry: &EntryRef<'_>) -> Result<(), Finding> {
        let log = self.log.as_ref().expect("records are read only after that of the log");
        let signed = checked_introduction(entry, &log.id, &log.origin)?;
        let introduction = &signed.introduction;
        match self.rotations.follow(&mut self.trust, introduction, entry.seqno) {
            Ok(Followed::Counts) => {
                self.learn_signers();
                Ok(())
            }
            Ok(Followed::Unknown) => {
                self.unknown_signers.add(&name_and_id(&introduction.old));
                Ok(())
            }
            Err(forbidden) => Err(forbidden.finding(introduction, entry.seqno)),
        }
    }
}

/// What an entry says of a key, once everything about it was checked that needs no trust.
pub(crate) fn checked_introduction(
    entry: &EntryRef<'_>,
    log_id: &[u8; 16],
    origin: &str,
) -> Result<SignedIntroduction, Finding> {
    let at = Place::Seqno(entry.seqno);
    let malformed = |detail: String| Finding::new(FindingCode::Malformed, at.clone(), detail);
    let signed = SignedIntroduction::decode(entry.payload);
    let signed = signed.ok_or_else(|| malformed("payload of a control entry".into()))?;
    signed.check_place(entry, origin).map_err(|misplaced| malformed(misplaced.to_string()))?;
    signed.verify(log_id, entry).map_err(|bad| {
        let detail = format!("{}: {}", name_of(bad.key), bad.error);
        Finding::new(FindingCode::SignatureInvalid, at.clone(), detail)
    })?;
    Ok(signed)
}

/// A key as reports name it.
pub(crate) fn name_and_id(key: &VerifierKey) -> String {
    format!("{}+{}", key.name(), const_hex::encode(key.id()))
}

fn name_of(key: &VerifierKey) -> String {
    Quoted(&name_and_id(key)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Algorithm;

    fn key(name: &str, seed: u16) -> VerifierKey {
        let mut secret = [7; 32];
        secret[..2].copy_from_slice(&seed.to_be_bytes());
        let public = ed25519_dalek::SigningKey::from_bytes(&secret).verifying_key().to_bytes();
        VerifierKey::new(name, Algorithm::Ed25519, &public).unwrap()
    }

    fn log(old: u16, new: u16, last: Option<u64>) -> Introduction {
        Introduction { role: KeyRole::Log, new: key("o", new), old: key("o", old), last }
    }

    fn signer((old, old_seed): (&str, u16), (new, new_seed): (&str, u16)) -> Introduction {
        Introduction { role: KeyRole::Signer, new: key(new, new_seed), old: key(old, old_seed), last: None }
    }

    fn trust() -> Trust {
        let mut trust = Trust::new();
        trust.add_log_key(key("o", 1));
        trust.add_signer(Signer::from_verifier_key(&key("a", 1), 5..=9).unwrap());
        trust.add_signer(Signer::from_verifier_key(&key("b", 4), 1..=u64::MAX).unwrap());
        trust
    }

    #[test]
    fn keys_follow_each_other() {
        let (mut trust, mut rotations) = (trust(), Rotations::default());
        let mut follow = |introduction, seqno| rotations.follow(&mut trust, &introduction, seqno);
        assert_eq!(follow(log(2, 3, None), 6), Ok(Followed::Unknown), "nobody introduced it yet");
        assert_eq!(follow(log(1, 2, Some(8)), 7), Ok(Followed::Counts));
        assert_eq!(follow(log(1, 2, None), 8), Ok(Followed::Counts), "said again, and it speaks for 8");
        assert_eq!(follow(log(1, 3, None), 9), Err(Forbidden::Ended(8)));
        assert_eq!(follow(log(2, 1, None), 9), Err(Forbidden::Returns(8)));
        assert_eq!(follow(log(2, 3, None), 9), Ok(Followed::Counts));
        assert_eq!(follow(log(3, 4, Some(20)), 10), Ok(Followed::Counts));
        assert_eq!(follow(log(3, 5, Some(12)), 11), Ok(Followed::Counts));
        assert_eq!(follow(log(3, 6, Some(30)), 12), Ok(Followed::Counts));
        assert_eq!(rotations.end_of(KeyRole::Log, key("o", 3).public_key()), Some(12), "an end comes no later");
        assert_eq!(rotations.end_of(KeyRole::Signer, key("o", 3).public_key()), None);
        let names: Vec<VerifierKey> = [1, 2, 3, 4, 5, 6].map(|seed| key("o", seed)).into();
        assert_eq!(trust.log_keys(), names);
    }

    #[test]
    fn a_key_introduces_to_what_it_does_itself() {
        let (mut trust, mut rotations) = (trust(), Rotations::default());
        let mut follow = |introduction, seqno| rotations.follow(&mut trust, &introduction, seqno);
        // The key of a is the log's, too, and that of b is not.
        assert_eq!(follow(Introduction { role: KeyRole::Log, ..signer(("b", 4), ("b", 5)) }, 6), Ok(Followed::Unknown));
        assert_eq!(follow(signer(("o", 1), ("x", 5)), 6), Ok(Followed::Unknown));
        assert_eq!(follow(signer(("a", 1), ("x", 5)), 4), Ok(Followed::Unknown), "before its range");
        assert_eq!(follow(signer(("a", 1), ("x", 5)), 10), Ok(Followed::Unknown), "behind its range");
        assert_eq!(follow(signer(("a", 1), ("b", 5)), 6), Err(Forbidden::NameTaken));
        assert_eq!(follow(signer(("a", 1), ("x", 4)), 6), Err(Forbidden::KeyTaken));
        assert_eq!(follow(signer(("a", 1), ("x", 5)), 6), Ok(Followed::Counts));
        assert_eq!(follow(signer(("a", 1), ("x", 6)), 6), Err(Forbidden::NameTaken), "x has a key already");
        assert_eq!(follow(signer(("x", 5), ("x", 6)), 6), Ok(Followed::Counts), "and gives itself another one");
        assert_eq!(follow(signer(("b", 4), ("y", 5)), 6), Err(Forbidden::KeyTaken));
        assert_eq!(trust.signer_keys("x", 1000).unwrap().len(), 2);
        assert_eq!(trust.check(), Ok(()));
    }

    #[test]
    fn more_keys_than_are_followed_are_said_and_not_guessed_at() {
        let (mut trust, mut rotations) = (trust(), Rotations::default());
        for seed in 0..MAX_INTRODUCED_KEYS as u16 {
            assert_eq!(rotations.follow(&mut trust, &log(1, seed + 10, None), 7), Ok(Followed::Counts));
        }
        assert!(!rotations.untracked);
        assert_eq!(rotations.follow(&mut trust, &log(1, 10, None), 8), Ok(Followed::Counts));
        assert!(!rotations.untracked, "one that is known needs no room");
        assert_eq!(rotations.follow(&mut trust, &log(1, 5000, None), 8), Ok(Followed::Counts));
        assert!(rotations.untracked);
        assert_eq!(trust.log_keys().len(), 1 + MAX_INTRODUCED_KEYS);
    }
}
