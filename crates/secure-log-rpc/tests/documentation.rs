//! The examples of docs/rpc.md are what a client sends and a server answers. `SECURE_LOG_UPDATE=1` writes them anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use secure_log::hash::Hash;
use secure_log::index::{IndexRow, actor_key};
use secure_log::memory::MemoryStore;
use secure_log::query::Filter;
use secure_log::record::{DataKeyRow, Record, SignatureRow, Subject, WitnessResult, WitnessRow};
use secure_log::store::{Commit, EntryRange, IndexRange, NodeId, Search, SecureLogStore, TreeId};
use secure_log::time::Timestamp;
use secure_log_rpc::{Method, Transport, TransportError};
use secure_log_testkit::LogBuilder;

use crate::support::{Here, open};

/// The last call of each method, as it is posted, and its answer.
type Calls = Rc<RefCell<BTreeMap<String, (String, String)>>>;

struct Recorded(Here<MemoryStore>, Calls);

impl Transport for Recorded {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let answer = self.0.rpc(method, params)?;
        let call = format!(r#"{{"method":"{method}","params":{params}}}"#);
        self.1.borrow_mut().insert(method.into(), (call, answer.clone()));
        Ok(answer)
    }
}

fn calls() -> Calls {
    let calls = Calls::default();
    let mut store = open(Recorded(Here(MemoryStore::new()), Rc::clone(&calls)));
    let mut log = LogBuilder::new();
    let mut rows = Commit::new(None);
    log.create().records().for_each(|record| rows.push(record));
    store.load(0, &rows, true).unwrap();
    let data_key = DataKeyRow {
        id: Hash([0xdd; 32]),
        stream: "app".into(),
        first: 1,
        kek: "kek".into(),
        alg: "a256gcmkw".into(),
        wrapped: vec![1, 2, 3],
        created: "2026-11-20T04:07:11.000000000Z".into(),
    };
    let signature = SignatureRow {
        of: Subject::Segment(1),
        identity: "signer".into(),
        alg: "ed25519".into(),
        key: vec![4, 5, 6],
        sig: vec![7, 8, 9],
    };
    let witness = WitnessRow {
        size: 3,
        name: "witness.example".into(),
        at: "2026-11-20T04:07:11.000000000Z".into(),
        result: WitnessResult::Cosigned,
        detail: "".into(),
    };
    let commit =
        log.commit().stream("app").record(Record::DataKey(&data_key)).entry("app", b"first").entry("app", b"second");
    store
        .insert(&commit.close("app").record(Record::Signature(&signature)).record(Record::Witness(&witness)).finish())
        .unwrap();
    store.log().unwrap().unwrap();
    assert_eq!(store.heads(None, 1).unwrap().len(), 1);
    assert_eq!(store.segment_count(), Ok(1));
    let mut rows = 0;
    store.entries(EntryRange { stream: Some("app"), from: 1, to: 1, limit: 1 }, &mut |_| rows += 1).unwrap();
    assert_eq!(rows, 1);
    assert_eq!(store.hashes(TreeId::Log, 0, 2).unwrap().len(), 2);
    let node = |tree| NodeId { tree, level: 4, index: 0 };
    assert_eq!(store.nodes(&[node(TreeId::Log), node(TreeId::Segment(1))]).unwrap().len(), 2);
    store.stream("app").unwrap().unwrap();
    assert_eq!(store.streams(0, 10).unwrap().len(), 1);
    store.segment(1).unwrap().unwrap();
    assert_eq!(store.segments("app", 0, 10).unwrap().len(), 1);
    store.segment_of("app", 2).unwrap().unwrap();
    assert_eq!(store.leaf_index(1, 2), Ok(Some(1)));
    assert_eq!(store.signatures(Subject::Segment(1)).unwrap(), [signature]);
    assert_eq!(store.data_keys("app").unwrap(), core::slice::from_ref(&data_key));
    assert_eq!(store.witnesses(None, 10).unwrap()[0].row, witness);
    store.scan(0, 300, &mut |_| ()).unwrap();
    let anew = DataKeyRow { kek: "kek-2".into(), wrapped: vec![4, 5, 6], ..data_key };
    store.replace_data_keys(&[anew]).unwrap();
    store.drop_data_keys(&[Hash([0xdd; 32])]).unwrap();
    store.drop_witnesses(&[witness]).unwrap();
    store.prune(&[("app", 1)]).unwrap();
    store.reindex().unwrap();
    // The commit that is shown.
    store.insert(&log.commit().entry("app", b"third").event("new", ("user", "alice"), None).finish()).unwrap();
    let key = actor_key("user", "alice");
    assert_eq!(store.indexed(IndexRange { key, from: 1, to: 5, newest_first: false, limit: 10 }), Ok(vec![5]));
    assert_eq!(store.index_rows(None, 10), Ok(vec![IndexRow { key, seqno: 5 }]));
    let filter = Filter {
        streams: vec!["n*".parse().unwrap()],
        actor: Some(key),
        since: Timestamp::from_unix(0, 0),
        ..Filter::default()
    };
    let search =
        Search { filter: &filter, from: 1, to: 5, newest_first: true, limit: 10, max_bytes: 1 << 20, work: 1000 };
    assert_eq!(store.search(&search, &mut |row| assert_eq!(row.seqno, 5)), Ok(None));
    store.set_aside(2).unwrap();
    drop(store);
    calls
}

#[test]
fn the_documentation_shows_each_method_as_it_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rpc.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let calls = calls();
    let calls = calls.borrow();
    let mut right = page.clone();
    for method in Method::ALL {
        let (call, answer) = calls.get(method.name()).unwrap_or_else(|| panic!("{} is not called", method.name()));
        let mark = format!("<!-- {} -->\n", method.name());
        let (before, after) = right.split_once(&mark).unwrap_or_else(|| panic!("{mark} is missing"));
        // The block that stands there now, if one does.
        let after = match after.strip_prefix("```json\n") {
            Some(block) => block.split_once("```\n").expect("a block ends").1,
            None => after,
        };
        right = format!("{before}{mark}```json\n{call}\n{answer}\n```\n{after}");
    }
    if std::env::var_os("SECURE_LOG_UPDATE").is_some() {
        std::fs::write(&file, &right).unwrap();
    }
    assert!(
        page == right || std::env::var_os("SECURE_LOG_UPDATE").is_some(),
        "docs/rpc.md: run this test with SECURE_LOG_UPDATE=1"
    );
}
