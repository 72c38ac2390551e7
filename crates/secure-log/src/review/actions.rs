//! Actions of the audit profile that are two entries (docs/audit.md), and those without the second.

use std::collections::BTreeMap;

use memchr::memmem::Finder;

use crate::index::{Actor, Told};
use crate::review::{Actions, MAX_LISTED, MAX_NAME_BYTES, MAX_OPEN_ACTIONS, Moment, UnfinishedAction};

/// An action without an end so far.
#[derive(Debug)]
struct Open {
    begun: Moment,
    stream: usize,
    /// As it is spelled.
    actor: Vec<u8>,
    action: String,
}

/// Keeps what began and has not ended.
#[derive(Debug)]
pub(super) struct ActionTally {
    begun: u64,
    open: BTreeMap<[u8; 16], Open>,
    untracked: u64,
    limit: usize,
    /// What stands in every event that begins something, and in every one that ends something.
    marks: [Finder<'static>; 2],
}

impl ActionTally {
    pub(super) fn new() -> ActionTally {
        let marks = ["{\"result\":\"begun\"}", "\"completes\":"].map(Finder::new);
        ActionTally { begun: 0, open: BTreeMap::new(), untracked: 0, limit: MAX_OPEN_ACTIONS, marks }
    }

    /// Whether an event with this payload may begin or end something.
    #[inline]
    pub(super) fn concerns(&self, payload: &[u8]) -> bool {
        self.marks.iter().any(|mark| mark.find(payload).is_some())
    }

    /// Takes what an event says. An end is one by the same actor, of the same kind of action, in the same stream: whatever else
    /// names the id is no end, and a verification of the profile finds it.
    #[inline]
    pub(super) fn event(&mut self, moment: Moment, stream: usize, told: &Told<'_>) {
        if let Some(id) = told.ends() {
            self.end(id, stream, told);
        }
        if let Some(id) = told.begins() {
            self.begin(id, moment, stream, told);
        }
    }

    fn begin(&mut self, id: [u8; 16], begun: Moment, stream: usize, told: &Told<'_>) {
        let (Some(actor), Some(action)) = (told.actor, told.kind()) else { return };
        // Who begins again under the id of what has not ended goes on with it.
        if self.open.contains_key(&id) {
            return;
        }
        self.begun += 1;
        if self.open.len() >= self.limit || actor.len() > MAX_NAME_BYTES || action.len() > MAX_NAME_BYTES {
            self.untracked += 1;
            return;
        }
        self.open.insert(id, Open { begun, stream, actor: actor.into(), action: action.into_owned() });
    }

    fn end(&mut self, id: [u8; 16], stream: usize, told: &Told<'_>) {
        let Some(open) = self.open.get(&id) else { return };
        let same = open.stream == stream
            && told.actor == Some(&open.actor)
            && told.kind().is_some_and(|action| action == *open.action);
        if same {
            self.open.remove(&id);
        }
    }

    /// `name` is what a stream with this number is called.
    pub(super) fn finish(self, name: impl Fn(usize) -> String) -> Actions {
        let unfinished = self.open.len() as u64;
        let mut open: Vec<([u8; 16], Open)> = self.open.into_iter().collect();
        open.sort_by_key(|(_, open)| open.begun.seqno);
        open.truncate(MAX_LISTED);
        let listed = open.into_iter().map(|(id, open)| UnfinishedAction {
            begun: open.begun,
            stream: name(open.stream),
            id,
            actor: Actor::read(&open.actor)
                .map(|actor| (actor.who.kind.into_owned(), actor.who.id.into_owned()))
                .unwrap_or_default(),
            action: open.action,
        });
        Actions { begun: self.begun, unfinished, listed: listed.collect(), untracked: self.untracked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn event(number: u8, actor: &str, action: &str, ends: Option<u8>) -> String {
        let id = |number: u8| format!("{number:02x}000000-0000-4000-8000-000000000000");
        let completes = ends.map(|ends| format!(r#""completes":"{}","#, id(ends))).unwrap_or_default();
        let outcome = if ends.is_some() { "success" } else { "begun" };
        format!(
            r#"{{"action":{{"kind":"{action}"}},"actor":{{"id":"{actor}","kind":"user"}},{completes}"id":"{}","outcome":{{"result":"{outcome}"}}}}"#,
            id(number)
        )
    }

    #[test]
    fn an_action_ends_by_who_began_it_where_it_began() {
        let mut tally = ActionTally::new();
        tally.limit = 4;
        let time = Timestamp::from_unix(0, 0).unwrap();
        assert!(!tally.concerns(br#"{"actor":{"id":"alice","kind":"user"},"outcome":{"result":"success"}}"#));
        let mut say = |seqno, stream, event: String| {
            assert!(tally.concerns(event.as_bytes()), "{event}");
            tally.event(Moment { seqno, time }, stream, &Told::by(event.as_bytes()));
        };
        say(1, 0, event(1, "alice", "file-delete", None));
        say(2, 0, event(2, "alice", "file-delete", None));
        say(3, 0, event(3, "bob", "file-delete", None));
        say(4, 0, event(4, "bob", "file-delete", None));
        say(5, 0, event(5, "eve", "file-delete", None));
        say(6, 0, event(6, "alice", "file-delete", Some(1)));
        say(7, 0, event(7, "bob", "file-delete", Some(2)));
        say(8, 0, event(8, "bob", "file-read", Some(3)));
        say(9, 1, event(9, "bob", "file-delete", Some(4)));
        say(10, 0, event(2, "eve", "file-delete", None));
        let actions = tally.finish(|stream| format!("s{stream}"));
        assert_eq!((actions.begun, actions.unfinished, actions.untracked), (5, 3, 1));
        assert_eq!(actions.listed.iter().map(|open| open.begun.seqno).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(actions.listed[0].event_id(), "02000000-0000-4000-8000-000000000000");
        assert_eq!(actions.listed[0].actor, ("user".into(), "alice".into()));
        assert_eq!((actions.listed[0].action.as_str(), actions.listed[0].stream.as_str()), ("file-delete", "s0"));
    }
}
