//! The client and what witnesses answer to it: ours as the suite of every anchor wants it, and others whatever they like.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::support::*;
use secure_log::note::{Note, NoteError};
use secure_log::providers::Keystore as _;
use secure_log::providers::{Anchor as _, AnchorError, Publication, WitnessOutcome};
use secure_log::verify::{Quorum, Trust};
use secure_log_testkit::crash_disk::CrashDisk;
use secure_log_witness::{
    AddCheckpoint, AnsweredPost, Endpoint, MAX_ANSWER_BYTES, Post, RemoteWitness, Unwitnessed, Witnesses, cosign,
};

fn remote(name: &str) -> RemoteWitness {
    RemoteWitness { name: name.into(), key: witness_key(name), url: format!("http://{name}/") }
}

/// A network on which whoever is asked answers with what stands here, one after the other.
#[derive(Clone, Default)]
struct Scripted(Rc<RefCell<VecDeque<Result<AnsweredPost, String>>>>);

impl Post for Scripted {
    fn post(&mut self, _: &str, _: &str, _: usize) -> Result<AnsweredPost, String> {
        self.0.borrow_mut().pop_front().expect("nobody asks more than this")
    }
}

fn answered(status: u16, content_type: &str, body: &[u8]) -> Result<AnsweredPost, String> {
    Ok(AnsweredPost { status, content_type: Some(content_type.into()), body: body.into() })
}

/// What comes of an answer to a head of size 20 that was posted from size 8.
fn outcome(answers: impl IntoIterator<Item = Result<AnsweredPost, String>>) -> Result<Vec<String>, Unwitnessed> {
    let mut network = Scripted(Rc::new(RefCell::new(answers.into_iter().collect())));
    let log = Log::new(ORIGIN);
    let outcome = remote(NAME).cosign(&mut network, &log.note(20), 8, &log.proof(8, 20));
    assert!(network.0.borrow().is_empty(), "all that was answered was read");
    outcome
}

fn text_answered(body: &str) -> Result<Vec<String>, Unwitnessed> {
    outcome([answered(200, "text/plain", body.as_bytes())])
}

/// A cosignature by the key of this witness.
fn line_by(name: &str, text: &str, time: u64) -> String {
    cosign(&witness_key(name), &*keystore(name).signer(name).unwrap(), text, time).unwrap()
}

#[test]
fn a_cosignature_counts_once_it_was_checked() {
    let text = Log::new(ORIGIN).note(20).text;
    let (own, others) = (line_by(NAME, &text, NOW), line_by("another", &text, NOW));
    assert_eq!(text_answered(&format!("— {own}\n")), Ok(vec![own.clone()]));
    assert_eq!(text_answered(&format!("— {others}\n— {own}\n")), Ok(vec![own.clone()]), "others' are passed over");
    assert_eq!(text_answered(&format!("— {others}\n")), Err(Unwitnessed::OtherKeys));
    // The right name, and another key.
    let (_, blob) = others.split_once(' ').unwrap();
    assert_eq!(text_answered(&format!("— {NAME} {blob}\n")), Err(Unwitnessed::OtherKeys));
    let wrong =
        |body: String| matches!(text_answered(&body), Err(Unwitnessed::WrongSignature(NoteError::Signature(_))));
    let of_another_head = line_by(NAME, &Log::new(ORIGIN).note(21).text, NOW);
    assert!(wrong(format!("— {of_another_head}\n")));
    assert!(wrong(format!("— {own}\n— {of_another_head}\n")), "one that is wrong spoils the answer");
}

#[test]
fn a_time_that_there_is_not_is_refused() {
    let text = Log::new(ORIGIN).note(20).text;
    for time in [0, 1 << 63, u64::MAX] {
        let signer = keystore(NAME).signer(NAME).unwrap();
        let signature = signer.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).unwrap();
        let blob = [&witness_key(NAME).id()[..], &time.to_be_bytes(), &signature].concat();
        let refused = text_answered(&format!("— {NAME} {}\n", base64(&blob)));
        assert_eq!(refused, Err(Unwitnessed::WrongSignature(NoteError::BadCosignatureTime)), "{time}");
        assert!(cosign(&witness_key(NAME), &*signer, &text, time).is_err(), "and is never signed");
    }
    assert!(text_answered(&format!("— {}\n", line_by(NAME, &text, i64::MAX as u64))).is_ok());
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn what_is_no_answer_is_none() {
    let text = Log::new(ORIGIN).note(20).text;
    let own = format!("— {}\n", line_by(NAME, &text, NOW));
    for end in 0..own.len() {
        let cut = outcome([answered(200, "text/plain", &own.as_bytes()[..end])]);
        assert!(cut.is_err(), "{} bytes of it", end);
    }
    for body in [format!("{own}\n"), own.replace("— ", "- "), format!("{own}{own}x"), own.repeat(65), "\n".into()] {
        assert!(text_answered(&body).is_err(), "{body:?}");
    }
    let long = own.repeat(MAX_ANSWER_BYTES / own.len() + 1);
    assert_eq!(text_answered(&long), Err(Unwitnessed::Nonsense("an answer that is too long")));
    assert_eq!(
        outcome([answered(200, "text/plain", b"\xff\n")]),
        Err(Unwitnessed::Nonsense("an answer that is no text"))
    );
}

