//! Going on with another key: what the log says of it, who follows, and what the old key can do afterwards.

use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{Done, Group, Step, checked, entry, is_valid, no_place, not_applicable, rules};
use crate::expect::{equal, refused, shown};
use crate::host::evidence::{StreamPart, Subject};
use crate::host::tree::ProofError;
use crate::host::writer::{HashSuite, SigningRule, Verdict};
use crate::host::{Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "rotation",
    about: "rotate-key: a log goes on under another key, and whoever trusts the first one follows",
    steps: &[
        Step { name: "the old key introduces the new one, and the log verifies across it", run: rotate },
        Step { name: "evidence shows a rotation to whoever trusts the first key alone", run: shown_to_others },
        Step { name: "the log is opened with the new key, and the old one has ended", run: reopen },
    ],
};

const STREAM: &str = "signed";
/// Where the log says it.
const KEYS_STREAM: &str = "secure-log.keys";
const IDENTITY: &str = "SECURE_LOG_HEAD_IDENTITY";
const ALONE: &str = "there is no second key to go on with";

/// A log of its own whose key was changed, with one entry under each key.
struct Rotated {
    log: Instance,
    first_key: String,
    second_key: String,
    /// The last seqno that the first key speaks for.
    last: u64,
}

impl Rotated {
    /// None where there is no place for a log of its own.
    fn new(session: &Session, name: &str, second: &str) -> Result<Option<Rotated>> {
        let Some((mut log, config)) = session.elsewhere(name)? else { return Ok(None) };
        log.open(&config)??;
        log.create_stream_with(STREAM, &rules(HashSuite::Sha256, SigningRule::Segments))??;
        log.append_batch(&[entry(STREAM, "under the first key")])??;
        let first_key = log.status()??.head_key.context("the log has a key")?;
        let rotation = log.rotate_key(second)??;
        equal("the old key", &rotation.old_key, &first_key)?;
        equal("the commit ends with what the old key spoke for last", rotation.commit.size, rotation.last)?;
        log.append_batch(&[entry(STREAM, "under the second key")])??;
        log.close_segment(STREAM)??;
        Ok(Some(Rotated { log, first_key, second_key: rotation.new_key, last: rotation.last }))
    }

    /// What whoever wrote down the first key trusts.
    fn pinned(&self) -> String {
        format!("log {}\nquorum none\n", self.first_key)
    }
}

fn rotate(session: &mut Session) -> Result<Done> {
    let Some(second) = session.keys.second_identity.clone() else { return not_applicable(ALONE) };
    let Some(mut rotated) = Rotated::new(session, "rotated", &second)? else { return no_place() };
    let (first_key, second_key, last) = (rotated.first_key.clone(), rotated.second_key.clone(), rotated.last);
    let log = &mut rotated.log;
    ensure!(first_key != second_key, "the key is another one");
    equal("the key that signs heads", log.status()??.head_key.as_ref(), Some(&second_key))?;
    for (seqno, role) in [(last - 1, "log"), (last, "signer")] {
        let said = log.read(seqno)??;
        equal(
            "where it is said",
            (said.stream_id.as_str(), said.event_type.as_str()),
            (KEYS_STREAM, "secure-log.key"),
        )?;
        let payload = String::from_utf8(said.payload)?;
        let words: Vec<&str> = payload.split(' ').collect();
        equal("words, role and end", (words.len(), words[0], words[3]), (6, role, last.to_string().as_str()))?;
    }
    let head = log.signed_head()??;
    log.verify_head(&head, std::slice::from_ref(&second_key))??;
    let by_the_first = log.verify_head(&head, std::slice::from_ref(&first_key))?;
    refused!("a head of the second key to who knows the first", by_the_first, ProofError::UnknownKey(_))?;
    let report = is_valid(log)?;
    equal("complete on the word of the log's keys", report.complete_to, log.status()??.size)?;
    refused!("the key that signs already", log.rotate_key(&second)?, LogError::Invalid(_))?;
    refused!("the key that ended", log.rotate_key(&session.keys.head_identity)?, LogError::Invalid(_))?;
    checked(format!("the first key ended with entry {last}; valid to {} on the word of both", report.complete_to))
}

fn shown_to_others(session: &mut Session) -> Result<Done> {
    let Some(second) = session.keys.second_identity.clone() else { return not_applicable(ALONE) };
    let Some(mut rotated) = Rotated::new(session, "rotated-for-others", &second)? else { return no_place() };
    let (pinned, last) = (rotated.pinned(), rotated.last);
    let log = &mut rotated.log;
    let size = log.status()??.size;
    let keys = Subject::Stream(StreamPart { name: KEYS_STREAM.into(), last: None });
    for under in [None, Some(last)] {
        let bundle = log.evidence(&keys, under)??;
        let found = log.verify_evidence(&bundle, &pinned, &[], 1000)?.map_err(wasmtime::Error::msg)?;
        ensure!(matches!(found.report.verdict, Verdict::Valid), "under {under:?}: {}", shown(&found));
    }
    // An entry under the second key: what was just shown has to be known.
    let bundle = log.evidence(&Subject::Entry(size - 1), None)??;
    let with_both = format!("log {}\n{pinned}", rotated.second_key);
    for (policy, is_known) in [(&pinned, false), (&with_both, true)] {
        let found = log.verify_evidence(&bundle, policy, &[], 1000)?.map_err(wasmtime::Error::msg)?;
        equal("a later entry is proven", matches!(found.report.verdict, Verdict::Valid), is_known)?;
    }
    checked("the stream of keys is valid under any later head, and with the key out of it later entries are")
}

fn reopen(session: &mut Session) -> Result<Done> {
    let Some(second) = session.keys.second_identity.clone() else { return not_applicable(ALONE) };
    if !session.outlives() {
        return not_applicable("this store keeps nothing between two instances");
    }
    const NAME: &str = "rotated-and-reopened";
    let Some(rotated) = Rotated::new(session, NAME, &second)? else { return no_place() };
    let (pinned, successor) = (rotated.pinned(), rotated.second_key.clone());
    drop(rotated);
    let (mut log, config) = session.elsewhere(NAME)?.context("there was a place before")?;
    let opened = log.open(&config)?;
    refused!("open with the key that ended", opened, LogError::KeyEnded(ended) if successor.starts_with(&ended.successor))?;
    let (mut log, config) = session
        .elsewhere_with(NAME, |keys, around| {
            keys.give_to(around).variable(IDENTITY, &second).variable("SECURE_LOG_TRUST", &pinned)
        })?
        .context("there was a place before")?;
    log.open(&config)??;
    let stored = log.append_batch(&[entry(STREAM, "opened anew")])??;
    ensure!(stored.commit.signed, "the head is signed");
    log.close_segment(STREAM)??;
    let report = is_valid(&mut log)?;
    equal("complete on the word of the first key", report.complete_to, log.status()??.size)?;
    checked(format!("key-ended with the old label; with the new one valid to {}", report.complete_to))
}
