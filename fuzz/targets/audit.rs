//! JSON has one spelling, and a payload that is an event is the one payload of that event. The index has each event under its actor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_log::index::{IndexKey, keys};
use secure_log::limits::{check_encoding, check_event};
use secure_log_audit::{AUDIT_V1, Event, Json};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(json) = Json::parse(bytes) {
        let canonical = json.to_canonical().expect("what was read can be written");
        assert_eq!(Json::parse(&canonical).as_ref(), Ok(&json));
    }
    let keys: Vec<IndexKey> = keys(AUDIT_V1, bytes).collect();
    if let Ok(event) = Event::decode(bytes) {
        let mut actors = vec![event.actor.who.index_key()];
        actors.extend(event.actor.on_behalf_of.iter().map(|other| other.index_key()));
        actors.dedup();
        assert_eq!(keys, actors);
        assert_eq!(event.encode().as_deref(), Ok(bytes));
        assert_eq!(check_event(&event.event_type()), Ok(()));
        assert_eq!(check_encoding(AUDIT_V1), Ok(()));
    }
});
