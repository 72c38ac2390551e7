//! Logs in which a few keys introduce each other, sign and end as the dice say, mostly with good signatures: whether they may is
//! for a verifier to find out.

use secure_log::control;
use secure_log::entry::{EntryRef, KEYS_STREAM, SigningRule, StreamRules, entry_message};
use secure_log::hash::Hash;
use secure_log::introduction::{Introduction, KeyRole, SignedIntroduction};
use secure_log::jsonl::write_record;
use secure_log::note::{self, VerifierKey};
use secure_log::record::{EntryRow, HeadRow, LogRow, Record, SignatureRow, StreamRow, Subject};
use secure_log::tree::{CompactTree, leaf_hash};

use super::dice::Dice;
use super::keys::Key;
use super::{golden, json, text};

const TIME: &str = "2026-11-20T04:00:00.000000000Z";
/// Its entries are signed, each by somebody.
const STREAM: &str = "a";
/// The first is the identity that is trusted.
const NAMES: [&str; 3] = ["attest", "second", "third"];

pub(crate) fn random_rotations(dice: &mut Dice) -> Vec<u8> {
    let mut log = Rotations::new();
    for _ in 0..3 + dice.roll(9) {
        match dice.roll(9) {
            0..=4 => log.introduce(dice),
            5 | 6 => log.sign_entry(dice),
            _ => log.head(dice),
        }
    }
    log.head(dice);
    log.bytes
}

struct Rotations {
    bytes: Vec<u8>,
    log: LogRow,
    /// The first is the one that is trusted.
    keys: Vec<Key>,
    tree: CompactTree,
    /// Hash of the last entry of each of the two streams.
    ends: [Hash; 2],
    said: Option<Vec<u8>>,
}

impl Rotations {
    fn new() -> Rotations {
        let origin = text(&json(&golden("log.json"))["origin"]).to_string();
        let log = LogRow { id: [3; 16], origin, created: TIME.into() };
        let mut keys = vec![Key::golden(), Key::p256()];
        keys.extend([1, 2].map(Key::ed25519));
        let tree = CompactTree::new();
        let mut this = Rotations { bytes: Vec::new(), log, keys, tree, ends: [Hash::ZERO; 2], said: None };
        this.write(&Record::Log(&this.log.clone()));
        for (index, (name, sign)) in
            [(STREAM, SigningRule::Entries), (KEYS_STREAM, SigningRule::None)].iter().enumerate()
        {
            let rules = StreamRules { sign: *sign, ..StreamRules::default() };
            let row = StreamRow { name: (*name).into(), rules, created: TIME.into(), deprecated: None };
            this.ends[index] = row.policy_hash(&this.log);
            this.write(&Record::Stream(&row));
        }
        let hash = this.entry(0, control::CREATED, b"");
        this.sign(0, NAMES[0], &hash);
        this
    }

    fn introduce(&mut self, dice: &mut Dice) {
        let role = if dice.chance(2) { KeyRole::Log } else { KeyRole::Signer };
        let (mut new, old) = (self.key(dice, false), self.key(dice, true));
        if new == old && !dice.chance(20) {
            new = (old + 1) % self.keys.len();
        }
        let [new_name, old_name] = [3, 1].map(|kinds| match role {
            KeyRole::Log if dice.chance(20) => "other.example".to_string(),
            KeyRole::Log => self.log.origin.clone(),
            KeyRole::Signer => NAMES[if kinds == 1 && dice.chance(2) { 0 } else { dice.index(NAMES.len()) }].into(),
        });
        let named = |name: &str, key: usize| VerifierKey::new(name, self.keys[key].algorithm, &self.keys[key].public);
        let next = self.tree.size() + 1;
        let last = (!dice.chance(3)).then(|| (next + dice.roll(6)).saturating_sub(u64::from(dice.chance(12))).max(1));
        let introduction =
            Introduction { role, new: named(&new_name, new).unwrap(), old: named(&old_name, old).unwrap(), last };
        let message = introduction.message(&self.log.id, &self.fields(1, control::KEY, b"", &self.ends[1].0));
        let signer = |key, dice: &mut Dice| if dice.chance(25) { dice.index(self.keys.len()) } else { key };
        let [by_old, by_new] = [old, new].map(|key| (self.keys[signer(key, dice)].sign)(&message));
        let mut payload = SignedIntroduction { introduction, by_old, by_new }.encode().into_bytes();
        if dice.chance(25)
            && let Some(said) = self.said.clone()
        {
            payload = said;
        }
        self.entry(1, control::KEY, &payload);
        self.said = Some(payload);
    }

    fn sign_entry(&mut self, dice: &mut Dice) {
        let hash = self.entry(0, "user.login", b"x");
        let (name, key) = if dice.chance(2) { (0, 0) } else { (dice.index(NAMES.len()), self.key(dice, true)) };
        self.sign(key, NAMES[name], &hash);
    }

    fn head(&mut self, dice: &mut Dice) {
        let (size, root) = (self.tree.size(), self.tree.root());
        let message = note::text(&self.log.origin, size, &root);
        let line = |key: usize| {
            let Key { algorithm, public, sign } = &self.keys[key];
            let key = VerifierKey::new(&self.log.origin, *algorithm, public).unwrap();
            key.signature_line(&sign(message.as_bytes())).unwrap()
        };
        let sigs = (0..dice.roll(3)).map(|_| line(self.key(dice, true))).collect();
        self.write(&Record::Head(&HeadRow { size, root, sigs }));
    }

    /// A key; mostly the trusted one where one is wanted that may.
    fn key(&self, dice: &mut Dice, that_may: bool) -> usize {
        if that_may && dice.chance(2) { 0 } else { dice.index(self.keys.len()) }
    }

    fn fields<'a>(&self, stream: usize, event: &'a str, payload: &'a [u8], prev: &'a [u8; 32]) -> EntryRef<'a> {
        EntryRef {
            version: 1,
            stream: [STREAM, KEYS_STREAM][stream],
            session: "sess-1",
            boot: "boot-1",
            seqno: self.tree.size() + 1,
            time: TIME,
            event,
            severity: "notice",
            producer: "secure-log",
            encoding: "text",
            payload,
            prev,
        }
    }

    fn entry(&mut self, stream: usize, event: &str, payload: &[u8]) -> Hash {
        let prev = self.ends[stream].0;
        let entry = self.fields(stream, event, payload, &prev);
        let (bytes, seqno, name) = (entry.encode(), entry.seqno, entry.stream);
        let hash = Hash::sha256(&bytes);
        self.write(&Record::Entry(EntryRow { seqno, stream: name, hash, bytes: &bytes }));
        self.tree.push(leaf_hash(&hash));
        self.ends[stream] = hash;
        hash
    }

    fn sign(&mut self, key: usize, identity: &str, hash: &Hash) {
        let Key { algorithm, public, sign } = &self.keys[key];
        let row = SignatureRow {
            of: Subject::Entry(self.tree.size()),
            identity: identity.into(),
            alg: algorithm.as_str().into(),
            key: public.clone(),
            sig: sign(&entry_message(hash)),
        };
        self.write(&Record::Signature(&row));
    }

    fn write(&mut self, record: &Record<'_>) {
        write_record(record, &mut self.bytes).unwrap();
    }
}
