//! The exported interface `evidence`: convert, forward, convert back. What verifies needs no log.

use std::cell::RefCell;

use secure_log::bundle::{BundleReport, BundleVerifier, Claim};
use secure_log::engine::{Evidence, EvidenceOf};
use secure_log::hash::HmacKey;
use secure_log::verify::{PolicyError, Trust, TrustError};
use zeroize::Zeroizing;

use crate::bindings::exports::secure_log::log::evidence::{self, ArgumentError, WrongArgument};
use crate::bindings::exports::secure_log::log::types;
use crate::convert;
use crate::exports::{Component, with};

/// A bundle in the making.
pub(crate) struct Bundle(RefCell<Evidence>);

/// A verification; `None` once its report was given.
pub(crate) struct Verification(RefCell<Option<BundleVerifier>>);

impl evidence::Guest for Component {
    type Bundle = Bundle;
    type Verification = Verification;

    fn prove(what: evidence::Subject, size: Option<u64>) -> Result<evidence::Bundle, types::LogError> {
        let what = match what {
            evidence::Subject::Entry(seqno) => EvidenceOf::Entry(seqno),
            evidence::Subject::Range(range) => EvidenceOf::Range(range.first, range.last),
            evidence::Subject::Stream(part) => EvidenceOf::Stream(part.name, part.last),
        };
        let begun = with(|log| log.evidence(&what, size))?;
        Ok(evidence::Bundle::new(Bundle(RefCell::new(begun))))
    }

    fn verify(policy: String, mac_keys: Vec<Vec<u8>>) -> Result<evidence::Verification, ArgumentError> {
        let verifier =
            BundleVerifier::new(trust(&policy, mac_keys)?).map_err(|error: TrustError| unusable_trust(&error))?;
        Ok(evidence::Verification::new(Verification(RefCell::new(Some(verifier)))))
    }
}

/// The keys of a policy, and those of the keyed suite.
pub(crate) fn trust(policy: &str, mac_keys: Vec<Vec<u8>>) -> Result<Trust, ArgumentError> {
    let mac_keys = Zeroizing::new(mac_keys);
    let mut trust: Trust = policy.parse().map_err(policy_error)?;
    for (number, key) in (1..).zip(mac_keys.iter()) {
        let key = <[u8; 32]>::try_from(&key[..]).map(Zeroizing::new).map_err(|_| {
            let message = format!("key {number} of the keyed suite has {} bytes, and not 32", key.len());
            wrong(WrongArgument::MacKey, message)
        })?;
        trust.add_hmac_key(HmacKey::new(*key));
    }
    Ok(trust)
}

pub(crate) fn unusable_trust(error: &TrustError) -> ArgumentError {
    wrong(WrongArgument::Trust, error.to_string())
}

fn policy_error(error: PolicyError) -> ArgumentError {
    ArgumentError {
        line: error.line as u32,
        column: error.column as u32,
        ..wrong(WrongArgument::Policy, error.to_string())
    }
}

fn wrong(wrong: WrongArgument, message: String) -> ArgumentError {
    ArgumentError { wrong, line: 0, column: 0, message }
}

impl evidence::GuestBundle for Bundle {
    fn next(&self) -> Result<Option<Vec<u8>>, types::LogError> {
        with(|log| self.0.borrow_mut().next_page(log))
    }
}

impl evidence::GuestVerification for Verification {
    fn push(&self, bytes: Vec<u8>) -> bool {
        self.0.borrow_mut().as_mut().is_some_and(|verifier| verifier.push(&bytes))
    }

    fn finish(&self) -> evidence::BundleReport {
        // What was finished before is as a bundle without a byte.
        let verifier = self.0.borrow_mut().take();
        let verifier =
            verifier.unwrap_or_else(|| BundleVerifier::new(Trust::new()).expect("no keys make sense together"));
        let BundleReport { claim, hint, report } = verifier.finish();
        evidence::BundleReport { claim: claim.and_then(claim_out), hint, report: convert::report(report) }
    }
}

fn claim_out(claim: Claim) -> Option<evidence::Claim> {
    Some(match claim {
        Claim::Entry { seqno } => evidence::Claim::Entry(seqno),
        Claim::Range { first, last } => evidence::Claim::Range(types::SeqnoRange { first, last }),
        Claim::Stream { name, first, last } => evidence::Claim::Stream(evidence::StreamClaim { name, first, last }),
        // What a later version can claim, this interface cannot say.
        _ => return None,
    })
}
