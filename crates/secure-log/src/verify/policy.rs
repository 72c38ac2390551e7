//! The trust policy as text, in two parts: the lines of a C2SP `tlog-policy` (`log`, `witness`, `group`, `quorum`) and, after
//! a line `signers`, whose key signs entries and segments (security.md rule 3).
//!
//! ```text
//! log log.example+<id>+<key>
//! witness north north.example+<id>+<key> https://north.example
//! witness south south.example+<id>+<key>
//! group both all north south
//! quorum both
//! signers
//! checkpoint-ed25519 checkpoint-ed25519+<id>+<key>
//! auditor auditor+<id>+<key> 1000-
//! ```

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use crate::note::{NoteError, VerifierKey};
use crate::sign::PublicKey;
use crate::verify::trust::{Signer, Trust, TrustError};

/// The most logs, witnesses, groups and signers of a policy, together.
pub const MAX_POLICY_LINES: usize = 1024;
/// The longest text of a policy: [`MAX_POLICY_LINES`] with an RSA key and a URL each would need less.
pub const MAX_POLICY_BYTES: usize = 2 << 20;

/// Which witnesses have to have cosigned a head: a witness, or so many of a group of witnesses and groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Each names earlier ones only, so that they are judged in their order.
    parties: Vec<Party>,
    /// The one that has to agree.
    chosen: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Party {
    Witness(VerifierKey),
    Group { threshold: usize, members: Vec<usize> },
}

impl Quorum {
    /// Whether these witnesses are enough. Their cosignatures were verified before.
    pub fn is_met_by<'k>(&self, cosigners: impl IntoIterator<Item = &'k VerifierKey>) -> bool {
        let cosigners: Vec<&VerifierKey> = cosigners.into_iter().collect();
        let mut agrees: Vec<bool> = Vec::with_capacity(self.parties.len());
        for party in &self.parties {
            agrees.push(match party {
                Party::Witness(key) => cosigners.contains(&key),
                Party::Group { threshold, members } => {
                    members.iter().filter(|member| agrees[**member]).count() >= *threshold
                }
            });
        }
        agrees[self.chosen]
    }
}

/// Why a text is no policy, and in which line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line; 0 for the text as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// What may be wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// More than [`MAX_POLICY_BYTES`] or [`MAX_POLICY_LINES`].
    TooLarge,
    /// A control character other than tab and newline.
    ControlCharacter,
    /// None of the lines that a policy has, or one with too few or too many words.
    UnknownLine,
    /// The key is none, or not of a kind that belongs here.
    Key(NoteError),
    /// The key does not belong here: a witness's for a log's, say, or one key for two identities.
    Trust(TrustError),
    /// The key of an identity has another name.
    OtherName,
    /// Two logs, or two witnesses, with one key.
    DuplicateKey,
    /// A name that was given before, or `none`.
    DuplicateName,
    /// A name that no line before this one gave.
    UnknownName,
    /// A member that this or another group has already.
    DuplicateMember,
    /// Not `all`, `any` or a number from 1 to that of the members.
    Threshold,
    /// Not a range of seqnos such as `5-9` or `5-`.
    Range,
    /// No line `quorum`, or a second one.
    Quorum,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(match &self.problem {
            PolicyProblem::TooLarge => "the policy is too large",
            PolicyProblem::ControlCharacter => "a control character",
            PolicyProblem::UnknownLine => "not a line that a policy has here",
            PolicyProblem::Key(error) => return error.fmt(f),
            PolicyProblem::Trust(error) => return error.fmt(f),
            PolicyProblem::OtherName => "the key has another name than the identity",
            PolicyProblem::DuplicateKey => "an earlier line has this key",
            PolicyProblem::DuplicateName => "the name is taken",
            PolicyProblem::UnknownName => "no earlier line gives this name",
            PolicyProblem::DuplicateMember => "it is a member of a group already",
            PolicyProblem::Threshold => "not 'all', 'any' or a number from 1 to that of the members",
            PolicyProblem::Range => "not a range of seqnos such as 5-9 or 5-",
            PolicyProblem::Quorum => "a policy has one line 'quorum'",
        })
    }
}

