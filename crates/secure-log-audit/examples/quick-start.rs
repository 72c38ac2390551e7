//! The five lines to begin with, over a log in a file.

use secure_log::engine::{LogOptions, Providers};
use secure_log::providers::NoKeys;
use secure_log_audit::{Action, AuditLog, Authorization, Principal, Profile};
use secure_log_file::FileStore;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = FileStore::open(folder.path().join("audit.jsonl"))?;
    // With keys, heads are signed: see `secure_log_keystore`.
    let keys = NoKeys;
    let read = Action::FileRead { path: "/etc/hosts".into(), content: None };

    let audit = AuditLog::open(store, Providers::system(keys), LogOptions::default(), Profile::default())?;
    let session = audit.session("2026-11-20/alice")?;
    let event = audit.event(Principal::user("alice"), Authorization::NotRequired, read)?;
    session.record(&event)?;
    let report = audit.verify_session("2026-11-20/alice")?;

    let review = report.review;
    println!("{}: {} events, {} without an end", report.verdict.as_str(), review.events, review.unfinished.len());
    Ok(())
}
