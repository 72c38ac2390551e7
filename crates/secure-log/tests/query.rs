//! Queries: cursors, what a store that lies can do, and pages that a client checks who has the log's key alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::world::*;
use secure_log::SecureLog;
use secure_log::engine::NewEntry;
use secure_log::entry::{Entry, EntryRef, SEALED_MARK, Severity, StreamRules};
use secure_log::error::LogError;
use secure_log::hash::{Hash, Suite};
use secure_log::index::actor_key;
use secure_log::limits::Invalid;
use secure_log::proof::{Asked, PageFault, PageProof, PageRow, Refused, Shown, VerifiedPage};
use secure_log::query::{Cursor, Filter, Query};
use secure_log::store::{SecureLogStore, StoreError};
use secure_log_testkit::attacks::trust;
use secure_log_testkit::{HostileStore, OwnedRecord};

fn of_stream(name: &str) -> Filter {
    Filter { streams: vec![name.parse().unwrap()], ..Filter::default() }
}

fn ask(filter: &Filter, limit: u32) -> Query {
    Query { filter: filter.clone(), limit, ..Query::default() }
}

fn newest_first(query: Query) -> Query {
    Query { newest_first: true, ..query }
}

/// Every third entry is of the stream `b`, and every seventh is a warning.
fn write<S: SecureLogStore>(log: &mut SecureLog<S>, entries: u64) {
    let first = log.size() + 1;
    for number in first..first + entries {
        let payload = format!("entry {number}");
        let stream = if number.is_multiple_of(3) { "b" } else { "a" };
        let severity = if number.is_multiple_of(7) { Severity::Warning } else { Severity::Info };
        log.append(&NewEntry { severity, ..entry(stream, payload.as_bytes()) }).unwrap();
    }
}

fn seqnos_of_all<S: SecureLogStore>(log: &mut SecureLog<S>, query: &Query) -> Vec<u64> {
    let mut query = query.clone();
    let mut seqnos = Vec::new();
    loop {
        let page = log.query(&query).unwrap();
        seqnos.extend(page.entries.iter().map(|entry| entry.seqno));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return seqnos;
        }
    }
}

#[test]
fn pages_stay_right_while_the_log_grows() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 9);
    let mut upwards = ask(&of_stream("b"), 1);
    let mut downwards = newest_first(upwards.clone());
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for round in 0..4 {
        for (query, seqnos) in [(&mut upwards, &mut up), (&mut downwards, &mut down)] {
            if round == 0 || query.cursor.is_some() {
                let page = log.query(query).unwrap();
                assert_eq!(page.size, if query.newest_first { 9 } else { log.size() });
                seqnos.extend(page.entries.iter().map(|entry| entry.seqno));
                query.cursor = page.next;
            }
        }
        write(&mut log, 3);
    }
    assert_eq!((up, down), (vec![3, 6, 9, 12], vec![9, 6, 3]));
    assert_eq!(seqnos_of_all(&mut log, &upwards), [15, 18, 21]);
}

#[test]
fn a_cursor_is_one_of_its_log_filter_and_order() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 9);
    let query = ask(&of_stream("a"), 2);
    let cursor = log.query(&query).unwrap().next.unwrap();
    let refused = |log: &mut Log, query: Query| match log.query(&Query { cursor: Some(cursor.clone()), ..query }) {
        Err(LogError::Invalid(Invalid { field: "cursor", problem })) => format!("{problem:?}"),
        other => panic!("{other:?}"),
    };
    assert!(refused(&mut log, ask(&of_stream("b"), 2)).contains("another filter"));
    assert!(refused(&mut log, newest_first(query.clone())).contains("the other order"));
    // What this log cannot have given out.
    let mut beyond = cursor.to_string();
    let digits = beyond.len() - 32;
    beyond.replace_range(digits..digits + 16, &format!("{:016x}", 10));
    let beyond: Cursor = beyond.parse().unwrap();
    let answer = log.query(&Query { cursor: Some(beyond), ..query });
    assert_eq!(answer.unwrap_err(), LogError::NotCovered { seqno: 10, size: 9 });
}

