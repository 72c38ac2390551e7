//! A filter as texts, for those who pass it on.

use crate::index::IndexKey;
use crate::limits::Invalid;
use crate::query::{Filter, Pattern};
use crate::time::Timestamp;

/// What a filter says beside its range of seqnos, each as a text. [`Spelled::read`] makes a filter of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are those of Filter")]
pub struct Spelled {
    pub streams: Vec<String>,
    pub events: Vec<String>,
    pub producer: Option<String>,
    pub session: Option<String>,
    pub severity: Option<String>,
    pub actor: Option<IndexKey>,
    /// RFC 3339, as [`Timestamp::from_rfc3339`] reads it.
    pub since: Option<String>,
    /// Likewise.
    pub before: Option<String>,
    pub text: Option<String>,
}

impl Spelled {
    /// The filter, checked, for entries with any seqno.
    pub fn read(self) -> Result<Filter, Invalid> {
        self.read_within(None, None)
    }

    /// The filter, checked, for entries with a seqno of a range.
    pub fn read_within(self, from: Option<u64>, to: Option<u64>) -> Result<Filter, Invalid> {
        let Spelled { streams, events, producer, session, severity, actor, since, before, text } = self;
        let severity = severity.map(|name| {
            name.parse().map_err(|_| Invalid::unusable("severity", "one of the names of the format, such as warning"))
        });
        let filter = Filter {
            streams: patterns("streams", &streams)?,
            events: patterns("event types", &events)?,
            producer,
            session,
            severity: severity.transpose()?,
            actor,
            since: time("since", since)?,
            before: time("before", before)?,
            from,
            to,
            text,
        };
        filter.check()?;
        Ok(filter)
    }
}

impl From<&Filter> for Spelled {
    fn from(filter: &Filter) -> Spelled {
        let patterns = |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.as_str().into()).collect();
        Spelled {
            streams: patterns(&filter.streams),
            events: patterns(&filter.events),
            producer: filter.producer.clone(),
            session: filter.session.clone(),
            severity: filter.severity.map(|severity| severity.as_str().into()),
            actor: filter.actor,
            since: filter.since.map(|time| time.to_string()),
            before: filter.before.map(|time| time.to_string()),
            text: filter.text.clone(),
        }
    }
}

fn patterns(field: &'static str, texts: &[String]) -> Result<Vec<Pattern>, Invalid> {
    texts.iter().map(|text| text.parse().map_err(|error: Invalid| Invalid { field, ..error })).collect()
}

fn time(field: &'static str, text: Option<String>) -> Result<Option<Timestamp>, Invalid> {
    let read = |text: String| {
        Timestamp::from_rfc3339(&text)
            .map_err(|_| Invalid::unusable(field, "a time like 2026-11-20T04:07:11Z or 2026-11-20T05:07:11.25+01:00"))
    };
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Severity;

    #[test]
    fn a_filter_comes_back_without_its_seqnos() {
        let filter = Filter {
            streams: vec!["eu/*".parse().unwrap(), "a".parse().unwrap()],
            events: vec!["*".parse().unwrap()],
            producer: Some(String::new()),
            session: Some("s".into()),
            severity: Some(Severity::Alert),
            actor: Some(IndexKey([3; 16])),
            since: Timestamp::from_unix(-1, 999_999_999),
            before: Timestamp::from_unix(7, 0),
            from: Some(1),
            to: Some(2),
            text: Some("\u{202e}".into()),
        };
        assert_eq!(Spelled::from(&filter).read_within(Some(1), Some(2)), Ok(filter.clone()));
        assert_eq!(Spelled::from(&filter).read(), Ok(Filter { from: None, to: None, ..filter }));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_its_field() {
        let text = |text: &str| Some(String::from(text));
        for (spelled, field) in [
            (Spelled { streams: vec![String::new()], ..Spelled::default() }, "streams"),
            (Spelled { events: vec!["a\n".into()], ..Spelled::default() }, "event types"),
            (Spelled { severity: text("Warning"), ..Spelled::default() }, "severity"),
            (Spelled { since: text("2026-11-20"), ..Spelled::default() }, "since"),
            (Spelled { before: text("yesterday"), ..Spelled::default() }, "before"),
            (Spelled { text: text(""), ..Spelled::default() }, "text"),
        ] {
            assert_eq!(spelled.read().unwrap_err().field, field);
        }
    }
}
