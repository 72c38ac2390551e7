//! A runtime that lets an agent call tools, and nothing unrecorded: each call is in the log, durably, before the tool runs.
//!
//! Run it with `cargo run -p secure-log-audit --example agent-runtime`. The log is in a folder that goes away again.

use std::error::Error;
use std::fs;
use std::path::Path;

use secure_log::engine::{LogOptions, Providers};
use secure_log::hash::Hash;
use secure_log::providers::NoKeys;
use secure_log::store::SecureLogStore;
use secure_log_audit::{
    Action, AuditLog, AuditVerdict, Authorization, Disclosure, Event, Outcome, Principal, Profile, Refused, Session,
};
use secure_log_file::FileStore;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("notes.txt"), "the meeting is at ten")?;

    // Without keys the log shows edits, and nobody attests its end: a runtime in earnest has a keystore and an anchor.
    let store = FileStore::open(folder.path().join("audit.jsonl"))?;
    let profile = Profile { producer: "agent-runtime".into(), ..Profile::default() };
    let audit = AuditLog::open(store, Providers::system(NoKeys), LogOptions::default(), profile)?;
    let runtime = Runtime { session: audit.session("conversation-1")?, root: folder.path(), token: "a random token" };

    let (notes, disclosure) = runtime.read_file("notes.txt")?;
    println!("the agent reads: {notes}");
    println!("kept to show it later: a salt of {} characters", disclosure.to_hex().len());
    if let Err(refused) = runtime.read_file("../../etc/shadow") {
        println!("the agent is told: {refused}");
    }

    for logged in audit.trail(&Principal::agent("agent-7"), 1, 100)?.events {
        println!("{:2} {:30} {:?}", logged.seqno, logged.event.event_type(), logged.event.outcome);
    }
    let report = audit.verify()?;
    assert!(!matches!(report.verdict, AuditVerdict::Invalid(_)), "{report:?}");
    println!("{} events, {} without an end", report.review.events, report.review.unfinished.len());
    Ok(())
}

struct Runtime<'a, S: SecureLogStore> {
    session: Session<S>,
    root: &'a Path,
    token: &'a str,
}

impl<S: SecureLogStore> Runtime<'_, S> {
    /// The tool `read_file`. What it is given and what it answers stand in the log as commitments.
    fn read_file(&self, name: &str) -> Result<(String, Disclosure), Box<dyn Error>> {
        let audit = self.session.audit();
        let (arguments, _) = audit.conceal(name.as_bytes())?;
        let call = Action::McpToolCall {
            server: "files".into(),
            tool: "read_file".into(),
            arguments: Some(arguments),
            result: None,
        };
        let agent = Principal::agent("agent-7").on_behalf_of(Principal::user("alice"));
        let event = audit.event(agent, self.right_to_read(name), call)?;
        let mut permit = match self.session.guard().begin(event) {
            Ok(permit) => permit,
            Err(refused) => {
                self.report(name, &refused)?;
                return Err(refused.into());
            }
        };
        // Only from here on the tool may run.
        match fs::read_to_string(self.root.join(name)) {
            Ok(text) => {
                let (concealed, disclosure) = audit.conceal(text.as_bytes())?;
                if let Action::McpToolCall { result, .. } = permit.action_mut() {
                    *result = Some(concealed);
                }
                permit.complete(Outcome::Success)?;
                Ok((text, disclosure))
            }
            Err(error) => {
                permit.complete(Outcome::failure(error.to_string()))?;
                Err(error.into())
            }
        }
    }

    /// The capability of this agent is for one folder.
    fn right_to_read(&self, name: &str) -> Authorization {
        if Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            Authorization::Capability { token: "cap-7".into(), token_hash: Hash::sha256(self.token.as_bytes()) }
        } else {
            Authorization::Denied { reason: "the capability is for one folder".into() }
        }
    }

    /// Who tries to leave the folder is worth a look.
    fn report(&self, name: &str, refused: &Refused) -> Result<(), Box<dyn Error>> {
        let Refused::Denied { recorded, .. } = refused else { return Ok(()) };
        let rule = "path-outside-root".into();
        let violation = Action::SecurityViolation { rule, finding: format!("asked for in entry {}", recorded.seqno) };
        let event: Event =
            self.session.audit().event(Principal::system("runtime"), Authorization::System, violation)?;
        self.session.record(&event.detail("asked_for_bytes", name.len() as u32))?;
        Ok(())
    }
}