#[test]
fn what_breaks_a_limit_is_refused_by_its_name() {
    let world = World::new();
    let mut log = world.open().unwrap();
    for (query, field) in [
        (ask(&Filter::default(), 0), "limit"),
        (ask(&Filter { text: Some(String::new()), ..Filter::default() }, 1), "text"),
        (ask(&Filter { from: Some(2), to: Some(1), ..Filter::default() }, 1), "seqno range"),
    ] {
        for answer in [log.query(&query).err(), log.query_proven(&query).err()] {
            assert!(matches!(&answer, Some(LogError::Invalid(invalid)) if invalid.field == field), "{answer:?}");
        }
    }
    let most = log.query(&ask(&Filter::default(), u32::MAX)).unwrap();
    assert_eq!((most.entries, most.next), (Vec::new(), None), "an empty log has nothing");
}

#[test]
fn an_actor_is_found_and_a_page_ends_early_where_little_is_found() {
    let world = World::new();
    let mut log = world.open().unwrap();
    let payload = br#"{"actor":{"id":"alice","kind":"user"}}"#;
    let event = NewEntry { encoding: "secure-log.audit.v1+json", ..entry("a", payload) };
    log.append(&event).unwrap();
    log.append(&entry("a", payload)).unwrap();
    let many = vec![entry("b", b"x"); 30_000];
    for _ in 0..3 {
        log.append_batch(&many).unwrap();
    }
    log.append(&event).unwrap();
    let query = ask(&Filter { actor: Some(actor_key("user", "alice")), ..Filter::default() }, 100);
    assert_eq!(seqnos_of_all(&mut log, &query), [1, 90_003]);
    // The store in memory has no index: it has looked at 65,536 entries.
    let first = log.query(&query).unwrap();
    assert_eq!((first.entries.len(), first.next.is_some()), (1, true));
}

/// A log over a store that lies once the log is written.
fn lying(
    entries: u64,
    lie: impl Fn(HostileStore<Store>, Arc<AtomicU64>) -> HostileStore<Store>,
) -> (SecureLog<HostileStore<Store>>, Arc<AtomicU64>) {
    let world = World::new();
    write(&mut world.open().unwrap(), entries);
    let armed = Arc::new(AtomicU64::new(0));
    let store = lie(HostileStore::new(world.store.clone()), Arc::clone(&armed));
    (world.open_on(store, |_| ()).unwrap(), armed)
}

#[test]
fn a_store_that_lies_about_what_it_found_is_found_out() {
    type Edit = fn(&mut OwnedRecord);
    let edits: [(&str, Edit); 4] = [
        ("a payload", |record| record.edit_entry(|entry| entry.payload = b"forged".into())),
        ("a payload, and its hash", |record| {
            record.edit_entry(|entry| entry.payload = b"forged".into());
            record.rehash();
        }),
        ("a place", |record| {
            record.edit_entry(|entry| entry.seqno += 1);
            record.rehash();
        }),
        ("a place before", |record| {
            record.edit_entry(|entry| entry.seqno = 1);
            record.rehash();
        }),
    ];
    for (what, edit) in edits {
        for descending in [false, true] {
            let (mut log, armed) = lying(20, |store, armed| {
                store.rewrite_rows(move |record| {
                    if armed.load(Ordering::SeqCst) == 1 && record.seqno() == Some(9) {
                        edit(record);
                    }
                    true
                })
            });
            armed.store(1, Ordering::SeqCst);
            let query = Query { newest_first: descending, ..ask(&of_stream("b"), 100) };
            let answer = log.query(&query);
            let known =
                matches!(answer, Err(LogError::ChainBroken { .. } | LogError::Store(StoreError::Corrupt { .. })));
            // In the other direction a place before is that of no row that is asked for any more, or another's.
            assert!(known, "{what}, newest first {descending}: {answer:?}");
        }
    }
}

#[test]
fn a_search_that_does_not_get_on_is_found_out() {
    for next in [0, 1, 21, u64::MAX] {
        for descending in [false, true] {
            let (mut log, _) = lying(20, |store, _| store.rewrite_next(move |_| Some(next)));
            let answer = log.query(&Query { newest_first: descending, ..ask(&of_stream("b"), 100) });
            assert!(
                matches!(answer, Err(LogError::Store(StoreError::Corrupt { .. }))),
                "{next} newest first {descending}: {answer:?}"
            );
        }
    }
}