impl std::error::Error for PolicyError {}

impl From<NoteError> for PolicyProblem {
    fn from(error: NoteError) -> PolicyProblem {
        PolicyProblem::Key(error)
    }
}

impl From<TrustError> for PolicyProblem {
    fn from(error: TrustError) -> PolicyProblem {
        PolicyProblem::Trust(error)
    }
}

impl FromStr for Trust {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Trust, PolicyError> {
        let whole = |problem| PolicyError { line: 0, problem };
        if text.len() > MAX_POLICY_BYTES {
            return Err(whole(PolicyProblem::TooLarge));
        }
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.split('\n')) {
            reader.line(line).map_err(|problem| PolicyError { line: number, problem })?;
        }
        reader.finish().map_err(whole)
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    trust: Trust,
    lines: usize,
    /// Names of the parties, in their order.
    names: Vec<String>,
    parties: Vec<Party>,
    /// Which of them a group has.
    members: Vec<bool>,
    /// The party that was chosen; `None` for none.
    quorum: Option<Option<usize>>,
    in_signers: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), PolicyProblem> {
        if line.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err(PolicyProblem::ControlCharacter);
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            return Ok(());
        }
        self.lines += 1;
        if self.lines > MAX_POLICY_LINES {
            return Err(PolicyProblem::TooLarge);
        }
        match words[..] {
            [identity, key] if self.in_signers => self.signer(identity, key, "1-"),
            [identity, key, range] if self.in_signers => self.signer(identity, key, range),
            _ if self.in_signers => Err(PolicyProblem::UnknownLine),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, threshold, ref members @ ..] if !members.is_empty() => self.group(name, threshold, members),
            ["quorum", name] => self.choose(name),
            ["signers"] => {
                self.in_signers = true;
                Ok(())
            }
            _ => Err(PolicyProblem::UnknownLine),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), PolicyProblem> {
        let key: VerifierKey = key.parse()?;
        if key.is_witness() {
            return Err(TrustError::NotALogKey(key.name().into()).into());
        }
        check_new(self.trust.log_keys(), key.public_key())?;
        self.trust.add_log_key(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), PolicyProblem> {
        let key: VerifierKey = key.parse()?;
        if !key.is_witness() {
            return Err(TrustError::NotAWitness(key.name().into()).into());
        }
        check_new(self.trust.witnesses(), key.public_key())?;
        self.trust.add_witness(key.clone());
        self.party(name, Party::Witness(key))
    }

    fn group(&mut self, name: &str, threshold: &str, named: &[&str]) -> Result<(), PolicyProblem> {
        let mut members = Vec::with_capacity(named.len());
        for member in named {
            let member = self.named(member)?;
            if core::mem::replace(&mut self.members[member], true) {
                return Err(PolicyProblem::DuplicateMember);
            }
            members.push(member);
        }
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number => decimal(number).and_then(|n| usize::try_from(n).ok()).ok_or(PolicyProblem::Threshold)?,
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(PolicyProblem::Threshold);
        }
        self.party(name, Party::Group { threshold, members })
    }

    fn party(&mut self, name: &str, party: Party) -> Result<(), PolicyProblem> {
        if name == NONE || self.names.iter().any(|known| known == name) {
            return Err(PolicyProblem::DuplicateName);
        }
        self.names.push(name.into());
        self.parties.push(party);
        self.members.push(false);
        Ok(())
    }

    fn choose(&mut self, name: &str) -> Result<(), PolicyProblem> {
        if self.quorum.is_some() {
            return Err(PolicyProblem::Quorum);
        }
        self.quorum = Some(if name == NONE { None } else { Some(self.named(name)?) });
        Ok(())
    }

    fn named(&self, name: &str) -> Result<usize, PolicyProblem> {
        self.names.iter().position(|known| known == name).ok_or(PolicyProblem::UnknownName)
    }

    fn signer(&mut self, identity: &str, key: &str, range: &str) -> Result<(), PolicyProblem> {
        let key: VerifierKey = key.parse()?;
        if key.name() != identity {
            return Err(PolicyProblem::OtherName);
        }
        let range = seqnos(range).ok_or(PolicyProblem::Range)?;
        let signer = Signer::from_verifier_key(&key, range)?;
        let mut others = self.trust.signers().iter().filter(|other| other.identity() != identity);
        if let Some(other) = others.find(|other| other.key() == signer.key()) {
            return Err(TrustError::SharedKey(other.identity().into(), identity.into()).into());
        }
        self.trust.add_signer(signer);
        Ok(())
    }

    fn finish(mut self) -> Result<Trust, PolicyProblem> {
        if let Some(chosen) = self.quorum.ok_or(PolicyProblem::Quorum)? {
            self.trust.set_quorum(Quorum { parties: self.parties, chosen });
        }
        Ok(self.trust)
    }
}

