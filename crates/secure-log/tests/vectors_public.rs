//! Other people's Merkle and note vectors. They are read where `SECURE_LOG_PUBLIC_VECTORS` says they are.

use crate::support::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::hash::Hash;
use secure_log::note::{Note, NoteError, VerifierKey, check_signatures, text as head_text};
use secure_log::tree::{CompactTree, verify_consistency, verify_inclusion};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn inclusion_proofs_of_others() {
    check_proofs("merkle/testdata/inclusion", |case, number| {
        // An empty hash cannot even be given to us.
        let empty = [&case["leafHash"], &case["root"]].into_iter().any(|hash| text(hash).is_empty());
        let (leaf, root) = (hash(&case["leafHash"]), hash(&case["root"]));
        !empty && verify_inclusion(&leaf, number("leafIdx"), number("treeSize"), &proof(case), &root).is_ok()
    });
}

#[test]
fn consistency_proofs_of_others() {
    check_proofs("merkle/testdata/consistency", |case, number| {
        let (old, new) = (hash(&case["root1"]), hash(&case["root2"]));
        verify_consistency(number("size1"), &old, number("size2"), &new, &proof(case)).is_ok()
    });
}

/// A complete subtree that begins at leaf 0 or at a multiple of its size is a tree of its own, and a proof in it an ordinary
/// one. That this is asked of where it begins is a rule of subtrees, and no concern of ours.
#[test]
fn inclusion_proofs_in_subtrees_of_others() {
    let not_applied = check_subtrees("merkle/testdata/subtreeinclusion", 204, |case, number| {
        let (start, end) = (number("start"), number("end"));
        let (Some(size), Some(index)) = (end.checked_sub(start), number("leafIdx").checked_sub(start)) else {
            return Some(false);
        };
        // Of a subtree of more than 2^63 leaves only the first is aligned.
        let begins_at = size.checked_next_power_of_two().map_or(start, |aligned| start % aligned);
        if size > 0 && begins_at != 0 {
            return None;
        }
        let empty = [&case["leafHash"], &case["root"]].into_iter().any(|hash| text(hash).is_empty());
        let (leaf, root) = (hash(&case["leafHash"]), hash(&case["root"]));
        Some(!empty && verify_inclusion(&leaf, index, size, &proof(case), &root).is_ok())
    });
    let Some(not_applied) = not_applied else { return };
    assert_eq!(not_applied, 2);
    not_run("merkle/testdata/subtreeinclusion: 2 of 204 DO NOT APPLY: they are about where a subtree may begin");
}

/// A subtree that begins at leaf 0 is the tree of an older head. Of any other the log proves nothing, and an empty one
/// proves nothing to us.
#[test]
fn consistency_proofs_of_subtrees_of_others() {
    let not_applied = check_subtrees("merkle/testdata/subtreeconsistency", 118, |case, number| {
        if number("start") != 0 || (number("end") == 0 && case["wantErr"] == false) {
            return None;
        }
        let (old, new) = (hash(&case["root1"]), hash(&case["root2"]));
        Some(verify_consistency(number("end"), &old, number("size"), &new, &proof(case)).is_ok())
    });
    let Some(not_applied) = not_applied else { return };
    assert_eq!(not_applied, 18);
    not_run(
        "merkle/testdata/subtreeconsistency: 18 of 118 DO NOT APPLY: 16 are about subtrees that do not begin at the first \
         leaf, of which the log makes no proofs, and 2 accept an empty subtree, which proves nothing here",
    );
}

/// Checks what applies, and answers how many cases do not.
fn check_subtrees(
    folder: &str,
    expected: u32,
    verifies: impl Fn(&Value, &dyn Fn(&str) -> u64) -> Option<bool>,
) -> Option<u32> {
    let (mut not_applied, mut good, mut all) = (0, 0, 0);
    for path in files_under(&public(folder)?) {
        let case = json(&path);
        all += 1;
        let Some(ok) = verifies(&case, &|field| case[field].as_u64().unwrap()) else {
            not_applied += 1;
            continue;
        };
        assert_eq!(ok, case["wantErr"] == false, "{}", path.display());
        good += u32::from(ok);
    }
    assert_eq!(all, expected);
    assert!(good >= 6, "only {good} are right");
    Some(not_applied)
}

