//! Verifying a file of which it is not known whether it is a log or a bundle.

use crate::bundle::verifier::{BundleReport, BundleVerifier};
use crate::verify::{LogVerifier, Progress, Trust, TrustError};

/// Takes the bytes of a log file or of a bundle in pieces of any size, and answers at the end. Their first line says which of
/// them it is; of a log nothing is claimed and no policy is proposed.
#[derive(Debug)]
pub struct FileVerifier(Reading);

#[derive(Debug)]
enum Reading {
    /// What was read is as long as [`BUNDLE_PREFIX`] at the most.
    Beginning(Vec<u8>, Trust),
    Log(Box<LogVerifier>),
    Bundle(Box<BundleVerifier>),
}

/// How a bundle begins, and no log.
const BUNDLE_PREFIX: &[u8] = br#"{"t":"bundle""#;

impl FileVerifier {
    /// A verification by these keys.
    pub fn new(trust: Trust) -> Result<FileVerifier, TrustError> {
        trust.check()?;
        Ok(FileVerifier(Reading::Beginning(Vec::new(), trust)))
    }

    /// Takes the next bytes, and answers whether more are needed: after a finding none are.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        match &mut self.0 {
            Reading::Log(verifier) => verifier.push(bytes),
            Reading::Bundle(verifier) => verifier.push(bytes),
            Reading::Beginning(held, _) => {
                let (beginning, rest) = bytes.split_at((BUNDLE_PREFIX.len() - held.len()).min(bytes.len()));
                held.extend_from_slice(beginning);
                if held.len() < BUNDLE_PREFIX.len() {
                    return true;
                }
                self.decide() && self.push(rest)
            }
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        match &self.0 {
            Reading::Log(verifier) => verifier.progress(),
            Reading::Bundle(verifier) => verifier.progress(),
            Reading::Beginning(held, _) => Progress { bytes: held.len() as u64, lines: 0 },
        }
    }

    /// The report, when there are no more bytes.
    pub fn finish(mut self) -> BundleReport {
        self.decide();
        match self.0 {
            Reading::Log(verifier) => BundleReport { claim: None, hint: None, report: verifier.finish() },
            Reading::Bundle(verifier) => verifier.finish(),
            Reading::Beginning(..) => unreachable!("it was decided above"),
        }
    }

    /// Takes what was held for what it is, and answers whether more bytes are needed.
    fn decide(&mut self) -> bool {
        let Reading::Beginning(held, trust) = &mut self.0 else { return true };
        let (held, trust) = (core::mem::take(held), core::mem::take(trust));
        const CHECKED: &str = "the keys were checked at the beginning";
        self.0 = if held == BUNDLE_PREFIX {
            Reading::Bundle(Box::new(BundleVerifier::new(trust).expect(CHECKED)))
        } else {
            Reading::Log(Box::new(LogVerifier::new(trust).expect(CHECKED)))
        };
        self.push(&held)
    }
}