/// Rows that the log has, each proven where it stands, and that the store answers in the place of others.
#[test]
fn rows_of_the_log_that_were_not_asked_for_are_passed_over_or_found_out() {
    // Of `b` are 3, 6, 9, 12, 15 and 18. What is answered instead of 9 is of another stream, or was answered before.
    for (newest_first, instead, found) in
        [(false, 10, Some([3, 6, 12, 15, 18])), (true, 8, Some([18, 15, 12, 6, 3])), (false, 3, None), (true, 12, None)]
    {
        let seen: Arc<Mutex<BTreeMap<u64, OwnedRecord>>> = Arc::default();
        let (mut log, armed) = lying(20, |store, armed| {
            let seen = Arc::clone(&seen);
            store.rewrite_rows(move |record| {
                let Some(seqno) = record.seqno() else { return true };
                let mut seen = seen.lock().unwrap();
                if armed.load(Ordering::SeqCst) == 0 {
                    seen.insert(seqno, record.clone());
                } else if seqno == 9 {
                    *record = seen[&instead].clone();
                }
                true
            })
        });
        let query = Query { newest_first, ..ask(&of_stream("b"), 100) };
        let everything = log.query(&ask(&Filter::default(), 100)).unwrap();
        assert_eq!(everything.entries.len(), 20);
        armed.store(1, Ordering::SeqCst);
        let answer = log.query(&query);
        match (found, &answer) {
            (Some(seqnos), Ok(page)) => assert!(page.entries.iter().map(|entry| entry.seqno).eq(seqnos), "{answer:?}"),
            (None, Err(LogError::Store(StoreError::Corrupt { .. }))) => {}
            _ => panic!("{instead} instead of 9: {answer:?}"),
        }
    }
}

#[test]
fn a_row_that_is_left_out_is_missed_on_a_page_of_the_whole_stream() {
    let (mut log, armed) = lying(20, |store, armed| {
        store.rewrite_rows(move |record| armed.load(Ordering::SeqCst) == 0 || record.seqno() != Some(9))
    });
    let all = log.query(&ask(&of_stream("b"), 100)).unwrap();
    assert_eq!(all.entries.len(), 6);
    armed.store(1, Ordering::SeqCst);
    // Nobody sees it here.
    let without = log.query(&ask(&of_stream("b"), 100)).unwrap();
    assert_eq!(without.entries.len(), 5);
    let proven = log.query_proven(&ask(&of_stream("b"), 100));
    let verified = proven.map(|page| verify(&page.proof, &of_stream("b"), false, None));
    assert!(matches!(verified, Err(_) | Ok(Err(_))), "{verified:?}");
}

fn verify(
    proof: &PageProof,
    filter: &Filter,
    newest_first: bool,
    after: Option<&VerifiedPage>,
) -> Result<VerifiedPage, Refused> {
    proof.verify(&Asked { filter, newest_first, after }, &trust())
}

/// All pages of a query, each verified behind the one before, as a client does that reads them as text.
fn verified_pages(log: &mut Log, query: &Query) -> Vec<VerifiedPage> {
    let mut query = query.clone();
    let mut pages: Vec<VerifiedPage> = Vec::new();
    loop {
        let page = log.query_proven(&query).unwrap();
        let text = page.proof.to_string();
        let proof = PageProof::parse(&text).unwrap();
        assert_eq!(proof, page.proof);
        pages.push(verify(&proof, &query.filter, query.newest_first, pages.last()).unwrap());
        query.cursor = page.next;
        if query.cursor.is_none() {
            return pages;
        }
    }
}

fn seqnos(pages: &[VerifiedPage]) -> Vec<u64> {
    pages.iter().flat_map(|page| page.entries().iter().map(|(entry, _)| entry.seqno)).collect()
}

#[test]
fn all_of_a_range_is_shown() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 23);
    for filter in [Filter::default(), Filter { from: Some(4), to: Some(19), ..Filter::default() }] {
        let (from, to) = (filter.from.unwrap_or(1), filter.to.unwrap_or(23));
        for limit in [1, 5, 1000] {
            let pages = verified_pages(&mut log, &ask(&filter, limit));
            assert_eq!(seqnos(&pages), (from..=to).collect::<Vec<_>>());
            assert!(pages.iter().all(|page| matches!(page.shown(), Shown::Range { .. })));
            assert!(matches!(pages.last().unwrap().shown(), Shown::Range { last, .. } if *last == to));
            let pages = verified_pages(&mut log, &newest_first(ask(&filter, limit)));
            let mut all = seqnos(&pages);
            all.sort_unstable();
            assert_eq!(all, (from..=to).collect::<Vec<_>>());
            assert!(matches!(pages.last().unwrap().shown(), Shown::Range { first, .. } if *first == from));
        }
    }
}

