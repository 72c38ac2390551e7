//! By what right something was done, and how it ended.

use secure_log::hash::Hash;

use crate::error::EventError;
use crate::json::{Canonical, Json};
use crate::member::{Members, Put as _, Value};
use crate::words::words;

/// By what right somebody acts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorization {
    /// A user asked for it themselves: `{"kind":"user","user":"alice"}`.
    User {
        /// The id of the user, such as `alice`.
        user: String,
    },
    /// A capability allows it: `{"kind":"capability","token":"cap-7","token_hash":{..}}`.
    Capability {
        /// The id of the token, such as `cap-7`.
        token: String,
        /// The SHA-256 of the token, which nobody can guess.
        token_hash: Hash,
    },
    /// A user was asked and approved: `{"approval":"ask-12","by":"alice","kind":"user-approval"}`.
    UserApproval {
        /// The id of the approval, such as `ask-12`.
        approval: String,
        /// The id of the user who gave it, such as `alice`.
        by: String,
    },
    /// Nobody has to allow it: `{"kind":"not-required"}`.
    NotRequired,
    /// The platform does it itself: `{"kind":"system"}`.
    System,
    /// It is not allowed: `{"kind":"denied","reason":"no capability"}`. Such an action has no other outcome than denied.
    Denied {
        /// Why, such as `no capability`.
        reason: String,
    },
}

words! {
    /// The kinds of authorization.
    AuthorizationKind, "user, capability, user-approval, not-required, system or denied" {
        /// [`Authorization::User`]
        User = "user",
        /// [`Authorization::Capability`]
        Capability = "capability",
        /// [`Authorization::UserApproval`]
        UserApproval = "user-approval",
        /// [`Authorization::NotRequired`]
        NotRequired = "not-required",
        /// [`Authorization::System`]
        System = "system",
        /// [`Authorization::Denied`]
        Denied = "denied",
    }
}

impl Authorization {
    /// Which kind it is.
    pub fn kind(&self) -> AuthorizationKind {
        match self {
            Authorization::User { .. } => AuthorizationKind::User,
            Authorization::Capability { .. } => AuthorizationKind::Capability,
            Authorization::UserApproval { .. } => AuthorizationKind::UserApproval,
            Authorization::NotRequired => AuthorizationKind::NotRequired,
            Authorization::System => AuthorizationKind::System,
            Authorization::Denied { .. } => AuthorizationKind::Denied,
        }
    }

    pub(crate) fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        let kind = self.kind();
        out.object(|object| match self {
            Authorization::User { user } => {
                kind.put("kind", object)?;
                user.put("user", object)
            }
            Authorization::Capability { token, token_hash } => {
                kind.put("kind", object)?;
                token.put("token", object)?;
                token_hash.put("token_hash", object)
            }
            Authorization::UserApproval { approval, by } => {
                approval.put("approval", object)?;
                by.put("by", object)?;
                kind.put("kind", object)
            }
            Authorization::Denied { reason } => {
                kind.put("kind", object)?;
                reason.put("reason", object)
            }
            Authorization::NotRequired | Authorization::System => kind.put("kind", object),
        })
    }

    pub(crate) fn decode(json: Json) -> Result<Authorization, EventError> {
        let mut members = Members::new("authorization", json)?;
        let authorization = match members.take("kind")? {
            AuthorizationKind::User => Authorization::User { user: members.take("user")? },
            AuthorizationKind::Capability => {
                Authorization::Capability { token: members.take("token")?, token_hash: members.take("token_hash")? }
            }
            AuthorizationKind::UserApproval => {
                Authorization::UserApproval { approval: members.take("approval")?, by: members.take("by")? }
            }
            AuthorizationKind::NotRequired => Authorization::NotRequired,
            AuthorizationKind::System => Authorization::System,
            AuthorizationKind::Denied => Authorization::Denied { reason: members.take("reason")? },
        };
        members.finish()?;
        Ok(authorization)
    }
}

impl Value for Hash {
    const EXPECTED: &'static str = "64 lower-case hexadecimal characters";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        out.word(const_hex::Buffer::<32>::new().format(&self.0));
        Ok(())
    }

    fn from_json(json: Json) -> Option<Hash> {
        match json {
            Json::String(hex) => Hash::from_hex(&hex),
            _ => None,
        }
    }
}

/// How an action ended, or that it is about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is about to begin, and an event that completes this one is to follow: `{"result":"begun"}`.
    Begun,
    /// It was done: `{"result":"success"}`.
    Success,
    /// It was tried and failed: `{"reason":"no such file","result":"failure"}`.
    Failure {
        /// Why, such as `no such file`.
        reason: String,
    },
    /// It was not done, as it is not allowed: `{"reason":"no capability","result":"denied"}`.
    Denied {
        /// Why, such as `no capability`.
        reason: String,
    },
}

words! {
    /// The kinds of outcomes.
    OutcomeKind, "begun, success, failure or denied" {
        /// [`Outcome::Begun`]
        Begun = "begun",
        /// [`Outcome::Success`]
        Success = "success",
        /// [`Outcome::Failure`]
        Failure = "failure",
        /// [`Outcome::Denied`]
        Denied = "denied",
    }
}

impl Outcome {
    /// It was tried and failed.
    pub fn failure(reason: impl Into<String>) -> Outcome {
        Outcome::Failure { reason: reason.into() }
    }

    /// It was not done, as it is not allowed.
    pub fn denied(reason: impl Into<String>) -> Outcome {
        Outcome::Denied { reason: reason.into() }
    }

    /// Which kind it is.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Outcome::Begun => OutcomeKind::Begun,
            Outcome::Success => OutcomeKind::Success,
            Outcome::Failure { .. } => OutcomeKind::Failure,
            Outcome::Denied { .. } => OutcomeKind::Denied,
        }
    }

    pub(crate) fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        out.object(|object| {
            if let Outcome::Failure { reason } | Outcome::Denied { reason } = self {
                reason.put("reason", object)?;
            }
            self.kind().put("result", object)
        })
    }

    pub(crate) fn decode(json: Json) -> Result<Outcome, EventError> {
        let mut members = Members::new("outcome", json)?;
        let outcome = match members.take("result")? {
            OutcomeKind::Begun => Outcome::Begun,
            OutcomeKind::Success => Outcome::Success,
            OutcomeKind::Failure => Outcome::Failure { reason: members.take("reason")? },
            OutcomeKind::Denied => Outcome::Denied { reason: members.take("reason")? },
        };
        members.finish()?;
        Ok(outcome)
    }
}
