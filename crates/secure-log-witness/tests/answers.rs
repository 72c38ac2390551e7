//! What a witness answers: the statuses of C2SP tlog-witness, one by one.

use crate::support::*;
use secure_log::hash::Hash;
use secure_log::note::{Note, VerifierKey, text as head_text};
use secure_log::providers::Keystore as _;
use secure_log::sign::Algorithm;
use secure_log_testkit::TestKeystore;
use secure_log_testkit::crash_disk::{CrashDisk, Fault};
use secure_log_witness::{
    AddCheckpoint, ConfigError, Endpoint, MAX_REQUEST_BYTES, Request, Response, Route, WitnessConfig,
};

type Witness = Endpoint<CrashDisk>;

fn witness() -> Witness {
    endpoint(disk_with_state(), NAME, STATE, &[ORIGIN, "log.example/2"])
}

/// A witness that has the head of size 20 of the log.
fn witness_at_20(log: &Log) -> Witness {
    let witness = witness();
    assert_eq!(add(&witness, &log.request(0, 20)).status, 200);
    witness
}

#[test]
fn a_head_is_cosigned_and_the_cosignature_verifies() {
    let (witness, log) = (witness(), Log::new(ORIGIN));
    let mut last = 0;
    for size in [0, 0, 1, 2, 2, 7, 8, 20, 64, 64] {
        let Response { status, body, content_type, .. } = add(&witness, &log.request(last, size));
        assert_eq!((status, content_type), (200, "text/plain; charset=utf-8"), "from {last} to {size}: {body}");
        let line = body.strip_prefix("— ").unwrap().strip_suffix('\n').unwrap();
        assert_eq!(witness_key(NAME).check_line(line, &log.note(size).text), Ok(true));
        last = size;
    }
}

#[test]
fn another_old_size_is_answered_with_the_last_one() {
    let log = Log::new(ORIGIN);
    let witness = witness_at_20(&log);
    for (old, new) in [(0, 20), (0, 30), (19, 20), (19, 30), (21, 30), (0, 0), (7, 19)] {
        let answer = add(&witness, &log.request(old, new));
        let Response { status, content_type, body, .. } = answer;
        assert_eq!((status, content_type, &*body), (409, "text/x.tlog.size", "20\n"), "from {old} to {new}");
    }
    assert_eq!(add(&witness, &log.request(20, 30)).status, 200);
}

#[test]
fn a_smaller_head_after_a_larger_one_is_refused() {
    let log = Log::new(ORIGIN);
    let witness = witness_at_20(&log);
    // Whichever old size it names: the last one is larger than the head, and any other is not the last one.
    let with_old = |old_size| AddCheckpoint { old_size, ..log.request(0, 19) };
    assert_eq!(add(&witness, &with_old(20)).status, 400);
    for old in 0..=19 {
        assert_eq!(add(&witness, &with_old(old)).status, 409, "{old}");
    }
}

#[test]
fn of_two_histories_one_is_cosigned() {
    let log = Log::new(ORIGIN);
    let witness = witness_at_20(&log);
    let fork = log.forked(19, 1);
    let refused = add(&witness, &fork.request(20, 20));
    assert_eq!((refused.status, refused.content_type, &*refused.body), (409, "text/x.tlog.size", "20\n"));
    let note = refused.note.expect("the operator is told");
    assert!(note.contains(&fork.note(20).sigs[0]), "the evidence is shown: {note}");
    assert_eq!(add(&witness, &fork.request(20, 30)).status, 422);
    assert_eq!(add(&witness, &log.request(20, 30)).status, 200);
}

#[test]
fn a_proof_has_to_prove() {
    let log = Log::new(ORIGIN);
    let witness = witness_at_20(&log);
    let good = log.request(20, 33);
    let with = |change: &dyn Fn(&mut Vec<Hash>)| {
        let mut request = good.clone();
        change(&mut request.proof);
        add(&witness, &request).status
    };
    assert_eq!(with(&|proof| proof.clear()), 422);
    assert_eq!(with(&|proof| proof.truncate(1)), 422);
    assert_eq!(with(&|proof| proof.push(Hash([1; 32]))), 422);
    assert_eq!(with(&|proof| proof[1].0[0] ^= 1), 422);
    let same = AddCheckpoint { proof: good.proof.clone(), ..log.request(20, 20) };
    assert_eq!(add(&witness, &same).status, 422, "nothing has to be proven, and so nothing is");
    assert_eq!(add(&witness, &good).status, 200);
    let first = AddCheckpoint { proof: vec![Hash([1; 32])], ..Log::new("log.example/2").request(0, 5) };
    assert_eq!(add(&witness, &first).status, 422);
    let no_empty_tree = signed("log.example/2", &head_text("log.example/2", 0, &Hash([1; 32])));
    assert_eq!(add(&witness, &AddCheckpoint { old_size: 0, proof: Vec::new(), note: no_empty_tree }).status, 422);
}