#[test]
fn all_of_a_stream_is_shown() {
    let world = World::new();
    let mut log = world.open().unwrap();
    log.create_stream("b", &StreamRules { suite: Suite::Blake3, ..StreamRules::default() }).unwrap();
    write(&mut log, 23);
    let all: Vec<u64> = seqnos_of_all(&mut log, &ask(&of_stream("b"), 1000));
    assert!(all.len() > 6);
    for limit in [1, 3, 1000] {
        let pages = verified_pages(&mut log, &ask(&of_stream("b"), limit));
        assert_eq!(seqnos(&pages), all);
        let from_start = |page: &VerifiedPage| match page.shown() {
            Shown::Stream { from_start, .. } => *from_start,
            other => panic!("{other:?}"),
        };
        assert!(from_start(&pages[0]) && pages[1..].iter().all(|page| !from_start(page)));
        let pages = verified_pages(&mut log, &newest_first(ask(&of_stream("b"), limit)));
        let mut found = seqnos(&pages);
        found.sort_unstable();
        assert_eq!(found, all);
        assert!(from_start(pages.last().unwrap()));
    }
    let nobody = verified_pages(&mut log, &ask(&of_stream("nobody"), 5));
    assert_eq!((nobody.len(), nobody[0].shown()), (1, &Shown::Rows));
}

#[test]
fn each_row_of_any_other_filter_is_shown() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 40);
    let filter = Filter { severity: Some(Severity::Warning), ..Filter::default() };
    for query in [ask(&filter, 2), newest_first(ask(&filter, 2))] {
        let pages = verified_pages(&mut log, &query);
        let mut found = seqnos(&pages);
        found.sort_unstable();
        assert_eq!(found, [7, 14, 21, 28, 35]);
        assert!(pages.iter().all(|page| *page.shown() == Shown::Rows));
    }
}

#[test]
fn what_was_pruned_is_shown_as_that() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 12);
    world.store.clone().prune(&[("b", 6)]).unwrap();
    let pages = verified_pages(&mut log, &ask(&Filter::default(), 5));
    let pruned: Vec<u64> = pages.iter().flat_map(|page| page.pruned().iter().map(|(seqno, _)| *seqno)).collect();
    assert_eq!(pruned, [3, 6]);
    assert!(pages.iter().all(|page| matches!(page.shown(), Shown::Range { .. })));
    // Of two that are gone nobody knows what stood between them.
    let pages = verified_pages(&mut log, &ask(&of_stream("b"), 1000));
    assert_eq!((seqnos(&pages), pages[0].shown()), (vec![9, 12], &Shown::Rows));
    let pages = verified_pages(&mut log, &newest_first(ask(&of_stream("b"), 1)));
    assert_eq!(seqnos(&pages), [12, 9]);
}

/// Something that whoever hands out a page may say, and what it is found to be.
fn assert_refused(what: &str, page: &PageProof, filter: &Filter, after: Option<&VerifiedPage>, fault: PageFault) {
    let found = verify(page, filter, false, after);
    assert_eq!(found.as_ref().err(), Some(&Refused::Page(fault)), "{what}: {found:?}");
}

#[test]
fn a_filter_holds_at_its_bounds_and_not_beyond() {
    let mut log = World::new().open().unwrap();
    write(&mut log, 3);
    let entry = log.read(2).unwrap();
    let time = entry.time.parse().unwrap();
    let holds = |filter: Filter| filter.matches(&entry.as_ref());
    assert!(holds(Filter { since: Some(time), ..Filter::default() }));
    assert!(!holds(Filter { before: Some(time), ..Filter::default() }));
    assert!(holds(Filter { from: Some(2), to: Some(2), ..Filter::default() }));
    assert!(holds(Filter { severity: Some(Severity::Info), ..Filter::default() }));
    assert!(!holds(Filter { severity: Some(Severity::Notice), ..Filter::default() }));
    let text = Filter { text: Some("entry 2".into()), ..Filter::default() };
    assert!(text.matches(&entry.as_ref()));
    let sealed = Entry { encoding: format!("text{SEALED_MARK}x"), ..entry.clone() };
    assert!(!text.matches(&sealed.as_ref()), "what is sealed is not searched, whatever bytes it came to");
}

/// The hash stands under the head all the same.
#[test]
fn content_that_does_not_hash_to_what_stands_under_the_head_is_refused() {
    let mut log = World::new().open().unwrap();
    write(&mut log, 5);
    let all = Filter::default();
    let mut page = log.query_proven(&ask(&all, 5)).unwrap().proof;
    let PageRow::Entry { bytes, .. } = &mut page.rows[2] else { panic!("it is an entry") };
    let mut entry = EntryRef::decode(bytes).unwrap().to_entry();
    entry.payload[0] ^= 1;
    *bytes = entry.as_ref().encode();
    assert_refused("its content is changed", &page, &all, None, PageFault::NotUnderHead);
}

