//! Many sessions at once.

use secure_log::engine::{Every, LogOptions};
use secure_log_audit::{AuditLog, AuditVerdict, Outcome, Profile};
use secure_log_testkit::{SeededRandom, count};

use crate::place::{Place, reading};

#[test]
fn sessions_that_8_writers_interleave_are_each_verified_alone() {
    const WRITERS: u64 = 8;
    let sessions = count(1_000, 100_000);
    let place = Place::new();
    let profile = Profile { random: Box::new(SeededRandom::new(7)), ..Profile::default() };
    // What is signed how often is another test's concern.
    let options = LogOptions { head_every: Every::Entries(1000), ..place.options() };
    let audit = AuditLog::open(place.store.clone(), place.providers(), options, profile).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let audit = audit.clone();
            scope.spawn(move || {
                let mut random = SeededRandom::new(writer);
                // Every writer writes to every session, each in an order of its own.
                let mut order: Vec<u64> = (0..sessions).collect();
                for at in (1..order.len()).rev() {
                    order.swap(at, random.below(at as u64 + 1) as usize);
                }
                for number in order {
                    let session = audit.session(&number.to_string()).unwrap();
                    if writer == number % WRITERS {
                        let permit = session.guard().begin(reading(&audit, "/guarded")).ok().unwrap();
                        permit.complete(Outcome::Success).unwrap();
                    } else {
                        session.record(&reading(&audit, &writer.to_string())).unwrap();
                    }
                }
            });
        }
    });
    audit.log().lock().sign_head().unwrap();
    let mut after = 0;
    let mut seen = 0;
    loop {
        let page = audit.sessions(after, 100).unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        for session in page {
            let report = audit.verify_session(&session.id).unwrap();
            assert_eq!((&report.verdict, report.review.events), (&AuditVerdict::Valid, WRITERS + 1), "{}", session.id);
            seen += 1;
        }
    }
    assert_eq!(seen, sessions);
    let report = audit.verify().unwrap();
    assert_eq!((report.verdict, report.review.events), (AuditVerdict::Valid, sessions * (WRITERS + 1)));
    assert_eq!(report.review.unfinished, []);
}
