//! astrid-audit 2026.10: entries that are all signed, and chained by their hashes within a session.
//!
//! Its store in memory is the only one that it opens outside the runtime that it is made for. It takes batches, signs each
//! entry in the caller's thread, and verifies a session page by page, one signature after the other.

use astrid_audit::{AuditAction, AuditLog, AuditOutcome, AuthorizationProof};
use astrid_core::{PrincipalId, SessionId};
use astrid_crypto::{ContentHash, KeyPair};
use secure_log_bench_shared::entry::BATCH;
use secure_log_bench_shared::{Failure, Part, Sample, timed};
use tokio::runtime::{Builder, Runtime};

/// What stands in the place of the store's name, as the peer of the other rows is another one.
const ASTRID: &str = "astrid";

pub(crate) struct Astrid(Runtime);

impl Astrid {
    pub(crate) fn new() -> Result<Astrid, Failure> {
        Ok(Astrid(Builder::new_current_thread().build()?))
    }
}

impl Part for Astrid {
    fn run(&mut self, case: &str, entries: u64) -> Result<Vec<Sample>, Failure> {
        if case != "signed-entries" {
            return Ok(Vec::new());
        }
        let (log, session) = (AuditLog::in_memory(KeyPair::generate()), SessionId::new());
        let (appended, seconds) = timed(|| self.0.block_on(append(&log, &session, entries)))?;
        let append = Sample::new("append-signed-entries", ASTRID, appended, seconds);
        let (result, seconds) = timed(|| self.0.block_on(log.verify_chain(&session)))?;
        if !result.valid || result.entries_verified as u64 != appended {
            return Err(format!("its chain does not verify: {result:?}").into());
        }
        Ok(vec![append, Sample::new("verify-signed-entries", ASTRID, appended, seconds)])
    }
}

async fn append(log: &AuditLog, session: &SessionId, entries: u64) -> Result<u64, Failure> {
    let agent = PrincipalId::new("agent-7")?;
    let mut appended = 0;
    while appended < entries {
        let batch = (0..BATCH as u64)
            .map(|number| {
                let action = AuditAction::McpToolCall {
                    server: "files".into(),
                    tool: "read_text".into(),
                    args_hash: ContentHash::hash(&number.to_be_bytes()),
                };
                let right = AuthorizationProof::NotRequired { reason: "low risk".into() };
                (session.clone(), agent.clone(), action, right, AuditOutcome::success())
            })
            .collect();
        for recorded in log.append_batch_with_principal(batch).await {
            recorded?;
            appended += 1;
        }
    }
    Ok(appended)
}
