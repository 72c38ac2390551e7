//! Sealed payloads: that they open to what was appended and show nothing before, and that they can be erased.

use std::fs;

use wasmtime::error::Context;
use wasmtime::{Result, bail, ensure};

use super::keystore::{FOREIGN, KEYSTORE, seed};
use super::{Done, Group, Step, checked, entries, is_valid, no_place, not_applicable};
use crate::expect::{equal, holds, refused, shown};
use crate::host::encoder::Severity;
use crate::host::sealing::{Erasure, Opened, PseudonymOf};
use crate::host::types::{SeqnoRange, Tier};
use crate::host::writer::{HashSuite, NewEntries, SigningRule, StreamRules, Verdict};
use crate::host::{Answer, Instance, LogError};
use crate::session::Session;

pub const GROUP: Group = Group {
    name: "sealing",
    about: "logs of their own whose payloads are sealed, with wrapping keys from a seed or on a token",
    steps: &[
        Step { name: "what is sealed opens to what was appended, and is stored as nothing that shows it", run: opened },
        Step { name: "a call that says otherwise than its stream writes nothing", run: refused_calls },
        Step { name: "a highly-restricted stream shows pseudonyms, which can be searched for", run: pseudonyms },
        Step { name: "streams that are closed in any order stay readable", run: closed_in_any_order },
        Step { name: "what was erased is gone, and everything else is as before", run: erased },
        Step { name: "data keys are wrapped anew, and no entry changes", run: resealed },
        Step { name: "what cannot be meant is refused by name", run: wrong_arguments },
        Step { name: "a keystore that wraps no keys seals nothing", run: unsupported },
    ],
};

/// What is sealed here. Nobody writes it by chance.
const SECRET: &str = "the patient's name is Wilhelmina Vandermeulen";
const SUFFIX: &str = "+aead-xchacha20poly1305-v1";
/// Labels of two wrapping keys. On a token they have to be there.
const KEK: &str = "sealing-kek-1";
const OTHER_KEK: &str = "sealing-kek-2";

/// A log of its own that can seal. The same one can be opened again, with another label or without one.
struct Place<'s> {
    session: &'s Session,
    name: &'static str,
    seed: String,
}

impl Place<'_> {
    fn open(&self, kek: Option<&str>) -> Result<Instance> {
        let (mut log, config) = self
            .session
            .elsewhere_with(self.name, |keys, around| {
                let around = match keys.are_given {
                    true => around.without(KEYSTORE).variable("SECURE_LOG_KEYSTORE_SEED", &self.seed),
                    false => keys.give_to(around),
                };
                match kek {
                    Some(label) => around.variable("SECURE_LOG_KEK_LABEL", label),
                    None => around.without("SECURE_LOG_KEK_LABEL"),
                }
            })?
            .context("there was a place before")?;
        log.open(&config)??;
        Ok(log)
    }
}

/// Where a log can be made that seals, or why that does not apply.
fn place<'s>(session: &'s Session, name: &'static str) -> Result<std::result::Result<Place<'s>, Done>> {
    if !session.keys.are_given && !session.keys.on_token {
        return not_applicable(FOREIGN).map(Err);
    }
    match session.elsewhere(name)? {
        None => no_place().map(Err),
        Some(_) => Ok(Ok(Place { session, name, seed: seed() })),
    }
}

/// Makes a log that seals, with streams of these tiers, and hands it over; or ends the step.
macro_rules! sealing_log {
    ($session:ident, $name:expr, $($stream:expr => $tier:ident),*) => {{
        let place = match place($session, $name)? {
            Ok(place) => place,
            Err(done) => return Ok(done),
        };
        let mut log = place.open(Some(KEK))?;
        $(log.create_stream_with($stream, &tiered(Tier::$tier))??;)*
        (log, place)
    }};
}

fn tiered(tier: Tier) -> StreamRules {
    StreamRules { tier, suite: HashSuite::Sha256, sign: SigningRule::None, description: None }
}

/// Seals a text, and answers its seqno.
fn seal(log: &mut Instance, stream: &str, text: &str) -> Result<u64> {
    Ok(log.append_sealed(stream, "e", Severity::Info, "verify", text.as_bytes(), "text")??.seqno)
}