#[test]
fn only_a_key_of_the_log_speaks_for_it() {
    let (witness, log) = (witness(), Log::new(ORIGIN));
    let good = log.request(0, 5);
    let with_sigs = |sigs: Vec<String>| {
        add(&witness, &AddCheckpoint { note: Note { sigs, ..good.note.clone() }, ..good.clone() }).status
    };
    let own = good.note.sigs[0].clone();
    let of_another_text = log.note(6).sigs[0].clone();
    let of_another_key = signed("log.example/2", &good.note.text).sigs[0].clone();
    assert_eq!(with_sigs(Vec::new()), 403);
    assert_eq!(with_sigs(vec![of_another_key.clone()]), 403);
    assert_eq!(with_sigs(vec![of_another_text.clone()]), 403);
    assert_eq!(with_sigs(vec![own.clone(), of_another_text]), 403, "one that is wrong spoils the note");
    assert_eq!(with_sigs(vec![of_another_key, own]), 200);
    let unknown = Log::new("log.example/3");
    assert_eq!(add(&witness, &unknown.request(0, 5)).status, 404);
    // Its name is none that a key may have.
    let spaced = good.to_string().replace(&format!("\n{ORIGIN}\n"), "\nlog example\n");
    assert_eq!(answer(&witness, "POST", "/add-checkpoint", spaced.as_bytes()).status, 404);
}

#[test]
fn a_log_whose_key_changes_is_cosigned_by_who_was_given_the_new_one() {
    let log = Log::new(ORIGIN);
    let next = VerifierKey::new(ORIGIN, Algorithm::Ed25519, &public_key("next")).unwrap();
    let by_next = |text: &str| {
        let signature = keystore("next").signer("next").unwrap().sign(text.as_bytes()).unwrap();
        next.signature_line(&signature).unwrap()
    };
    for knows_next in [false, true] {
        let mut config = config(NAME, STATE, &[ORIGIN]);
        config.logs.extend(knows_next.then(|| next.clone()));
        let witness: Witness = Endpoint::open(&config, &keystore(NAME), disk_with_state()).unwrap();
        let mut rotation = log.request(0, 5);
        rotation.note.sigs.push(by_next(&rotation.note.text));
        assert_eq!(add(&witness, &rotation).status, 200, "both signed it");
        let mut after = log.request(5, 8);
        after.note.sigs = vec![by_next(&after.note.text)];
        assert_eq!(add(&witness, &after).status, if knows_next { 200 } else { 403 });
    }
}

#[test]
fn lines_of_an_extension_are_cosigned_with_the_head() {
    let (witness, log) = (witness(), Log::new(ORIGIN));
    let text = format!("{}time 5\nmore\n", log.note(5).text);
    let request = AddCheckpoint { old_size: 0, proof: Vec::new(), note: signed(ORIGIN, &text) };
    let body = add(&witness, &request).body;
    assert_eq!(witness_key(NAME).check_line(body[4..].trim_end(), &text), Ok(true), "{body}");
}

#[test]
fn what_is_no_request_is_refused_and_changes_nothing() {
    let disk = disk_with_state();
    let (witness, log) = (endpoint(disk.clone(), NAME, STATE, &[ORIGIN]), Log::new(ORIGIN));
    let (good, before) = (log.request(0, 5).to_string(), disk.operations());
    let post = |body: &str| answer(&witness, "POST", "/add-checkpoint", body.as_bytes()).status;
    assert_eq!(post(""), 400);
    assert_eq!(post(&good[..good.len() - 1]), 400);
    assert_eq!(post(&good.replace("old 0", "old 6")), 400);
    assert_eq!(post(&good.replace("\n5\n", "\n05\n")), 400);
    assert_eq!(post(&" ".repeat(MAX_REQUEST_BYTES + 1)), 413);
    let upper_case = format!("/{}/checkpoint", "A".repeat(64));
    let status = |method, path, length| Route::of(&Request { method, path, length }).map_err(|refused| refused.status);
    assert_eq!(status("GET", "/add-checkpoint", None), Err(405));
    assert_eq!(status("POST", "/healthz", None), Err(405));
    assert_eq!(status("POST", "/", None), Err(404));
    assert_eq!(status("POST", "/add-checkpoint/", None), Err(404));
    assert_eq!(status("GET", &upper_case, None), Err(404));
    assert_eq!(status("POST", "/add-checkpoint", Some(u64::MAX)), Err(413));
    assert_eq!(status("POST", "/add-checkpoint?x", Some(5)), Ok(Route::AddCheckpoint));
    assert_eq!((disk.operations(), disk.names()), (before, Vec::new()));
    assert_eq!(post(&good), 200);
}

#[test]
fn the_last_head_is_shown_with_both_signatures() {
    let log = Log::new(ORIGIN);
    let witness = witness_at_20(&log);
    let path = |origin: &str| format!("/{}/checkpoint", Hash::sha256(origin.as_bytes()));
    let Response { status, body, .. } = answer(&witness, "GET", &path(ORIGIN), b"");
    let note = Note::parse(&body).unwrap();
    assert_eq!((status, &note.text), (200, &log.note(20).text));
    assert_eq!(log_key(ORIGIN).check_line(&note.sigs[0], &note.text), Ok(true));
    assert_eq!(witness_key(NAME).check_line(&note.sigs[1], &note.text), Ok(true));
    assert_eq!(answer(&witness, "GET", &path("log.example/2"), b"").status, 404);
    assert_eq!(answer(&witness, "GET", &path("log.example/3"), b"").status, 404);
    let key = answer(&witness, "GET", "/verifier-key", b"");
    assert_eq!(key.body, format!("{}\n", witness_key(NAME)));
}