#[test]
fn a_range_that_is_read_from_its_end_begins_there() {
    let mut log = World::new().open().unwrap();
    write(&mut log, 5);
    let part = Filter { to: Some(3), ..Filter::default() };
    let page = log.query_proven(&newest_first(ask(&part, 5))).unwrap().proof;
    assert!(verify(&page, &part, true, None).is_ok());
    let found = verify(&page, &Filter::default(), true, None);
    assert!(matches!(found, Err(Refused::Page(PageFault::LeftOut))), "{found:?}");
}

#[test]
fn no_lie_about_a_page_passes() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 40);
    let warnings = Filter { severity: Some(Severity::Warning), ..Filter::default() };
    for filter in [Filter::default(), of_stream("b"), warnings] {
        let complete = !matches!(filter.scope(), secure_log::query::Scope::Rows);
        let honest = log.query_proven(&ask(&filter, 4)).unwrap().proof;
        let edited = |edit: &dyn Fn(&mut PageProof)| {
            let mut page = honest.clone();
            edit(&mut page);
            page
        };
        let refused = |what, edit: &dyn Fn(&mut PageProof), fault| {
            assert_refused(what, &edited(edit), &filter, None, fault);
        };
        let drop = |page: &mut PageProof| {
            page.rows.remove(1);
        };
        refused("a row is dropped", &drop, PageFault::NotUnderHead);
        refused("the first row is dropped", &|page| drop_first(page), PageFault::NotUnderHead);
        refused("a row is changed", &|page| forge(&mut page.rows[2]), PageFault::NotUnderHead);
        refused(
            "a hash of a row is changed",
            &|page| match &mut page.rows[2] {
                PageRow::Entry { hash, .. } => hash.0[0] ^= 1,
                other => panic!("{other:?}"),
            },
            PageFault::NotUnderHead,
        );
        refused("a row is repeated", &|page| page.rows.insert(1, page.rows[1].clone()), PageFault::OutOfOrder);
        refused("rows change places", &|page| page.rows.swap(0, 1), PageFault::OutOfOrder);
        refused("a hash is changed", &|page| page.hashes[0].0[0] ^= 1, PageFault::NotUnderHead);
        refused("a hash is left out", &|page| drop_hash(page), PageFault::NotUnderHead);
        refused("a hash is added", &|page| page.hashes.push(Hash::ZERO), PageFault::NotUnderHead);

        // Left out with its proof made anew, as who has the whole log can.
        let without = proven_without(&mut log, &filter, 1);
        let found = verify(&without, &filter, false, None);
        match found {
            Err(Refused::Page(PageFault::LeftOut)) => assert!(complete),
            Ok(page) => assert!(!complete && *page.shown() == Shown::Rows, "{page:?}"),
            other => panic!("{other:?}"),
        }
        // The first page does not begin where it should, or the second one does not go on behind the first.
        let first = verify(&honest, &filter, false, None).unwrap();
        let cursor = log.query_proven(&ask(&filter, 4)).unwrap().next;
        if let Some(cursor) = cursor {
            let later = log.query_proven(&Query { cursor: Some(cursor), ..ask(&filter, 2) }).unwrap();
            let second = verify(&later.proof, &filter, false, Some(&first)).unwrap();
            let last = Query { cursor: later.next.clone(), ..ask(&filter, 2) };
            if complete {
                assert_refused("no first page", &later.proof, &filter, None, PageFault::LeftOut);
                let third = log.query_proven(&last).unwrap().proof;
                let skipped = verify(&third, &filter, false, Some(&first));
                assert!(
                    matches!(skipped, Err(Refused::Page(PageFault::Elsewhere | PageFault::LeftOut))),
                    "{skipped:?}"
                );
            }
            assert_refused("the same page again", &later.proof, &filter, Some(&second), PageFault::Elsewhere);
        }

        // Said to be pruned. Where gaps may be it is listed as that; elsewhere it is no answer.
        let claimed = edited(&|page| page.rows[1] = gone(&page.rows[1]));
        match verify(&claimed, &filter, false, None) {
            Ok(page) => assert_eq!((complete, page.pruned().len()), (true, 1)),
            Err(refused) => assert_eq!((complete, refused), (false, Refused::Page(PageFault::NotAsked))),
        }
        refused(
            "another hash is said to be pruned",
            &|page| {
                page.rows[1] = gone(&page.rows[1]);
                let PageRow::Pruned { hash, .. } = &mut page.rows[1] else { panic!("it is gone") };
                hash.0[0] ^= 1;
            },
            PageFault::NotUnderHead,
        );

        // Of another log, under that one's head or under this one's.
        let other_world = World::new();
        other_world.clock.advance(7);
        let mut other = other_world.open().unwrap();
        write(&mut other, 40);
        let others = other.query_proven(&ask(&filter, 4)).unwrap().proof;
        let mixed = PageProof { note: honest.note.clone(), ..others.clone() };
        let found = verify(&mixed, &filter, false, None);
        assert_eq!(found.unwrap_err(), Refused::Page(PageFault::NotUnderHead));
        // Of another filter.
        let asked = Filter { producer: Some("somebody else".into()), ..filter.clone() };
        assert_refused("another filter's", &honest, &asked, None, PageFault::NotAsked);
        // Under a head that nobody signed.
        let unsigned = edited(&|page| page.note.sigs.clear());
        assert!(matches!(verify(&unsigned, &filter, false, None), Err(Refused::UnknownKey { .. } | Refused::Note(_))));
    }
}

