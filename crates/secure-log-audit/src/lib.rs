//! The audit profile of secure-log: who did what, by what right, with what outcome; and nothing happens unrecorded.
//!
//! A log takes any bytes. This crate gives them a form that an auditor understands: typed events in canonical JSON, a stream
//! for each session, and a guard without whose durable entry an action does not begin.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use secure_log::{engine::{LogOptions, Providers}, memory::MemoryStore, providers::NoKeys};
//! # use secure_log_audit::{Action, AuditLog, Authorization, Principal, Profile};
//! # let (store, keys, read) = (MemoryStore::new(), NoKeys, Action::FileRead { path: "/etc/hosts".into(), content: None });
//! let audit = AuditLog::open(store, Providers::system(keys), LogOptions::default(), Profile::default())?;
//! let session = audit.session("2026-11-20/alice")?;
//! let event = audit.event(Principal::user("alice"), Authorization::NotRequired, read)?;
//! session.record(&event)?;
//! let report = audit.verify_session("2026-11-20/alice")?;
//! # assert_eq!((report.verdict, report.review.events), (secure_log_audit::AuditVerdict::Valid, 1));
//! # Ok(())
//! # }
//! ```
//!
//! **In scope**: events and their one spelling ([`Event`], [`Json`]); values that the log must not show ([`Concealed`]);
//! recording and guarding ([`AuditLog`], [`Session`], [`Guard`]); verifying sessions and what events say
//! ([`AuditLog::verify_session`], [`AuditLog::verify`], [`AuditLog::review`]). docs/audit.md explains all of it and lists
//! every action with an example.
//!
//! **Out of scope**, and who does it instead: chains, hashes, signatures and proofs are the log's (crate `secure-log`), which
//! keeps events as it keeps any other entry; deciding what is allowed is up to whoever records the decision here.
#![forbid(unsafe_code)]

// Before those that use its macro.
#[macro_use]
mod table;

mod action;
mod actor;
mod beneath;
mod conceal;
mod development;
mod error;
mod event;
mod guard;
mod id;
mod json;
mod log;
mod member;
mod outcome;
mod review;
mod salts;
mod session;
mod words;

pub use crate::action::{Action, ActionKind, Category, MemberInfo};
pub use crate::actor::{Actor, Principal, PrincipalKind};
pub use crate::beneath::{ErrorOf, EventLog, EventLogError, LogVerdict, Meaning, OpenedPage, Place, ReportOf};
pub use crate::conceal::{COMMITMENT_LABEL, Concealed, Disclosure};
pub use crate::development::{DEVELOPMENT_MAC_LABEL, use_development_key};
pub use crate::error::{AuditError, EventError};
pub use crate::event::{AUDIT_V1, Event, Target};
pub use crate::guard::{Guard, Permit, Refused, RunError};
pub use crate::id::{EventId, NotAnId};
pub use crate::json::{Json, JsonError, JsonProblem, MAX_JSON_BYTES, MAX_JSON_DEPTH, Number, Object};
pub use crate::log::{AuditLog, Filter, Logged, Page, Profile, SessionSuite};
pub use crate::outcome::{Authorization, AuthorizationKind, Outcome, OutcomeKind};
pub use crate::review::{
    AuditFinding, AuditProblem, AuditReport, AuditReportOf, AuditVerdict, MAX_LISTED, Review, SessionReport, Unfinished,
};
pub use crate::salts::{SALT_V1, SALTS_PREFIX};
pub use crate::session::{Recorded, SESSION_PREFIX, Session, SessionInfo, SessionState};
