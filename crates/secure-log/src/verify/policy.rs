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
use crate::verify::finding::Quoted;
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

/// Why a text is no policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1, with which the offending word begins, or with which one that is missing should.
    pub column: usize,
    /// The offending word, or its beginning; `None` where one is missing.
    pub word: Option<Box<str>>,
    /// What is wrong with it.
    pub problem: PolicyProblem,
    /// What should stand there.
    pub expected: Box<str>,
}

/// What may be wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// More than [`MAX_POLICY_BYTES`] or [`MAX_POLICY_LINES`].
    TooLarge,
    /// A control character other than tab and newline.
    ControlCharacter,
    /// A line that begins with none of the words that one of a policy begins with.
    UnknownLine,
    /// The line ends too early.
    MissingWord,
    /// The line should have ended before.
    ExtraWord,
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
    /// A second line `quorum`.
    SecondQuorum,
    /// No line `quorum`.
    NoQuorum,
}

/// So much of a word is kept for an error. A key of a common kind is shorter.
const MAX_SHOWN: usize = 120;

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if let Some(word) = &self.word {
            write!(f, "{}: ", Quoted(word))?;
        }
        write!(f, "{}; expected {}", self.problem, self.expected)
    }
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicyProblem::TooLarge => "the policy is too large",
            PolicyProblem::ControlCharacter => "a control character",
            PolicyProblem::UnknownLine => "no line of a policy begins like this",
            PolicyProblem::MissingWord => "the line ends here",
            PolicyProblem::ExtraWord => "a word too many",
            PolicyProblem::Key(error) => return error.fmt(f),
            PolicyProblem::Trust(error) => return error.fmt(f),
            PolicyProblem::OtherName => "the key has another name than the identity",
            PolicyProblem::DuplicateKey => "an earlier line has this key",
            PolicyProblem::DuplicateName => "the name is taken",
            PolicyProblem::UnknownName => "no earlier line gives this name",
            PolicyProblem::DuplicateMember => "it is a member of a group already",
            PolicyProblem::Threshold => "so many members cannot be asked for",
            PolicyProblem::Range => "not a range of seqnos",
            PolicyProblem::SecondQuorum => "an earlier line names the quorum",
            PolicyProblem::NoQuorum => "no line names the quorum",
        })
    }
}

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

    /// Reads a policy. The smallest one is `quorum none`: like [`Trust::new`] it trusts nobody, so that no log is valid under
    /// it. An empty text is none.
    fn from_str(text: &str) -> Result<Trust, PolicyError> {
        let mut reader = Reader::default();
        let (mut last, mut bytes) = ((1, 1), 0);
        for (number, line) in (1..).zip(text.split('\n')) {
            let rest = MAX_POLICY_BYTES.saturating_sub(bytes);
            bytes += line.len() + 1;
            reader.line(line, rest).map_err(|flaw| flaw.in_line(number))?;
            last = (number, line.chars().count() + 1);
        }
        let (line, column) = last;
        reader.finish(column).map_err(|flaw| flaw.in_line(line))
    }
}

/// A word, and the character of its line, from 1, that it begins with.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    column: usize,
}

impl Word<'_> {
    fn is(self, problem: impl Into<PolicyProblem>, expected: impl Into<String>) -> Flaw {
        let word = self.text.chars().take(MAX_SHOWN).collect();
        Flaw { column: self.column, word: Some(word), problem: problem.into(), expected: expected.into() }
    }

    fn key(self, whose: &str) -> Result<VerifierKey, Flaw> {
        let expected = || format!("the verifier key of {whose}, as <name>+<id>+<key>");
        self.text.parse().map_err(|error: NoteError| self.is(error, expected()))
    }
}

/// The words of a line that were not read yet.
struct Words<'t> {
    words: std::vec::IntoIter<Word<'t>>,
    /// Where the line ends.
    end: usize,
}

impl<'t> Words<'t> {
    fn of(line: &'t str) -> Words<'t> {
        let mut words: Vec<Word<'t>> = Vec::new();
        let mut column = 1;
        for text in line.split([' ', '\t']) {
            if !text.is_empty() {
                words.push(Word { text, column });
            }
            column += text.chars().count() + 1;
        }
        Words { words: words.into_iter(), end: column - 1 }
    }

    fn next(&mut self, expected: &str) -> Result<Word<'t>, Flaw> {
        let end = self.end;
        let missing =
            || Flaw { column: end, word: None, problem: PolicyProblem::MissingWord, expected: expected.into() };
        self.words.next().ok_or_else(missing)
    }

