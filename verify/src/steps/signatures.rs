//! Signatures of segments and of heads, checked here by our own reading of the bytes that they cover.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use wasmtime::error::Context;
use wasmtime::{Result, bail, ensure, format_err};

use super::segments::checkpoint_hash;
use super::{Done, Group, Step, checked, entries, entry, is_valid, no_place, not_applicable, rules};
use crate::expect::{equal, holds, refused, shown};
use crate::host::LogError;
use crate::host::encoder::Severity;
use crate::host::tree::ProofError;
use crate::host::writer::{HashSuite, SigningRule, Verdict};
use crate::keys::random;
use crate::merkle::sha256;
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "signatures",
    about: "sign-segment, verify-segment-signature, verify-checkpoint-chain, append-signed-batch, verify-entry-signatures, sign-head",
    steps: &[
        Step { name: "a segment is unsigned until it is signed", run: sign },
        Step { name: "a second identity signs beside the first", run: second },
        Step { name: "a receipt confirms what was handed over of a segment", run: receipt },
        Step { name: "a stream that requires signatures has them without being asked", run: required },
        Step { name: "entries are signed on request, one by one, and where the rules ask for it", run: signed_entries },
        Step { name: "keys, segments and streams that are not there", run: not_there },
        Step { name: "a signed head is a note that anybody can check", run: head },
        Step {
            name: "between heads that are signed less often nobody attests, which is said and recorded",
            run: seldom,
        },
    ],
};

fn sign(session: &mut Session) -> Result<Done> {
    let (stream, identity) = (session.stream("segments"), session.keys.head_identity.clone());
    let log = session.log()?;
    let segments = log.list_segments(&stream)??;
    let id = segments[0].segment_id;
    equal("signed segments of the stream", log.verify_checkpoint_chain(&stream)??, 0)?;
    let unsigned = log.verify_segment_signature(id)?;
    refused!("an unsigned segment", unsigned, LogError::InvalidRecord(finding) if finding.code == "unsigned")?;

    let (signature, key) = log.sign_segment(&identity, id)??;
    equal("the key that verifies", &log.verify_segment_signature(id)??, &key)?;
    equal("signed segments of the stream", log.verify_checkpoint_chain(&stream)??, 1)?;
    let signed = log.read_segment(id)??;
    equal("the signature in read-segment", signed.signature.as_ref(), Some(&signature))?;
    equal("the identity in read-segment", signed.signer_identity.as_ref(), Some(&identity))?;
    let message = [&b"secure-log/v1/checkpoint\n"[..], &checkpoint_hash(log, &signed)?].concat();
    let how = if key.len() == 32 {
        verify(&key, &message, &signature)?;
        "checked here as well"
    } else {
        "NOT checked here: this harness knows Ed25519 only"
    };
    checked(format!("segment {id} by {identity}, {how}"))
}

fn second(session: &mut Session) -> Result<Done> {
    let Some(identity) = session.keys.second_identity.clone() else {
        return not_applicable("the configured keystore has no key 'segment-signer'");
    };
    let (stream, first) = (session.stream("segments"), session.keys.head_identity.clone());
    let log = session.log()?;
    let id = log.list_segments(&stream)??[0].segment_id;
    let before = log.read_segment(id)??;
    let (_, key) = log.sign_segment(&identity, id)??;
    holds("it has a key of its own", key != log.verify_segment_signature(id)??)?;
    let after = log.read_segment(id)??;
    equal("the first signature", (after.signature, after.signer_identity), (before.signature, Some(first)))?;
    equal("signed segments of the stream", log.verify_checkpoint_chain(&stream)??, 1)?;
    checked(format!("segment {id} by {identity}"))
}

fn receipt(session: &mut Session) -> Result<Done> {
    let stream = session.stream("segments");
    let log = session.log()?;
    let segment = log.list_segments(&stream)??[0].clone();
    let submissions = log.submissions(segment.segment_id)??;
    let range = format!("\n{} {} {}\n", segment.segment_id, segment.seq_start, segment.seq_end);
    holds("each names the segment and its range", submissions.iter().all(|text| text.contains(&range)))?;
    let submission = submissions.first().context("the segment was signed")?;
    let archive = Archive::new();
    let trusted = [archive.verifier_key()];
    let receipt = archive.sign(submission);
    equal("who signed the receipt", log.verify_receipt(&receipt, submission, &trusted)??.as_str(), Archive::NAME)?;
    let other = archive.sign(&submission.replacen(&range, "\n1 1 1\n", 1));
    let of_another = log.verify_receipt(&other, submission, &trusted)?;
    refused!("a receipt of another segment", of_another, ProofError::AnotherSubmission)?;
    let edited = receipt.replacen("\u{2014} archive.example ", "\u{2014} archive.example A", 1);
    holds("an edited receipt is none", log.verify_receipt(&edited, submission, &trusted)?.is_err())?;
    let strange = log.verify_receipt(&receipt, submission, &[])?;
    refused!("a receipt by nobody known", strange, ProofError::UnknownKey(_))?;
    checked(format!("{} submissions of segment {}", submissions.len(), segment.segment_id))
}