fn opens(log: &mut Instance, seqno: u64, text: &str) -> Result<()> {
    let expected = Opened {
        event_type: "e".into(),
        producer: "verify".into(),
        payload_encoding: "text".into(),
        payload: text.into(),
    };
    equal(&format!("what was sealed in entry {seqno}"), log.open_payload(seqno)??, expected)
}

fn opened(session: &mut Session) -> Result<Done> {
    let (mut log, place) = sealing_log!(session, "sealed", "p" => Protected);
    let one = seal(&mut log, "p", SECRET)?;
    let batch: Vec<NewEntries> = vec![entries("p", [SECRET, "", SECRET])];
    let many = log.append_sealed_batch(&batch)??.entries;
    opens(&mut log, one, SECRET)?;
    for (appended, text) in many.iter().zip([SECRET, "", SECRET]) {
        opens(&mut log, appended.seqno, text)?;
    }
    let page = log.open_page("p", 1, u64::MAX, 1000)??;
    let texts = page.iter().filter_map(|entry| entry.content.as_ref().ok());
    equal("payloads of the page", texts.filter(|opened| opened.payload == SECRET.as_bytes()).count(), 3)?;
    let stored = log.read(one)??;
    holds("its encoding names the sealing", stored.payload_encoding == format!("text{SUFFIX}"))?;
    holds(
        "no two sealed payloads are the same",
        log.read(many[0].seqno)??.payload != log.read(many[2].seqno)??.payload,
    )?;
    let proof = log.prove_entry(one, None)??;
    holds("what others are shown does not have it", !shows(&stored.payload) && !shows_encoded(proof.as_bytes()))?;
    let report = is_valid(&mut log)?;
    equal("sealed payloads that were not opened", (report.unopened, report.erased_payloads), (4, 0))?;
    let report = log.verify_log_opening()??;
    holds("it is valid with every payload opened", report.verdict == Verdict::Valid)?;
    equal("payloads left sealed when all are opened", report.unopened, 0)?;
    if !session.outlives() {
        return checked("four payloads, which open; this store keeps nothing that could be looked through");
    }
    // Opened again without a label for new keys: what is there names its own.
    drop(log);
    let mut log = place.open(None)?;
    opens(&mut log, one, SECRET)?;
    drop(log);
    if !session.has_files() {
        return checked("four payloads, which open; where they are kept are no files that could be looked through");
    }
    let mut looked_through = 0;
    for path in session.beside(place.name)?.into_iter().chain([session.elsewhere_file(place.name)]) {
        if path.is_file() {
            let bytes = fs::read(&path)?;
            ensure!(!shows(&bytes) && !shows_encoded(&bytes), "{} shows what was sealed", path.display());
            looked_through += bytes.len();
        }
    }
    holds("there was something to look through", looked_through > 0)?;
    checked(format!("four payloads, which open, also after a restart; {looked_through} bytes of files show none"))
}