#[test]
fn of_the_signatures_of_strangers_nothing_is_kept() {
    let (witness, log) = (witness(), Log::new(ORIGIN));
    let mut request = log.request(0, 5);
    request.note.sigs.insert(0, signed("log.example/2", &request.note.text).sigs[0].clone());
    assert_eq!(add(&witness, &request).status, 200);
    let page = answer(&witness, "GET", &format!("/{}/checkpoint", Hash::sha256(ORIGIN.as_bytes())), b"");
    let sigs = Note::parse(&page.body).unwrap().sigs;
    assert_eq!((sigs.len(), &sigs[0]), (2, &request.note.sigs[1]));
}

#[test]
fn each_log_is_remembered_by_itself_and_again_after_a_restart() {
    let disk = disk_with_state();
    let (one, two) = (Log::new(ORIGIN), Log::new("log.example/2"));
    let restarted = || endpoint(disk.clone(), NAME, STATE, &[ORIGIN, "log.example/2"]);
    assert_eq!(add(&restarted(), &one.request(0, 5)).status, 200);
    assert_eq!(add(&restarted(), &two.request(0, 9)).status, 200);
    assert_eq!(add(&restarted(), &one.request(0, 6)).body, "5\n");
    assert_eq!(add(&restarted(), &two.request(0, 10)).body, "9\n");
}

#[test]
fn a_damaged_record_stops_its_log() {
    let disk = disk_with_state();
    let (witness, log) = (endpoint(disk.clone(), NAME, STATE, &[ORIGIN]), Log::new(ORIGIN));
    add(&witness, &log.request(0, 5));
    add(&witness, &log.request(5, 6));
    let path = disk.names().into_iter().max().unwrap();
    let good = disk.content(&path).unwrap();
    for bit in 0..8 * good.len() {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        disk.put(&path, &bad);
        let refused = add(&witness, &log.request(6, 7));
        assert_eq!(refused.status, 500, "bit {bit}");
        assert!(refused.note.unwrap().contains("damaged"));
    }
    disk.put(&path, &good);
    assert_eq!(add(&witness, &log.request(6, 7)).status, 200);
}

#[test]
fn a_failing_disk_is_for_the_operator_to_know() {
    let disk = disk_with_state();
    let (witness, log) = (endpoint(disk.clone(), NAME, STATE, &[ORIGIN]), Log::new(ORIGIN));
    disk.fail_at(disk.operations() + 2, Fault::NotDone);
    let refused = add(&witness, &log.request(0, 5));
    assert_eq!((refused.status, &*refused.body), (500, "the witness failed, and cosigned nothing\n"));
    assert!(refused.note.unwrap().contains("an injected fault"));
    assert_eq!(add(&witness, &log.request(0, 5)).status, 200);
}

#[test]
fn a_witness_that_cannot_work_says_so() {
    let open = |config: &WitnessConfig, keys| Endpoint::open(config, &keys, disk_with_state()).map(drop);
    let good = config(NAME, STATE, &[ORIGIN]);
    assert_eq!(open(&good, keystore(NAME)), Ok(()));
    let refused = open(&good, keystore("another label")).unwrap_err();
    assert_eq!((refused.status, &*refused.body), (503, "the witness's key cannot be used\n"));
    assert!(refused.note.unwrap().contains("SECURE_LOG_WITNESS_IDENTITY"));
    let rsa = TestKeystore::new().signing(NAME, Algorithm::RsaPssSha256);
    for (config, keys) in [(WitnessConfig { name: "two words".into(), ..good.clone() }, keystore(NAME)), (good, rsa)] {
        let refused = open(&config, keys).unwrap_err();
        assert_eq!((refused.status, &*refused.body), (503, "the witness's name or key cannot be used\n"));
    }
    let sick = answer(&endpoint(disk_with_state(), NAME, "absent", &[ORIGIN]), "GET", "/healthz", b"");
    assert_eq!((sick.status, &*sick.body), (503, "SECURE_LOG_WITNESS_STATE names no folder that can be used\n"));
    assert_eq!(answer(&endpoint(disk_with_state(), NAME, STATE, &[ORIGIN]), "GET", "/healthz", b"").status, 200);
    let unset = Response::from(ConfigError::NotSet("SECURE_LOG_WITNESS_NAME"));
    assert_eq!((unset.status, &*unset.body), (503, "SECURE_LOG_WITNESS_NAME is not set\n"));
    let file = |path: &str| ConfigError::File { path: path.into(), detail: "no such file".into() };
    let hidden = Response::from(file("/etc/secret"));
    assert_eq!((hidden.status, &*hidden.body), (503, "SECURE_LOG_WITNESS_LOGS cannot be used\n"));
    assert!(hidden.note.unwrap().contains("/etc/secret"));
}