/// Somebody who keeps evidence of segments and confirms each.
struct Archive(SigningKey);

impl Archive {
    const NAME: &str = "archive.example";

    fn new() -> Archive {
        Archive(SigningKey::from_bytes(&random()))
    }

    /// Key id, and the type with the public key (docs/format.md s.6).
    fn parts(&self) -> ([u8; 4], Vec<u8>) {
        let key = [&[1], self.0.verifying_key().as_bytes().as_slice()].concat();
        let hash = sha256(&[Archive::NAME.as_bytes(), b"\n", &key].concat());
        ([hash[0], hash[1], hash[2], hash[3]], key)
    }

    fn verifier_key(&self) -> String {
        let (id, key) = self.parts();
        format!("{}+{}+{}", Archive::NAME, const_hex::encode(id), BASE64_STANDARD.encode(key))
    }

    fn sign(&self, text: &str) -> String {
        let blob = [&self.parts().0[..], &self.0.sign(text.as_bytes()).to_bytes()].concat();
        format!("{text}\n\u{2014} {} {}\n", Archive::NAME, BASE64_STANDARD.encode(blob))
    }
}

fn required(session: &mut Session) -> Result<Done> {
    let (segments, entries) = (session.stream("signed"), session.stream("signed-entries"));
    let log = session.log()?;
    log.create_stream_with(&entries, &rules(HashSuite::Sha256, SigningRule::Entries))??;
    for stream in [&segments, &entries] {
        for n in 1..=2 {
            log.append(stream, "e", Severity::Warning, "verify", b"must be signed")??;
            let closed = log.close_segment(stream)??;
            ensure!(closed.signature.is_some(), "a segment of {stream} was closed without a signature");
            log.verify_segment_signature(closed.segment_id)??;
            equal("signed segments of the stream", log.verify_checkpoint_chain(stream)??, n)?;
        }
    }
    checked("2 segments of a stream that signs segments, 2 of one that signs entries")
}

fn signed_entries(session: &mut Session) -> Result<Done> {
    let (on_request, by_rule, unsigned) =
        (session.stream("signed-on-request"), session.stream("signed-entries"), session.stream("segments"));
    let log = session.log()?;
    log.append(&on_request, "e", Severity::Info, "verify", b"not signed")??;
    let batch = log.append_signed_batch(&[entries(&on_request, ["one", "two"]), entry(&on_request, "three")])??;
    equal("entries of the batch", batch.entries.len(), 3)?;
    equal("its commit", batch.commit.size, log.status()??.size)?;
    log.append(&on_request, "e", Severity::Info, "verify", b"not signed either")??;
    equal("signed on request", log.verify_entry_signatures(&on_request)??, 3)?;
    // Those of the producer; the entries that close segments are signed as well.
    let by_rule = log.verify_entry_signatures(&by_rule)??;
    ensure!(by_rule >= 2, "the rules ask for signatures, and {by_rule} were found");
    equal("nobody asked", log.verify_entry_signatures(&unsigned)??, 0)?;
    refused!("of no stream", log.verify_entry_signatures("verify-no-such-stream")?, LogError::StreamNotFound(_))?;
    refused!("a batch of nothing", log.append_signed_batch(&[])?, LogError::Invalid(_))?;
    checked(format!("3 on request, {by_rule} by the rules"))
}

fn not_there(session: &mut Session) -> Result<Done> {
    let (stream, identity) = (session.stream("segments"), session.keys.head_identity.clone());
    let log = session.log()?;
    let id = log.list_segments(&stream)??[1].segment_id;
    if std::env::var_os("SECURE_LOG_KEYSTORE_SEED").is_none() {
        let answer = log.sign_segment("verify-no-such-key", id)?;
        refused!("an unknown key", answer, LogError::KeyNotFound(text) if text.contains("verify-no-such-key"))?;
    }
    for id in [0, u64::MAX] {
        refused!("sign-segment", log.sign_segment(&identity, id)?, LogError::SegmentNotFound(found) if found == id)?;
        let answer = log.verify_segment_signature(id)?;
        refused!("verify-segment-signature", answer, LogError::SegmentNotFound(found) if found == id)?;
    }
    let answer = log.verify_checkpoint_chain("verify-no-such-stream")?;
    refused!("verify-checkpoint-chain", answer, LogError::StreamNotFound(_))?;
    checked("key-, segment- and stream-not-found")
}