/// The name of no party at all.
const NONE: &str = "none";

fn check_new(known: &[VerifierKey], key: &PublicKey) -> Result<(), PolicyProblem> {
    if known.iter().any(|other| other.public_key() == key) { Err(PolicyProblem::DuplicateKey) } else { Ok(()) }
}

/// `<first>-` or `<first>-<last>`.
fn seqnos(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-')?;
    let last = if last.is_empty() { u64::MAX } else { decimal(last)? };
    let first = decimal(first)?;
    (1..=last).contains(&first).then_some(first..=last)
}

/// A number in its one spelling.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Algorithm;

    fn public(seed: u8) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()
    }

    fn key(name: &str, seed: u8) -> VerifierKey {
        VerifierKey::new(name, Algorithm::Ed25519, &public(seed)).unwrap()
    }

    fn witness(seed: u8) -> VerifierKey {
        VerifierKey::new_witness(&format!("w{seed}.example"), &public(seed)).unwrap()
    }

    fn policy(rest: &str) -> String {
        let witnesses: String = (1..=6).map(|n| format!("witness W{n} {}\n", witness(n))).collect();
        format!("# a policy\n\nlog {} https://log.example/\n{witnesses}{rest}", key("log.example", 9))
    }

    fn problem(rest: &str) -> PolicyProblem {
        policy(rest).parse::<Trust>().unwrap_err().problem
    }

    fn is_met(rest: &str, cosigners: &[u8]) -> bool {
        let trust: Trust = policy(rest).parse().unwrap();
        trust.quorum().unwrap().is_met_by(&cosigners.iter().map(|n| witness(*n)).collect::<Vec<_>>())
    }

    #[test]
    fn a_policy_says_whom_to_trust() {
        let signer = key("auditor", 11);
        let rest = format!("\tquorum  none \nsigners\nauditor {signer} 5-9\nauditor {signer} 20-\n  # end");
        let trust: Trust = policy(&rest).parse().unwrap();
        assert_eq!((trust.log_keys(), trust.witnesses().len()), (&[key("log.example", 9)][..], 6));
        assert_eq!(trust.quorum(), None);
        for (seqno, keys) in [(4, 0), (5, 1), (9, 1), (10, 0), (20, 1), (u64::MAX, 1)] {
            assert_eq!(trust.signer_keys("auditor", seqno).unwrap().len(), keys, "{seqno}");
        }
        assert_eq!(trust.check(), Ok(()));
    }

    #[test]
    fn groups_count_their_members_and_nest() {
        let rest = "group X 2 W1 W2 W3\ngroup Y any W4 W5 W6\ngroup both all X Y\nquorum both\n";
        for (cosigners, met) in [
            (&[][..], false),
            (&[1, 2], false),
            (&[1, 4, 5, 6], false),
            (&[1, 3, 6], true),
            (&[1, 1, 6], false),
            (&[1, 2, 3, 4, 5, 6], true),
            (&[2, 3, 7], false),
        ] {
            assert_eq!(is_met(rest, cosigners), met, "{cosigners:?}");
        }
        assert!(is_met("quorum W2", &[2]) && !is_met("quorum W2", &[1]));
        assert!(is_met("group one 1 W1 W2\nquorum one", &[2]));
        // A key of the same name is another witness.
        let trust: Trust = policy("quorum W1").parse().unwrap();
        let other = VerifierKey::new_witness("w1.example", &public(8)).unwrap();
        assert!(!trust.quorum().unwrap().is_met_by([&other]));
    }

    #[test]
    fn what_is_no_policy_is_refused_and_the_line_is_named() {
        let cases = [
            ("", PolicyProblem::Quorum),
            ("quorum none\nquorum none", PolicyProblem::Quorum),
            ("quorum W7", PolicyProblem::UnknownName),
            ("group a all\nquorum none", PolicyProblem::UnknownLine),
            ("group a all W1 W1\nquorum a", PolicyProblem::DuplicateMember),
            ("group a all W1\ngroup b any W1 W2\nquorum b", PolicyProblem::DuplicateMember),
            ("group a all b\ngroup b all W1\nquorum a", PolicyProblem::UnknownName),
            ("group a all none\nquorum a", PolicyProblem::UnknownName),
            ("group W1 all W2\nquorum W1", PolicyProblem::DuplicateName),
            ("group none all W2\nquorum none", PolicyProblem::DuplicateName),
            ("group a 0 W1\nquorum a", PolicyProblem::Threshold),
            ("group a 2 W1\nquorum a", PolicyProblem::Threshold),
            ("group a 01 W1\nquorum a", PolicyProblem::Threshold),
            ("group a some W1\nquorum a", PolicyProblem::Threshold),
            ("quorum none\r", PolicyProblem::ControlCharacter),
            ("quorum\u{a0}none", PolicyProblem::UnknownLine),
            ("maybe none", PolicyProblem::UnknownLine),
            ("quorum none extra", PolicyProblem::UnknownLine),
        ];
        for (rest, expected) in cases {
            assert_eq!(problem(rest), expected, "{rest:?}");
        }
        let with = |line: String| problem(&format!("{line}\nquorum none"));
        assert_eq!(with(format!("log {}", key("other.example", 9))), PolicyProblem::DuplicateKey);
        let renamed = VerifierKey::new_witness("renamed", &public(1)).unwrap();
        assert_eq!(with(format!("witness W7 {renamed}")), PolicyProblem::DuplicateKey);
        assert_eq!(with(format!("log {}", witness(7))), TrustError::NotALogKey("w7.example".into()).into());
        assert_eq!(with(format!("witness W7 {}", key("k", 7))), TrustError::NotAWitness("k".into()).into());
        assert_eq!(with("log nonsense".into()), PolicyProblem::Key(NoteError::BadKey));
        let refused = policy("quorum W7").parse::<Trust>().unwrap_err();
        assert_eq!(refused.line, 10);
        assert!(refused.to_string().starts_with("line 10: "), "{refused}");
    }

    #[test]
    fn signers_stand_under_their_own_names() {
        let with = |lines: String| problem(&format!("quorum none\nsigners\n{lines}"));
        let a = key("a", 11);
        assert_eq!(with(format!("b {a}")), PolicyProblem::OtherName);
        assert_eq!(with(format!("w7.example {}", witness(7))), TrustError::NotASigner("w7.example".into()).into());
        let b = key("b", 11);
        assert_eq!(with(format!("a {a}\nb {b}")), TrustError::SharedKey("a".into(), "b".into()).into());
        for range in ["5", "-5", "0-5", "9-5", "05-9", "5-9-", "a-"] {
            assert_eq!(with(format!("a {a} {range}")), PolicyProblem::Range, "{range}");
        }
        assert_eq!(with("quorum none".into()), PolicyProblem::Key(NoteError::BadKey));
    }

    #[test]
    fn a_policy_is_bounded() {
        let many = "quorum none\n".to_owned() + &"# comment\n".repeat(MAX_POLICY_LINES + 1);
        assert!(many.parse::<Trust>().is_ok(), "comments count for nothing");
        let groups: String = (0..=MAX_POLICY_LINES)
            .map(|n| format!("group g{n} all {}\n", if n == 0 { "W1".into() } else { format!("g{}", n - 1) }))
            .collect();
        assert_eq!(problem(&groups), PolicyProblem::TooLarge);
        assert_eq!(" ".repeat(MAX_POLICY_BYTES + 1).parse::<Trust>().unwrap_err().problem, PolicyProblem::TooLarge);
    }
}
