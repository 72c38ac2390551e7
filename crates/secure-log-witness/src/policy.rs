//! The lines of a trust policy (C2SP tlog-policy) that name logs and witnesses.
//!
//! What a quorum is, and what stands after the line `signers`, is for verifiers: those lines are passed over.

use core::fmt;

use secure_log::note::{NoteError, VerifierKey};

/// The logs and witnesses that a policy names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Keys of logs. The name of each is the log's origin, and several may have one name.
    pub logs: Vec<VerifierKey>,
    /// Witnesses.
    pub witnesses: Vec<NamedWitness>,
}

/// A line `witness <name> <verifier key> [<address>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWitness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where it is asked: the address before `/add-checkpoint`.
    pub url: Option<String>,
}

impl Policy {
    /// Reads a policy.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let mut policy = Policy::default();
        for (index, line) in text.split('\n').enumerate() {
            let refused = |problem| PolicyError { line: index + 1, problem };
            let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            match words[..] {
                [] | ["group" | "quorum", ..] => {}
                [word, ..] if word.starts_with('#') => {}
                ["signers"] => break,
                ["log", key] | ["log", key, _] => policy.add_log(key).map_err(refused)?,
                ["witness", name, key] => policy.add_witness(name, key, None).map_err(refused)?,
                ["witness", name, key, url] => policy.add_witness(name, key, Some(url)).map_err(refused)?,
                _ => return Err(refused(Problem::NotALine)),
            }
        }
        Ok(policy)
    }

    /// The keys of the log with this origin; none when it is unknown.
    pub fn keys_of(&self, origin: &str) -> Vec<VerifierKey> {
        self.logs.iter().filter(|key| key.name() == origin).cloned().collect()
    }

    fn add_log(&mut self, key: &str) -> Result<(), Problem> {
        let key: VerifierKey = key.parse().map_err(Problem::Key)?;
        if key.is_witness() {
            return Err(Problem::WrongKind);
        }
        if self.logs.iter().any(|other| other.public_key() == key.public_key()) {
            return Err(Problem::Twice);
        }
        self.logs.push(key);
        Ok(())
    }

    fn add_witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), Problem> {
        let key: VerifierKey = key.parse().map_err(Problem::Key)?;
        if !key.is_witness() {
            return Err(Problem::WrongKind);
        }
        if self.witnesses.iter().any(|other| other.name == name || other.key.public_key() == key.public_key()) {
            return Err(Problem::Twice);
        }
        self.witnesses.push(NamedWitness { name: name.into(), key, url: url.map(String::from) });
        Ok(())
    }
}

/// Why a policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It is none of those that there are.
    NotALine,
    /// It names no verifier key.
    Key(NoteError),
    /// A witness's key in a line of a log, or a log's in that of a witness.
    WrongKind,
    /// Its key, or the witness's name, stands in another line already.
    Twice,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the policy ", self.line)?;
        match self.problem {
            Problem::NotALine => f.write_str("is none of 'log', 'witness', 'group', 'quorum' and 'signers'"),
            Problem::Key(error) => write!(f, "has {error}"),
            Problem::WrongKind => f.write_str("has a key of the wrong kind: witnesses have type 04, and logs another"),
            Problem::Twice => f.write_str("has a key or a name that stands in an earlier line"),
        }
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use secure_log::sign::Algorithm;

    fn keys() -> (VerifierKey, VerifierKey) {
        let public = |seed: u8| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
        let log = VerifierKey::new("log.example/1", Algorithm::Ed25519, &public(1)).unwrap();
        (log, VerifierKey::new_witness("witness.example/w", &public(2)).unwrap())
    }

    #[test]
    fn logs_and_witnesses_are_found() {
        let (log, witness) = keys();
        let text = format!(
            "# ours\n\n\tlog {log}  https://log.example/\nwitness W {witness} https://witness.example/w\n\
             group all-of-them any W\nquorum all-of-them\nsigners\nanything +++\n"
        );
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(policy.keys_of("log.example/1"), [log]);
        assert_eq!(policy.keys_of("log.example/2"), []);
        let url = Some("https://witness.example/w".into());
        assert_eq!(policy.witnesses, [NamedWitness { name: "W".into(), key: witness, url }]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (log, witness) = keys();
        for (text, line, problem) in [
            ("log".into(), 1, Problem::NotALine),
            (format!("log {log}\nlogs {log}"), 2, Problem::NotALine),
            (format!("log {log} url more"), 1, Problem::NotALine),
            ("log x".into(), 1, Problem::Key(NoteError::BadKey)),
            (format!("log {witness}"), 1, Problem::WrongKind),
            (format!("witness W {log}"), 1, Problem::WrongKind),
            (format!("log {log}\n\nlog {log}"), 3, Problem::Twice),
            (format!("witness W {witness}\nwitness V {witness}"), 2, Problem::Twice),
        ] {
            assert_eq!(Policy::parse(&text), Err(PolicyError { line, problem }), "{text}");
        }
    }
}