#[test]
fn a_conflict_names_a_size_in_its_one_spelling() {
    let conflict = |content_type, body: &[u8]| outcome([answered(409, content_type, body)]);
    for size in [0, 8, 19, 20, 21, u64::MAX] {
        assert_eq!(conflict("text/x.tlog.size", format!("{size}\n").as_bytes()), Err(Unwitnessed::Conflict(size)));
    }
    let nonsense = Err(Unwitnessed::Nonsense("a conflict without a size"));
    for body in ["", "\n", "8", "08\n", "+8\n", "-8\n", "8\n\n", "8 \n", "0x8\n", "18446744073709551616\n", "eight\n"] {
        assert_eq!(conflict("text/x.tlog.size", body.as_bytes()), nonsense, "{body:?}");
    }
    assert_eq!(conflict("text/x.tlog.size", b"\xff\n"), nonsense);
    assert_eq!(conflict("text/plain", b"8\n"), nonsense);
    // That it has another head of the very size that was named needs no size.
    let log = Log::new(ORIGIN);
    let mut network = Scripted(Rc::new(RefCell::new([answered(409, "text/plain", b"no\n")].into())));
    assert_eq!(remote(NAME).cosign(&mut network, &log.note(20), 20, &[]), Err(Unwitnessed::Conflict(20)));
}

#[test]
fn every_other_status_is_told() {
    let status = |status| outcome([answered(status, "text/plain", b"be\x1b[2Jcause\n")]);
    assert_eq!(status(422), Err(Unwitnessed::Inconsistent(8)));
    for refused in [100, 201, 204, 302, 400, 403, 404, 405, 418] {
        let said = r"be\u{1b}[2Jcause".to_owned();
        assert_eq!(status(refused), Err(Unwitnessed::Refused { status: refused, said }));
    }
    for later in [429, 500, 502, 503, 999] {
        assert_eq!(status(later), Err(Unwitnessed::Unreachable(format!("it answered {later}"))));
    }
    let line = line_by(NAME, &Log::new(ORIGIN).note(20).text, NOW);
    let lost = || Err("the connection was lost".to_owned());
    assert_eq!(outcome([lost(), answered(200, "", format!("— {line}\n").as_bytes())]), Ok(vec![line]));
    assert_eq!(outcome([lost(), lost()]), Err(Unwitnessed::Unreachable("the connection was lost".into())));
}

/// So many of these witnesses have to cosign.
fn quorum(names: &[&str], enough: usize) -> Option<Quorum> {
    let lines: String = names.iter().map(|name| format!("witness {name} {}\n", witness_key(name))).collect();
    let policy = format!("{lines}group all-of-them {enough} {}\nquorum all-of-them\n", names.join(" "));
    policy.parse::<Trust>().unwrap().quorum().cloned()
}

/// Signs what the suite publishes as its log would.
struct Signing(Direct<CrashDisk>);

impl Post for Signing {
    fn post(&mut self, url: &str, body: &str, limit: usize) -> Result<AnsweredPost, String> {
        let mut request = AddCheckpoint::parse(body.as_bytes()).unwrap();
        let origin = request.note.checkpoint().unwrap().origin;
        request.note = signed(&origin, &request.note.text);
        self.0.post(url, &request.to_string(), limit)
    }
}

secure_log_testkit::silent_anchor_conformance!(|| {
    let disk = disk_with_state();
    move || {
        let witness = endpoint(disk.clone(), NAME, STATE, &["log", "log-one"]);
        Witnesses::new(Signing(Direct(witness)), vec![remote(NAME)], quorum(&[NAME], 1))
    }
});

type There = Rc<Endpoint<CrashDisk>>;