/// Whether the secret stands in these bytes as it is.
fn shows(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

/// The same of its base64, at whatever place of a group of three it begins.
fn shows_encoded(bytes: &[u8]) -> bool {
    use base64::Engine as _;
    (0..3).any(|before| {
        let encoded = base64::engine::general_purpose::STANDARD.encode([&[0; 2][..before], SECRET.as_bytes()].concat());
        let middle = &encoded.as_bytes()[4..encoded.len() - 4];
        bytes.windows(middle.len()).any(|window| window == middle)
    })
}

fn refused_calls(session: &mut Session) -> Result<Done> {
    let (mut log, _) = sealing_log!(session, "tiers", "open" => Public, "p" => Protected, "h" => HighlyRestricted);
    let size = log.status()??.size;
    for stream in ["open", "not-there"] {
        let answer = log.append_sealed(stream, "e", Severity::Info, "verify", b"secret", "text")?;
        refused!("sealing where nothing is sealed", answer, LogError::StreamNotProtected(name) if name == stream)?;
        let batch = [entries("p", ["fine"]), entries(stream, ["not"])];
        let answer = log.append_sealed_batch(&batch)?;
        refused!("a batch of which one part may not be sealed", answer, LogError::StreamNotProtected(name) if name == stream)?;
    }
    for stream in ["p", "h"] {
        let answer = log.append(stream, "e", Severity::Info, "verify", b"in clear")?;
        refused!("appending in clear", answer, LogError::StreamProtected(name) if name == stream)?;
        let answer = log.append_batch(&[entries("open", ["fine"]), entries(stream, ["not"])])?;
        refused!("a batch of which one part may not be in clear", answer, LogError::StreamProtected(name) if name == stream)?;
    }
    let answer = log.append_sealed("p", "e", Severity::Info, "verify", b"x", &format!("text{SUFFIX}"))?;
    refused!("sealing what says that it is sealed", answer, LogError::Invalid(_))?;
    let answer = log.append_sealed("p", "secure-log.erased", Severity::Info, "verify", b"x", "text")?;
    refused!("sealing what only the log itself says", answer, LogError::Invalid(_))?;
    equal("the size after all of these", log.status()??.size, size)?;
    is_valid(&mut log)?;
    checked("ten refusals, and nothing was written")
}

fn pseudonyms(session: &mut Session) -> Result<Done> {
    let (mut log, _) =
        sealing_log!(session, "restricted", "h" => HighlyRestricted, "other" => HighlyRestricted, "p" => Protected);
    let seqnos = [
        log.append_sealed("h", "admitted", Severity::Info, "ward 7", SECRET.as_bytes(), "text")??.seqno,
        log.append_sealed("h", "released", Severity::Info, "ward 7", b"", "text")??.seqno,
        log.append_sealed("other", "admitted", Severity::Info, "ward 7", b"", "text")??.seqno,
    ];
    let [admitted, released, other] = seqnos.map(|seqno| log.read(seqno));
    let (admitted, released, other) = (admitted??, released??, other??);
    for entry in [&admitted, &released, &other] {
        holds(
            "event and producer are pseudonyms",
            [&entry.event_type, &entry.producer].iter().all(|t| t.starts_with("min:")),
        )?;
    }
    equal("one producer has one pseudonym", &admitted.producer, &released.producer)?;
    holds("two events have two", admitted.event_type != released.event_type)?;
    holds("another stream has others", other.producer != admitted.producer && other.event_type != admitted.event_type)?;
    let asked = [
        log.pseudonym("h", PseudonymOf::EventType, "admitted")??,
        log.pseudonym("h", PseudonymOf::Producer, "ward 7")??,
    ];
    equal("what is to be searched for", asked, [admitted.event_type, admitted.producer])?;
    holds(
        "the same text elsewhere has another",
        log.pseudonym("h", PseudonymOf::EventType, "ward 7")?? != released.producer,
    )?;
    let opened = log.open_payload(seqnos[0])??;
    equal("the event in clear", (opened.event_type.as_str(), opened.producer.as_str()), ("admitted", "ward 7"))?;
    for stream in ["p", "not-there"] {
        let answer = log.pseudonym(stream, PseudonymOf::Producer, "ward 7")?;
        ensure!(answer.is_err(), "stream {stream:?} has no pseudonyms, and answered {answer:?}");
    }
    is_valid(&mut log)?;
    checked(format!("ward 7 is {} in one stream", opened_as(&released.producer)))
}

/// The beginning of a pseudonym.
fn opened_as(pseudonym: &str) -> &str {
    pseudonym.get(..12).unwrap_or(pseudonym)
}

fn closed_in_any_order(session: &mut Session) -> Result<Done> {
    let (mut log, place) = sealing_log!(session, "any-order", "a" => Protected, "b" => Protected);
    let mut sealed = Vec::new();
    for (round, [first, second]) in [["a", "b"], ["b", "a"], ["b", "b"], ["a", "a"]].into_iter().enumerate() {
        for stream in ["a", "b", "a"] {
            let text = format!("{SECRET} in round {round} of {stream}");
            sealed.push((seal(&mut log, stream, &text)?, text));
        }
        log.close_segment(first)??;
        seal(&mut log, second, "between two closes")?;
        log.close_segment(second)??;
        if session.outlives() {
            drop(log);
            log = place.open(Some(KEK))?;
        }
    }
    for (seqno, text) in sealed.iter().rev() {
        opens(&mut log, *seqno, text)?;
    }
    is_valid(&mut log)?;
    checked(format!("{} payloads of eight segments open", sealed.len()))
}

fn erased(session: &mut Session) -> Result<Done> {
    let (mut log, place) = sealing_log!(session, "erased", "p" => Protected, "h" => HighlyRestricted);
    let mut segments = Vec::new();
    let mut sealed = Vec::new();
    for round in 0..4 {
        sealed.push([seal(&mut log, "p", &format!("{SECRET} {round}"))?, seal(&mut log, "p", "and another")?]);
        segments.push(log.close_segment("p")??);
    }
    let restricted = seal(&mut log, "h", SECRET)?;
    let before: Vec<_> = sealed.iter().flatten().map(|seqno| log.read(*seqno)).collect::<Result<Answer<_>>>()??;
    let proof = log.prove_entry(sealed[1][0], None)??;

    let gone = log.erase("p", Erasure::Segment(segments[0].segment_id))??;
    equal("data keys of a segment", (gone.keys.len(), gone.more), (1, false))?;
    let said = gone.recorded.context("an erasure is recorded")?;
    let record = log.read(said.seqno)??;
    equal("what records it", record.event_type.as_str(), "secure-log.erased")?;
    holds("it names the key", String::from_utf8_lossy(&record.payload).contains(&const_hex::encode(&gone.keys[0])))?;
    let again = log.erase("p", Erasure::Segment(segments[0].segment_id))??;
    equal("erasing it again", (again.keys.len(), again.recorded), (0, None))?;

    let half = SeqnoRange { first: sealed[1][0], last: sealed[2][0] };
    let answer = log.erase("p", Erasure::Range(half))?;
    refused!("a range that ends within a segment", answer, LogError::ErasesMore(range) if range.last >= sealed[2][1])?;
    opens(&mut log, sealed[1][1], "and another")?;
    let whole = SeqnoRange { first: sealed[1][0], last: sealed[2][1] };
    equal("data keys of two segments", log.erase("p", Erasure::Range(whole))??.keys.len(), 2)?;

    for seqno in sealed[..3].iter().flatten() {
        refused!("opening what was erased", log.open_payload(*seqno)?, LogError::PayloadErased(at) if at == *seqno)?;
    }
    opens(&mut log, sealed[3][0], &format!("{SECRET} 3"))?;
    let page = log.open_page("p", 1, u64::MAX, 1000)??;
    let (mut open, mut shut) = (0, 0);
    for entry in page {
        match entry.content {
            Ok(_) => open += 1,
            Err(LogError::PayloadErased(_)) => shut += 1,
            Err(LogError::NotSealed(_)) => {}
            Err(other) => bail!("a page of a stream of which some was erased: {}", shown(&other)),
        }
    }
    equal("payloads of the page that open, and that were erased", (open, shut), (2, 6))?;

    equal("data keys of a whole stream", log.erase("h", Erasure::Stream)??.keys.len(), 2)?;
    refused!("opening it", log.open_payload(restricted)?, LogError::PayloadErased(_))?;
    let answer = log.append_sealed("h", "e", Severity::Info, "verify", b"more", "text")?;
    refused!("appending without the key for pseudonyms", answer, LogError::PseudonymKeyMissing(_))?;

    let after: Vec<_> = sealed.iter().flatten().map(|seqno| log.read(*seqno)).collect::<Result<Answer<_>>>()??;
    equal("every entry", after, before)?;
    let key = log.status()??.head_key.context("the log has a key")?;
    log.verify_entry(&proof, std::slice::from_ref(&key))??;
    log.verify_checkpoint_chain("p")??;
    let report = is_valid(&mut log)?;
    // A key for pseudonyms seals no payload, and is not counted.
    equal("keys and payloads erased, and left", (report.erased, report.erased_payloads, report.unopened), (4, 7, 2))?;
    seal(&mut log, "p", "a stream goes on")?;
    if session.outlives() {
        drop(log);
        log = place.open(Some(KEK))?;
        refused!("opening after a restart", log.open_payload(sealed[0][0])?, LogError::PayloadErased(_))?;
        opens(&mut log, sealed[3][0], &format!("{SECRET} 3"))?;
    }
    equal("the verdict with all opened", log.verify_log_opening()??.verdict, Verdict::Valid)?;
    checked("five data keys; entries, proofs, segments and the verdict stay what they were")
}

fn resealed(session: &mut Session) -> Result<Done> {
    let (mut log, place) = sealing_log!(session, "resealed", "p" => Protected, "h" => HighlyRestricted);
    let mut sealed = Vec::new();
    for stream in ["p", "h", "p"] {
        sealed.push(seal(&mut log, stream, SECRET)?);
        log.close_segment(stream)??;
    }
    let before = log.status()??;
    equal("keys of one stream", log.reseal(Some("h"), OTHER_KEK)??.keys, 2)?;
    equal("keys of all that were left", log.reseal(None, OTHER_KEK)??.keys, 2)?;
    equal("a third time", log.reseal(None, OTHER_KEK)??.keys, 0)?;
    let after = log.status()??;
    equal("size and root", (after.size, &after.root), (before.size, &before.root))?;
    if session.outlives() {
        drop(log);
        if let Ok(text) = fs::read_to_string(session.elsewhere_file(place.name)) {
            holds("no data key is wrapped by the old key", !text.contains(KEK) && text.contains(OTHER_KEK))?;
        }
        log = place.open(Some(OTHER_KEK))?;
    }
    for seqno in sealed {
        opens(&mut log, seqno, SECRET)?;
    }
    equal("the verdict", log.verify_log_opening()??.verdict, Verdict::Valid)?;
    checked("four data keys by another wrapping key; size and root stay what they were, and all payloads open")
}

fn wrong_arguments(session: &mut Session) -> Result<Done> {
    let (mut log, _) = sealing_log!(session, "meant", "p" => Protected, "open" => Public);
    let seqno = seal(&mut log, "p", SECRET)?;
    let clear = log.append("open", "e", Severity::Info, "verify", b"in clear")??.seqno;
    let segment = log.close_segment("open")??.segment_id;
    refused!("opening what is not sealed", log.open_payload(clear)?, LogError::NotSealed(at) if at == clear)?;
    for absent in [0, 10_000, u64::MAX] {
        refused!("opening what is not there", log.open_payload(absent)?, LogError::EntryNotFound(at) if at == absent)?;
    }
    refused!("a page of no stream", log.open_page("not-there", 1, 9, 9)?, LogError::StreamNotFound(_))?;
    holds("a page that ends before it begins is empty", log.open_page("p", 9, 1, 9)??.is_empty())?;
    refused!(
        "erasing a segment of another stream",
        log.erase("p", Erasure::Segment(segment))?,
        LogError::SegmentNotFound(_)
    )?;
    refused!("erasing no segment", log.erase("p", Erasure::Segment(u64::MAX))?, LogError::SegmentNotFound(_))?;
    refused!("erasing of no stream", log.erase("not-there", Erasure::Stream)?, LogError::StreamNotFound(_))?;
    let backwards = SeqnoRange { first: seqno + 1, last: seqno };
    refused!("erasing backwards", log.erase("p", Erasure::Range(backwards))?, LogError::Invalid(_))?;
    refused!("wrapping anew of no stream", log.reseal(Some("not-there"), KEK)?, LogError::StreamNotFound(_))?;
    refused!("a label that is none", log.reseal(None, "")?, LogError::Invalid(_))?;
    let large = vec![0; (16 << 20) + 1];
    let answer = log.append_sealed("p", "e", Severity::Info, "verify", &large, "text")?;
    refused!("a payload over the limit", answer, LogError::Invalid(_))?;
    let answer = log.append_sealed("p", "", Severity::Info, "verify", b"x", "text")?;
    refused!("an event without a name", answer, LogError::Invalid(_))?;
    refused!("a batch of nothing", log.append_sealed_batch(&[])?, LogError::Invalid(_))?;
    opens(&mut log, seqno, SECRET)?;
    is_valid(&mut log)?;
    checked("fourteen refusals, each with its case")
}

fn unsupported(session: &mut Session) -> Result<Done> {
    if session.keys.are_given || session.keys.on_token {
        return not_applicable("this stack's keystore wraps keys");
    }
    let with_label = |keys: &crate::keys::Keys, around| keys.give_to(around).variable("SECURE_LOG_KEK_LABEL", KEK);
    let Some((mut log, config)) = session.elsewhere_with("unsupported", with_label)? else { return no_place() };
    log.open(&config)??;
    let made = log.create_stream_with("p", &tiered(Tier::Protected))?;
    let answer = made.map(drop);
    let answer = match answer {
        Ok(()) => log.append_sealed("p", "e", Severity::Info, "verify", b"secret", "text")?.map(drop),
        refused => refused,
    };
    refused!("sealing", answer, LogError::UnsupportedAlgorithm(_))?;
    checked("unsupported-algorithm, and nothing was sealed")
}