#[test]
fn a_page_of_a_stream_has_the_rules_of_that_stream() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 30);
    let filter = of_stream("b");
    let honest = log.query_proven(&ask(&filter, 4)).unwrap().proof;
    let without = PageProof { stream: None, ..honest.clone() };
    assert_refused("no rules", &without, &filter, None, PageFault::NoRules);
    let mut others = honest;
    others.stream.as_mut().unwrap().1.created.replace_range(0..4, "2025");
    assert_refused("other rules", &others, &filter, None, PageFault::LeftOut);
}

#[test]
fn a_text_has_one_spelling() {
    let world = World::new();
    let mut log = world.open().unwrap();
    write(&mut log, 9);
    let text = log.query_proven(&ask(&of_stream("a"), 3)).unwrap().proof.to_string();
    assert!(PageProof::parse(&text).is_ok());
    for wrong in [
        String::new(),
        text.replacen("@v1", "@v2", 1),
        text.replacen("hash ", "hash  ", 1),
        text.replacen("\n\n", "\n", 1),
        text.replacen('\n', "\n{\"t\":\"head\"}\n", 1),
        format!("{text}x"),
        text.replacen('{', "{ ", 1),
    ] {
        assert!(PageProof::parse(&wrong).is_err(), "{wrong}");
    }
}

fn drop_first(page: &mut PageProof) {
    page.rows.remove(0);
}

fn drop_hash(page: &mut PageProof) {
    page.hashes.pop();
}

/// Changes what an entry says, and its hash with it.
fn forge(row: &mut PageRow) {
    let PageRow::Entry { hash, bytes } = row else { panic!("it is an entry") };
    let mut entry = secure_log::entry::EntryRef::decode(bytes).unwrap().to_entry();
    entry.payload = b"forged".into();
    *bytes = entry.as_ref().encode();
    *hash = if entry.version == 2 { Hash(*blake3::hash(bytes).as_bytes()) } else { Hash::sha256(bytes) };
}

fn gone(row: &PageRow) -> PageRow {
    let PageRow::Entry { hash, bytes } = row else { panic!("it is an entry") };
    let entry = secure_log::entry::EntryRef::decode(bytes).unwrap();
    PageRow::Pruned { seqno: entry.seqno, stream: entry.stream.into(), hash: *hash }
}

/// The first rows of a filter but for one, proven as if there were no other.
fn proven_without(log: &mut Log, filter: &Filter, place: usize) -> PageProof {
    let honest = log.query_proven(&ask(filter, 4)).unwrap().proof;
    let keep: Vec<_> =
        honest.rows.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, row)| row.clone()).collect();
    let hashes = log.hashes_beside(log.size(), &keep_leaves(&keep)).unwrap();
    PageProof { rows: keep, hashes, ..honest }
}

fn keep_leaves(rows: &[PageRow]) -> Vec<(u64, Hash)> {
    let leaf = |row: &PageRow| match row {
        PageRow::Entry { hash, bytes } => (secure_log::entry::EntryRef::decode(bytes).unwrap().seqno - 1, *hash),
        PageRow::Pruned { seqno, hash, .. } => (*seqno - 1, *hash),
    };
    rows.iter().map(leaf).collect()
}