fn check_proofs(folder: &str, verifies: impl Fn(&Value, &dyn Fn(&str) -> u64) -> bool) {
    let Some(folder) = public(folder) else { return };
    let (mut good, mut all) = (0, 0);
    for path in files_under(&folder) {
        let case = json(&path);
        let ok = verifies(&case, &|field| case[field].as_u64().unwrap());
        assert_eq!(ok, case["wantErr"] == false, "{}", path.display());
        good += u32::from(ok);
        all += 1;
    }
    assert_eq!(all, 98);
    assert!(good >= 6, "only {good} are right");
}

#[test]
fn the_reference_tree_of_certificate_transparency() {
    let Some(path) = public("merkle/reference-tree.json") else { return };
    let vectors = json(&path);
    let mut tree = CompactTree::new();
    let roots = items(&vectors["root_hashes_hex_by_size"]);
    assert_eq!(tree.root().to_hex(), text(&roots[0]));
    for (input, root) in items(&vectors["leaf_inputs_hex"]).iter().zip(&roots[1..]) {
        // Our leaves are entry-hashes; these are of any length.
        tree.push(Hash(Sha256::digest([&[0], &hex(input)[..]].concat()).into()));
        assert_eq!(tree.root().to_hex(), text(root));
    }
    assert_eq!(tree.size(), 8);
}

#[test]
fn notes_of_others() {
    let Some(path) = public("note/golden.json") else { return };
    let mut seen = 0;
    for case in items(&json(&path)) {
        let id = text(&case["id"]);
        let key = case["vkey"].as_str().map(str::parse::<VerifierKey>);
        match text(&case["want"]) {
            "valid" => {
                let key = key.unwrap().unwrap();
                assert_eq!(key.to_string(), text(&case["vkey"]), "{id}");
                let note = Note::parse(text(&case["note"])).unwrap();
                assert_eq!(note.to_string(), text(&case["note"]), "{id}");
                assert_eq!(
                    check_signatures(&note.text, &note.sigs, core::slice::from_ref(&key)).unwrap(),
                    [&key],
                    "{id}"
                );
                let changed = note.text.replacen(' ', "  ", 1);
                assert!(check_signatures(&changed, &note.sigs, &[key]).is_err(), "{id}");
            }
            "reject-vkey" => assert!(key.unwrap().is_err(), "{id}"),
            "format-equals" => {
                let body = text(&case["checkpoint_body"]);
                let root = Hash(Sha256::digest(b"\0hello world").into());
                assert_eq!(head_text("go.sum database tree", 123_456_789_012, &root), body, "{id}");
            }
            want if want.starts_with("type-0x05") => {
                assert_eq!(key.unwrap(), Err(NoteError::UnknownKeyType), "{id}");
                let note = Note::parse(text(&case["note"])).unwrap();
                assert_eq!(note.checkpoint().unwrap().size, 115_474_666, "{id}");
            }
            want if want.starts_with("parse-ok") => {
                let (_, note) = text(&case["request_body"]).split_once("\n\n").unwrap();
                let note = Note::parse(note).unwrap();
                assert_eq!(note.sigs.len(), 2, "{id}");
                assert_eq!(note.checkpoint().unwrap().size, 20_852_163, "{id}");
            }
            want => panic!("{id}: nobody knows what {want:?} wants"),
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// A hash. Some vectors have words in its place: the word's hash is as wrong, or as equal to another, as the word.
fn hash(value: &Value) -> Hash {
    let bytes = BASE64.decode(value.as_str().unwrap_or_default()).unwrap();
    Hash::try_from(&bytes[..]).unwrap_or_else(|_| Hash::sha256(&[b"not a hash: ", &bytes[..]].concat()))
}

fn proof(case: &Value) -> Vec<Hash> {
    case["proof"].as_array().into_iter().flatten().map(hash).collect()
}
