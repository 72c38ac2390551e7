//! The log is left behind as it was: open it once more, and verify all of it.

use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, is_valid};
use crate::copy::Copy;
use crate::expect::equal;
use crate::merkle::Growing;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "ending",
    about: "status, verify-log, and the log in a fresh instance",
    steps: &[
        Step { name: "a fresh instance finds the log as the old one left it", run: reopen },
        Step { name: "the root of the file's entries is the log's", run: root },
        Step { name: "the whole log verifies", run: verify },
    ],
};

fn reopen(session: &mut Session) -> Result<Done> {
    let stream = session.stream("entries");
    let config = session.config();
    let log = session.log()?;
    log.sign_head()??;
    let (before, head, streams) = (log.status()??, log.head(&stream)??, log.list_streams()??);
    if session.file().is_none() {
        return super::not_applicable("the config names no file, so a fresh instance may know nothing of the log");
    }
    session.let_go();
    let mut log = session.instance()?;
    log.open(&config)??;
    let after = log.status()??;
    equal("log and origin", (&after.log_id, &after.origin), (&before.log_id, &before.origin))?;
    equal("size and root", (after.size, &after.root), (before.size, &before.root))?;
    equal("the head of a stream", log.head(&stream)??, head)?;
    equal("the streams", log.list_streams()??, streams)?;
    ensure!(after.session_id != before.session_id, "the session is that of the old instance");
    session.keep(log)?;
    checked(format!("{} entries, the same root", after.size))
}

fn root(session: &mut Session) -> Result<Done> {
    let Some(copy) = Copy::of_the_log(session)? else { return super::no_file() };
    let mut tree = Growing::default();
    let entries = copy.lines.of_type("entry")?;
    for at in &entries {
        tree.push(&const_hex::decode(copy.lines.object(*at)?["hash"].as_str().unwrap_or_default())?);
    }
    let status = session.log()?.status()??;
    equal("entries and root of the file", (entries.len() as u64, tree.root()), (status.size, status.root))?;
    checked(format!("{} entries, root {}", entries.len(), const_hex::encode(tree.root())))
}

fn verify(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let status = log.status()??;
    let report = is_valid(log)?;
    equal("origin", &report.origin, &status.origin)?;
    equal("size and root", (report.size, &report.root), (status.size, &status.root))?;
    equal("complete on the word of the log's key", report.complete_to, status.size)?;
    equal("entries and pruned ones", report.entries + report.pruned, status.size)?;
    checked(format!(
        "valid, complete to {}: {} entries, {} segments, {} signatures, {} heads",
        report.complete_to, report.entries, report.segments, report.signatures, report.heads
    ))
}
