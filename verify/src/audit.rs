//! The functions of the audit profile, in a stack that has them.

use wasmtime::component::{Component, ResourceAny};
use wasmtime::{Engine, Result, Store};

use crate::host::{Guest, Instance};

/// What `wit/audit` says, as Rust; its documentation stands there.
#[allow(missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({
        path: ["../wit/keys", "../wit", "../wit/audit"],
        world: "secure-log:audit/audit-host@0.1.0",
        additional_derives: [PartialEq],
    });
}

use bindings::AuditHost;
pub use bindings::exports::secure_log::audit::{actions, audit, events, guard};
/// What it has of the log's own types: the same again, as bindings share none.
pub use bindings::secure_log::log::{types::LogError, writer};

/// What a function answers.
pub type Answered<T> = std::result::Result<T, audit::AuditError>;

/// Whether a component has the audit profile.
pub(crate) fn is_exported(component: &Component, engine: &Engine) -> bool {
    component.component_type().exports(engine).any(|(name, _)| name.starts_with("secure-log:audit/audit"))
}

/// The audit profile of an instance.
pub struct Audit<'i> {
    store: &'i mut Store<Guest>,
    host: AuditHost,
}

impl Instance {
    /// The audit profile, in a stack that has it.
    pub fn audit(&mut self) -> Result<Audit<'_>> {
        let (store, instance) = self.parts();
        let host = AuditHost::new(&mut *store, instance)?;
        Ok(Audit { store, host })
    }
}

/// One method a function: a trap is the outer error, what the log answers stands inside.
macro_rules! functions {
    ($($function:ident = $call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Audit<'_> {
            $(
                #[doc = concat!("`audit.", stringify!($function), "`.")]
                pub fn $function(&mut self $(, $argument: $type)*) -> Result<$answer> {
                    self.host.secure_log_audit_audit().$call(&mut *self.store $(, $argument)*)
                }
            )*
        }
    };
}

functions! {
    set_profile = call_set_profile(profile: &audit::Profile) -> Answered<()>;
    new_id = call_new_id() -> Answered<String>;
    conceal = call_conceal(value: &[u8]) -> Answered<audit::Commitment>;
    discloses = call_discloses(seqno: u64, member: &str, salt: &[u8], value: &[u8]) -> Answered<bool>;
    conceal_sealed = call_conceal_sealed(session: &str, event: &str, member: &str, value: &[u8])
        -> Answered<audit::Concealed>;
    discloses_sealed = call_discloses_sealed(seqno: u64, member: &str, value: &[u8]) -> Answered<bool>;
    erase_salts = call_erase_salts(session: &str) -> Answered<u64>;
    parse_event = call_parse_event(text: &str) -> Answered<events::Event>;
    encode_event = call_encode_event(event: &events::Event) -> std::result::Result<Vec<u8>, events::EventError>;
    begin_session = call_begin_session(session: &str) -> Answered<()>;
    record = call_record(session: &str, event: &events::Event) -> Answered<audit::Recorded>;
    record_batch = call_record_batch(session: &str, events: &[events::Event]) -> Answered<Vec<audit::Recorded>>;
    record_signed = call_record_signed(session: &str, event: &events::Event) -> Answered<audit::Recorded>;
    end_session = call_end_session(session: &str, event: &events::Event) -> Answered<audit::Recorded>;
    read = call_read(seqno: u64) -> Answered<audit::Logged>;
    list_events = call_list_events(filter: &audit::Filter, from: u64, limit: u32) -> Answered<audit::Page>;
    trail = call_trail(of: &events::Principal, from: u64, limit: u32) -> Answered<audit::Page>;
    sessions = call_sessions(after: u64, limit: u32) -> Answered<Vec<audit::SessionInfo>>;
    end_of = call_end_of(seqno: u64, outcome: &events::Outcome) -> Answered<events::Event>;
    verify_session = call_verify_session(session: &str) -> Answered<audit::SessionReport>;
    verify = call_verify() -> Answered<audit::AuditReport>;
    review = call_review() -> Answered<audit::ReviewReport>;
}

impl Audit<'_> {
    /// `guard.begin`.
    pub fn begin(
        &mut self,
        session: &str,
        event: &events::Event,
    ) -> Result<std::result::Result<ResourceAny, guard::Refused>> {
        self.host.secure_log_audit_guard().call_begin(&mut *self.store, session, event)
    }

    /// `permit.begun`.
    pub fn begun(&mut self, permit: ResourceAny) -> Result<audit::Recorded> {
        self.host.secure_log_audit_guard().permit().call_begun(&mut *self.store, permit)
    }

    /// `permit.action`.
    pub fn action(&mut self, permit: ResourceAny) -> Result<Answered<actions::Action>> {
        self.host.secure_log_audit_guard().permit().call_action(&mut *self.store, permit)
    }

    /// `permit.set-action`.
    pub fn set_action(&mut self, permit: ResourceAny, action: &actions::Action) -> Result<Answered<()>> {
        self.host.secure_log_audit_guard().permit().call_set_action(&mut *self.store, permit, action)
    }

    /// `permit.complete`.
    pub fn complete(&mut self, permit: ResourceAny, outcome: &events::Outcome) -> Result<Answered<audit::Recorded>> {
        self.host.secure_log_audit_guard().permit().call_complete(&mut *self.store, permit, outcome)
    }

    /// Lets go of a permit that was not completed.
    pub fn drop_permit(&mut self, permit: ResourceAny) -> Result<()> {
        permit.resource_drop(&mut *self.store)
    }
}