/// Several witnesses on one network, by name; those that are away do not answer.
#[derive(Clone, Default)]
struct Network {
    there: Rc<RefCell<Vec<(&'static str, There)>>>,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Network {
    fn of(names: &[&'static str]) -> Network {
        let network = Network::default();
        names.iter().for_each(|name| network.come(name, Rc::new(endpoint(disk_with_state(), name, STATE, &[ORIGIN]))));
        network
    }

    fn come(&self, name: &'static str, witness: There) {
        self.there.borrow_mut().push((name, witness));
    }

    fn leave(&self, name: &str) -> There {
        let at = self.there.borrow().iter().position(|(there, _)| *there == name).unwrap();
        self.there.borrow_mut().remove(at).1
    }

    fn asked(&self) -> usize {
        self.asked.take().len()
    }
}

impl Post for Network {
    fn post(&mut self, url: &str, body: &str, _: usize) -> Result<AnsweredPost, String> {
        self.asked.borrow_mut().push(url.into());
        let there = self.there.borrow();
        let (_, witness) = there.iter().find(|(name, _)| url.contains(*name)).ok_or("nobody is there")?;
        let answer = answer(witness, "POST", "/add-checkpoint", body.as_bytes());
        answered(answer.status, answer.content_type, answer.body.as_bytes())
    }
}

/// What the witness of this name answers to the head that it was offered last.
fn answer_of(witnesses: &mut Witnesses<Network>, log: &Log, size: u64, name: &str) -> WitnessOutcome {
    let answers = witnesses.publish(&log.note(size).to_string(), size, &[]).answers;
    answers.into_iter().find(|answer| answer.name == name).expect("each has an answer").outcome
}

const THREE: [&str; 3] = ["one", "two", "three"];

fn witnesses(network: &Network, names: &[&str], enough: usize) -> Witnesses<Network> {
    let members = names.iter().map(|name| remote(name)).collect();
    Witnesses::new(network.clone(), members, quorum(names, enough))
}

/// Publishes as the engine does: from whatever size it is told.
fn publish(witnesses: &mut Witnesses<Network>, log: &Log, mut old: u64, size: u64) -> Result<usize, AnchorError> {
    let note = log.note(size).to_string();
    for _ in 0..8 {
        let Publication { taken, answers } = witnesses.publish(&note, old, &log.proof(old, size));
        match taken {
            Err(AnchorError::Conflict(theirs)) if 0 < theirs && theirs <= size && theirs != old => old = theirs,
            taken => {
                let text = Note::parse(&note).unwrap().text;
                let cosigned = answers.iter().filter_map(|answer| match &answer.outcome {
                    WitnessOutcome::Cosigned(line) => Some((&answer.name, line)),
                    _ => None,
                });
                for (name, line) in cosigned.clone() {
                    assert_eq!(witness_key(name).check_line(line, &text), Ok(true), "by {name}");
                }
                return taken.map(|()| cosigned.count());
            }
        }
    }
    panic!("it is sent from size to size");
}

#[test]
fn several_witnesses_cosign_one_head() {
    let (network, log) = (Network::of(&THREE), Log::new(ORIGIN));
    let mut witnesses = witnesses(&network, &THREE, 3);
    for (old, size) in [(0, 0), (0, 7), (7, 20)] {
        assert_eq!(publish(&mut witnesses, &log, old, size), Ok(3));
        assert_eq!(network.asked(), 3, "each is asked once");
    }
    let answers = witnesses.publish(&log.note(20).to_string(), 20, &[]).answers;
    let names: Vec<&str> = answers.iter().map(|answer| answer.name.as_str()).collect();
    assert_eq!(names, THREE, "and answers for each, under the name of its key");
    assert!(answers.iter().all(|answer| matches!(answer.outcome, WitnessOutcome::Cosigned(_))));
}

#[test]
fn those_that_have_different_heads_are_brought_to_one() {
    let (network, log) = (Network::of(&THREE), Log::new(ORIGIN));
    for (name, size) in [("one", 5), ("two", 9), ("three", 20)] {
        assert_eq!(publish(&mut witnesses(&network, &[name], 1), &log, 0, size), Ok(1));
    }
    for old in [0, 5, 9, 20] {
        let network = Network { there: network.there.clone(), ..Network::default() };
        assert_eq!(publish(&mut witnesses(&network, &THREE, 3), &log, old, 20), Ok(3), "from {old}");
    }
}

#[test]
fn a_new_witness_begins_where_the_others_are_and_not_by_itself() {
    let (network, log) = (Network::of(&["one", "two"]), Log::new(ORIGIN));
    assert_eq!(publish(&mut witnesses(&network, &["one"], 1), &log, 0, 9), Ok(1));
    assert_eq!(publish(&mut witnesses(&network, &["two"], 1), &log, 9, 20), Err(AnchorError::Conflict(0)));
    assert_eq!(publish(&mut witnesses(&network, &["one", "two"], 2), &log, 9, 20), Ok(2));
    let empty = Network::of(&["one", "two"]);
    let all_forgot = publish(&mut witnesses(&empty, &["one", "two"], 2), &log, 9, 20);
    assert_eq!(all_forgot, Err(AnchorError::Conflict(0)));
}

#[test]
fn enough_are_enough_and_who_does_not_answer_is_named() {
    let (network, log) = (Network::of(&THREE), Log::new(ORIGIN));
    let (mut two, mut three) = (witnesses(&network, &THREE, 2), witnesses(&network, &THREE, 3));
    let away = network.leave("two");
    assert_eq!(publish(&mut two, &log, 0, 9), Ok(2));
    let unreachable = WitnessOutcome::Unreachable("it did not answer: nobody is there".into());
    assert_eq!(answer_of(&mut two, &log, 9, "two"), unreachable);
    let Err(AnchorError::Unavailable(why)) = publish(&mut three, &log, 9, 9) else { panic!("two of three are enough") };
    assert!(why.contains("one cosigned it") && why.contains("two: it did not answer: nobody is there"), "{why}");
    network.asked();
    assert_eq!(publish(&mut two, &log, 9, 12), Ok(2));
    assert_eq!(network.asked(), 2, "who was away is left alone for a while");
    network.come("two", away);
    assert_eq!(publish(&mut witnesses(&network, &THREE, 3), &log, 12, 20), Ok(3), "and begins with the others' head");
}

#[test]
fn where_the_policy_names_no_quorum_one_is_enough() {
    let (network, log) = (Network::of(&["one"]), Log::new(ORIGIN));
    let members = THREE.iter().map(|name| remote(name)).collect();
    let mut witnesses = Witnesses::new(network.clone(), members, None);
    assert_eq!(publish(&mut witnesses, &log, 0, 9), Ok(1));
    network.leave("one");
    assert!(matches!(publish(&mut witnesses, &log, 9, 12), Err(AnchorError::Unavailable(_))));
}

#[test]
fn two_histories_are_told_unless_enough_cosigned() {
    let (network, log) = (Network::of(&THREE), Log::new(ORIGIN));
    assert_eq!(publish(&mut witnesses(&network, &["one"], 1), &log.forked(3, 1), 0, 9), Ok(1));
    assert_eq!(publish(&mut witnesses(&network, &["two", "three"], 2), &log, 0, 9), Ok(2));
    let mut strict = witnesses(&network, &THREE, 3);
    assert_eq!(publish(&mut strict, &log, 9, 9), Err(AnchorError::Conflict(9)));
    assert_eq!(publish(&mut strict, &log, 9, 20), Err(AnchorError::Inconsistent(9)));
    let conflict = |size| format!("the head does not continue the one of size {size} that it has");
    let answers = strict.publish(&log.note(20).to_string(), 9, &log.proof(9, 20)).answers;
    assert_eq!(answers[0].outcome, WitnessOutcome::Conflict(conflict(9)), "whether it was taken or not");
    let mut lenient = witnesses(&network, &THREE, 2);
    assert_eq!(publish(&mut lenient, &log, 20, 30), Ok(2));
    let outcome = answer_of(&mut lenient, &log, 30, "one");
    assert!(matches!(outcome, WitnessOutcome::Conflict(_)), "and it is told all the same: {outcome:?}");
}

#[test]
fn a_larger_head_is_told_as_a_conflict() {
    let (network, log) = (Network::of(&THREE), Log::new(ORIGIN));
    let mut witnesses = witnesses(&network, &THREE, 3);
    assert_eq!(publish(&mut witnesses, &log, 0, 20), Ok(3));
    assert_eq!(publish(&mut witnesses, &log, 0, 9), Err(AnchorError::Conflict(20)));
}

#[test]
fn who_names_another_size_each_time_is_followed_once() {
    let log = Log::new(ORIGIN);
    let sizes = [3, 4, 5].map(|size| answered(409, "text/x.tlog.size", format!("{size}\n").as_bytes()));
    let network = Scripted(Rc::new(RefCell::new(sizes.into())));
    let mut witnesses = Witnesses::new(network.clone(), vec![remote(NAME)], quorum(&[NAME], 1));
    let note = log.note(20).to_string();
    assert_eq!(witnesses.publish(&note, 8, &log.proof(8, 20)).taken, Err(AnchorError::Conflict(3)));
    let second = witnesses.publish(&note, 3, &log.proof(3, 20));
    let Err(AnchorError::Unavailable(why)) = second.taken else { panic!("followed") };
    assert!(why.contains("its last head has size 4"), "{why}");
    assert_eq!(network.0.borrow().len(), 1);
}