    fn end(mut self) -> Result<(), Flaw> {
        self.words.next().map_or(Ok(()), |extra| Err(extra.is(PolicyProblem::ExtraWord, "the end of the line")))
    }
}

/// What is wrong in a line.
struct Flaw {
    column: usize,
    word: Option<String>,
    problem: PolicyProblem,
    expected: String,
}

impl Flaw {
    fn in_line(self, line: usize) -> PolicyError {
        let Flaw { column, word, problem, expected } = self;
        PolicyError { line, column, word: word.map(Into::into), problem, expected: expected.into() }
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
    /// Reads a line, of which so many bytes may be.
    fn line(&mut self, line: &str, allowed: usize) -> Result<(), Flaw> {
        if line.len() > allowed {
            let column = line.char_indices().take_while(|(at, _)| *at < allowed).count() + 1;
            return Err(too_large(column, format!("at most {MAX_POLICY_BYTES} bytes")));
        }
        if let Some((at, c)) = line.char_indices().find(|(_, c)| c.is_ascii_control() && *c != '\t') {
            let word = Word { text: &line[at..at + c.len_utf8()], column: line[..at].chars().count() + 1 };
            return Err(word.is(PolicyProblem::ControlCharacter, "text, spaces and tabs"));
        }
        let mut words = Words::of(line);
        let Some(first) = words.words.next().filter(|word| !word.text.starts_with('#')) else { return Ok(()) };
        self.lines += 1;
        if self.lines > MAX_POLICY_LINES {
            let expected = format!("at most {MAX_POLICY_LINES} lines besides empty ones and comments");
            return Err(too_large(first.column, expected));
        }
        match first.text {
            _ if self.in_signers => self.signer(first, words),
            "log" => self.log(words),
            "witness" => self.witness(words),
            "group" => self.group(words),
            "quorum" => self.choose(first, words),
            "signers" => {
                self.in_signers = true;
                words.end()
            }
            _ => Err(first.is(PolicyProblem::UnknownLine, "'log', 'witness', 'group', 'quorum' or 'signers'")),
        }
    }

    fn log(&mut self, mut words: Words<'_>) -> Result<(), Flaw> {
        let word = words.next("the log's verifier key")?;
        let key = word.key("a log")?;
        if key.is_witness() {
            return Err(word.is(TrustError::NotALogKey(key.name().into()), "a key that signs heads"));
        }
        check_new(self.trust.log_keys(), &key, word)?;
        self.trust.add_log_key(key);
        address(words)
    }

    fn witness(&mut self, mut words: Words<'_>) -> Result<(), Flaw> {
        let name = words.next("a name for the witness")?;
        let word = words.next("the witness's verifier key")?;
        let key = word.key("a witness")?;
        if !key.is_witness() {
            return Err(word.is(TrustError::NotAWitness(key.name().into()), "a key that cosigns heads"));
        }
        check_new(self.trust.witnesses(), &key, word)?;
        self.trust.add_witness(key.clone());
        self.party(name, Party::Witness(key))?;
        address(words)
    }

    fn group(&mut self, mut words: Words<'_>) -> Result<(), Flaw> {
        let name = words.next("a name for the group")?;
        let threshold = words.next("how many of its members are enough")?;
        let first = words.next("the first member")?;
        let mut members = Vec::new();
        for word in core::iter::once(first).chain(words.words) {
            let member = self.named(word)?;
            if core::mem::replace(&mut self.members[member], true) {
                return Err(word.is(PolicyProblem::DuplicateMember, "a witness or group that is in no group"));
            }
            members.push(member);
        }
        let enough = match threshold.text {
            "all" => Some(members.len()),
            "any" => Some(1),
            number => decimal(number).and_then(|n| usize::try_from(n).ok()),
        };
        let possible = enough.filter(|enough| (1..=members.len()).contains(enough));
        let threshold = possible.ok_or_else(|| {
            let expected = format!("'all', 'any' or a number from 1 to {}", members.len());
            threshold.is(PolicyProblem::Threshold, expected)
        })?;
        self.party(name, Party::Group { threshold, members })
    }

    fn party(&mut self, name: Word<'_>, party: Party) -> Result<(), Flaw> {
        if name.text == NONE || self.names.iter().any(|known| known == name.text) {
            return Err(name.is(PolicyProblem::DuplicateName, "a name that no earlier line gives, other than 'none'"));
        }
        self.names.push(name.text.into());
        self.parties.push(party);
        self.members.push(false);
        Ok(())
    }

    fn choose(&mut self, line: Word<'_>, mut words: Words<'_>) -> Result<(), Flaw> {
        if self.quorum.is_some() {
            return Err(line.is(PolicyProblem::SecondQuorum, "one line 'quorum' alone"));
        }
        let name = words.next("the name of a witness or group, or 'none'")?;
        self.quorum = Some(if name.text == NONE { None } else { Some(self.named(name)?) });
        words.end()
    }

    fn named(&self, name: Word<'_>) -> Result<usize, Flaw> {
        let unknown = || name.is(PolicyProblem::UnknownName, "the name of a witness or group of an earlier line");
        self.names.iter().position(|known| known == name.text).ok_or_else(unknown)
    }

    fn signer(&mut self, identity: Word<'_>, mut words: Words<'_>) -> Result<(), Flaw> {
        let word = words.next("the identity's verifier key")?;
        let key = word.key("a signer")?;
        if key.name() != identity.text {
            return Err(word.is(PolicyProblem::OtherName, "a key whose name is the identity"));
        }
        let range = match words.words.next() {
            None => 1..=u64::MAX,
            Some(range) => seqnos(range.text).ok_or_else(|| {
                range.is(PolicyProblem::Range, "the first and the last seqno, as 5-9, or the first one, as 5-")
            })?,
        };
        let signer = Signer::from_verifier_key(&key, range)
            .map_err(|error| word.is(error, "a key that signs entries and segments"))?;
        let mut others = self.trust.signers().iter().filter(|other| other.identity() != identity.text);
        if let Some(other) = others.find(|other| other.key() == signer.key()) {
            let shared = TrustError::SharedKey(other.identity().into(), identity.text.into());
            return Err(word.is(shared, "a key of this identity alone"));
        }
        self.trust.add_signer(signer);
        words.end()
    }

    /// `end` is the column behind the last character of the text.
    fn finish(mut self, end: usize) -> Result<Trust, Flaw> {
        let missing = || Flaw {
            column: end,
            word: None,
            problem: PolicyProblem::NoQuorum,
            expected: "a line 'quorum <name>' or 'quorum none'".into(),
        };
        if let Some(chosen) = self.quorum.ok_or_else(missing)? {
            self.trust.set_quorum(Quorum { parties: self.parties, chosen });
        }
        Ok(self.trust)
    }
}

/// The name of no party at all.
const NONE: &str = "none";

/// Ends the line of a log or a witness, which may say where that is asked.
fn address(mut words: Words<'_>) -> Result<(), Flaw> {
    words.words.next();
    words.end()
}

fn too_large(column: usize, expected: String) -> Flaw {
    Flaw { column, word: None, problem: PolicyProblem::TooLarge, expected }
}

fn check_new(known: &[VerifierKey], key: &VerifierKey, word: Word<'_>) -> Result<(), Flaw> {
    if known.iter().any(|other| other.public_key() == key.public_key()) {
        return Err(word.is(PolicyProblem::DuplicateKey, "a key that no earlier line has"));
    }
    Ok(())
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
            ("", PolicyProblem::NoQuorum),
            ("quorum none\nquorum none", PolicyProblem::SecondQuorum),
            ("quorum W7", PolicyProblem::UnknownName),
            ("group a all\nquorum none", PolicyProblem::MissingWord),
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
            ("quorum none extra", PolicyProblem::ExtraWord),
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
    }