fn head(session: &mut Session) -> Result<Done> {
    let log = session.log()?;
    let note = log.sign_head()??;
    let status = log.status()??;
    let (text, signatures) = note.split_once("\n\n").context("a note has a blank line")?;
    let text = format!("{text}\n");
    let expected = format!("{}\n{}\n{}\n", status.origin, status.size, BASE64_STANDARD.encode(&status.root));
    equal("the text of the note", &text, &expected)?;
    let head_key = status.head_key.context("the log has a key")?;
    let (name, id, key) = verifier_key(&head_key)?;
    equal("the name of the key", name, status.origin.as_str())?;
    let line = signatures.lines().find_map(|line| line.strip_prefix(&format!("— {name} ")));
    let blob = BASE64_STANDARD.decode(line.context("the note has a signature by the log's key")?)?;
    let (found_id, signature) = blob.split_at_checked(4).context("a signature begins with a key id")?;
    equal("the key id of the signature", found_id, &id[..])?;
    let Some((1, key)) = key.split_first() else {
        return not_applicable("the head is signed, and this harness checks Ed25519 only");
    };
    verify(key, text.as_bytes(), signature)?;
    checked(format!("size {}, signed by {head_key}", status.size))
}

/// Name, key id, and type byte with key of `<name>+<hex key-id>+<base64>`.
fn verifier_key(text: &str) -> Result<(&str, Vec<u8>, Vec<u8>)> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("'{text}' is no verifier key");
    };
    let (id, key) = (const_hex::decode(id)?, BASE64_STANDARD.decode(key)?);
    if key.first() == Some(&1) {
        equal("the key id", &id[..], &sha256(&[name.as_bytes(), b"\n", &key].concat())[..4])?;
    }
    Ok((name, id, key))
}

/// What a slow key makes bearable, and what it costs (format.md s.6, rule 8 of docs/security.md).
fn seldom(session: &mut Session) -> Result<Done> {
    const NAME: &str = "seldom-signed";
    let writer =
        || session.elsewhere_with(NAME, |keys, around| keys.give_to(around).variable("SECURE_LOG_HEAD_EVERY", "3600s"));
    let Some((mut log, config)) = writer()? else { return no_place() };
    log.open(&config)??;
    for _ in 0..3 {
        let appended = log.append_batch(&[super::entry("s", "attested by nobody yet")])??;
        holds("it is not said to be signed", !appended.commit.signed)?;
    }
    let status = log.status()??;
    equal("entries, and how many are attested", (status.size, status.attested_to), (3, 0))?;
    let report = log.verify_log()??;
    let (Verdict::Incomplete, 0) = (&report.verdict, report.complete_to) else {
        bail!("the verdict before the next signed head: expected incomplete, found {}", shown(&report));
    };
    holds("it says how many", super::missing(&report).iter().any(|text| text.starts_with("entries 1 to 3: ")))?;
    log.sign_head()??;
    equal("attested after the next signed head", log.status()??.attested_to, 3)?;
    is_valid(&mut log)?;
    log.append_batch(&[super::entry("s", "left behind by a writer that stops")])??;
    drop(log);
    if !session.outlives() {
        return checked("3 entries attested by nobody, then by a head; this store keeps nothing for another instance");
    }

    // Who signs at every commit does not go on from there without being told to.
    let (mut log, config) = session.elsewhere(NAME)?.context("there was a place before")?;
    refused!("open", log.open(&config)?, LogError::Unattested(range) if (range.first, range.last) == (4, 4))?;
    drop(log);
    let (mut log, config) = writer()?.context("there was a place before")?;
    log.open(&config)??;
    let recorded = log.read(5)??;
    equal("what is recorded first", recorded.event_type.as_str(), "secure-log.recovered")?;
    equal("of which entries", recorded.payload, b"4 4".to_vec())?;
    equal("attested with the record", log.status()??.attested_to, 5)?;
    let report = log.verify_log()??;
    holds("every verdict names them", super::missing(&report).iter().any(|text| text.starts_with("entries 4 to 4: ")))?;
    checked("3 entries attested by nobody, then by a head; one was left behind and adopted, and every verdict says so")
}

fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    let key = VerifyingKey::from_bytes(key.try_into()?)?;
    key.verify_strict(message, &Signature::from_slice(signature)?)
        .map_err(|_| format_err!("the signature does not verify by Ed25519"))
}