    #[test]
    fn errors_say_where_what_and_what_was_expected() {
        let log = key("log.example", 9).to_string();
        let shown: String = log.chars().take(20).collect();
        let cases = [
            (
                "quorum  W7".into(),
                1,
                9,
                "'W7': no earlier line gives this name; expected the name of a witness or group of an earlier line",
            ),
            (
                "# é\n\tlag x".into(),
                2,
                2,
                "'lag': no line of a policy begins like this; expected 'log', 'witness', 'group', 'quorum' or 'signers'",
            ),
            ("log".into(), 1, 4, "the line ends here; expected the log's verifier key"),
            ("witness ".into(), 1, 9, "the line ends here; expected a name for the witness"),
            ("witness é ".into(), 1, 11, "the line ends here; expected the witness's verifier key"),
            ("group g any ".into(), 1, 13, "the line ends here; expected the first member"),
            ("quorum none\nsigners\nx".into(), 3, 2, "the line ends here; expected the identity's verifier key"),
            ("quorum".into(), 1, 7, "the line ends here; expected the name of a witness or group, or 'none'"),
            ("quorum none x".into(), 1, 13, "'x': a word too many; expected the end of the line"),
            ("signers x".into(), 1, 9, "'x': a word too many; expected the end of the line"),
            (format!("log {log} url x"), 1, log.len() + 10, "'x': a word too many; expected the end of the line"),
            (format!("log {}", log.replace("log.", "\u{202e}")), 1, 5, "'\\u202eexample+"),
            ("log \u{1b}[2J".into(), 1, 5, "'\\x1b': a control character; expected text, spaces and tabs"),
            ("log nonsense".into(), 1, 5, "'nonsense': not a verifier key"),
            (format!("log {log}\nlog {log}"), 2, 5, &format!("'{shown}")),
            ("".into(), 1, 1, "no line names the quorum; expected a line 'quorum <name>' or 'quorum none'"),
            (format!("log {log}\n"), 2, 1, "no line names the quorum; expected"),
            (format!("log {log}\nsigners"), 2, 8, "no line names the quorum; expected"),
            (
                format!("quorum none\nsigners\nlog.example {log} 9-5"),
                3,
                log.len() + 14,
                "'9-5': not a range of seqnos; expected",
            ),
        ];
        for (text, line, column, said) in cases {
            let refused = text.parse::<Trust>().unwrap_err();
            assert_eq!((refused.line, refused.column), (line, column), "{text:?}: {refused}");
            let shown = refused.to_string();
            assert!(shown.starts_with(&format!("line {line}, column {column}: {said}")), "{text:?}: {shown}");
            assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown:?}");
        }
        let refused = policy("group a 7 W1 W2\nquorum a").parse::<Trust>().unwrap_err();
        let expected = "line 10, column 9: '7': so many members cannot be asked for; expected 'all', 'any' or a number from 1 to 2";
        assert_eq!(refused.to_string(), expected);
        let long = "x".repeat(1000).parse::<Trust>().unwrap_err();
        assert_eq!(long.word.unwrap().len(), MAX_SHOWN);
    }

    #[test]
    fn an_error_names_a_place_that_is_in_the_text() {
        let good = policy(&format!("group g 2 W1 W2 W3\nquorum g\nsigners\na {} 5-9\n", key("a", 11)));
        assert!(good.parse::<Trust>().is_ok());
        let letters: Vec<char> = good.chars().collect();
        for at in 0..letters.len() {
            for change in ["", " ", "\n", "é\u{202e}", "\u{7f}", "x y z"] {
                let text: String = letters[..at].iter().collect::<String>() + change + &good[at + 1..];
                let Err(error) = text.parse::<Trust>() else { continue };
                let line: Vec<char> = text.split('\n').nth(error.line - 1).unwrap().chars().collect();
                let found: String = line[error.column - 1..].iter().collect();
                assert!(found.starts_with(error.word.as_deref().unwrap_or("")), "{text:?}: {error}");
                assert!(error.word.is_some() || found.is_empty(), "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn the_smallest_policy_trusts_nobody() {
        let trust: Trust = "quorum none".parse().unwrap();
        for trust in [trust, Trust::new(), Trust::default()] {
            assert!(trust.log_keys().is_empty() && trust.signers().is_empty() && trust.witnesses().is_empty());
            assert_eq!(trust.quorum(), None);
        }
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
        assert_eq!(with(format!("a {a} 5- 9")), PolicyProblem::ExtraWord);
    }

    #[test]
    fn a_policy_is_bounded() {
        let many = "quorum none\n".to_owned() + &"# comment\n".repeat(MAX_POLICY_LINES + 1);
        assert!(many.parse::<Trust>().is_ok(), "comments count for nothing");
        let groups: String = (0..=MAX_POLICY_LINES)
            .map(|n| format!("group g{n} all {}\n", if n == 0 { "W1".into() } else { format!("g{}", n - 1) }))
            .collect();
        assert_eq!(problem(&groups), PolicyProblem::TooLarge);
        let refused = format!("quorum none\n{}", " ".repeat(MAX_POLICY_BYTES)).parse::<Trust>().unwrap_err();
        assert_eq!(
            (refused.problem, refused.line, refused.column),
            (PolicyProblem::TooLarge, 2, MAX_POLICY_BYTES - 11)
        );
        assert!(format!("quorum none\n{}", " ".repeat(MAX_POLICY_BYTES - 12)).parse::<Trust>().is_ok());
    }
}
