//! The query of a request, decoded and held against what its route knows.

use secure_log::engine::MAX_PAGE;
use secure_log::index::actor_key;
use secure_log::query::{Cursor, Query, Spelled};

use crate::problem::Problem;
use crate::route::{Kind, Place, Route};

/// Parameters of a request at most: those of the longest query, with all that may be repeated.
const MAX_PARAMS: usize = 64;
/// Entries of a page, if nothing else was asked for.
const DEFAULT_LIMIT: u32 = 100;

/// The parameters of a request, each of which its route knows.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn read(query: Option<&str>, route: &Route) -> Result<Params, Problem> {
        let mut params = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if params.len() == MAX_PARAMS {
                return Err(Problem::malformed(format!("the query has more than {MAX_PARAMS} parameters")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let Some(known) = route.params.iter().find(|param| param.place == Place::Query && param.name == name)
            else {
                return Err(Problem::malformed(format!("there is no parameter {name:?} here")).fact("field", name));
            };
            if !known.repeated && params.iter().any(|(other, _): &(String, String)| *other == name) {
                return Err(Problem::malformed(format!("{name} stands there twice")).fact("field", name));
            }
            if let Kind::Number(least) = known.kind
                && number(&name, &value)? < least
            {
                return Err(refused(&name, &format!("a number from {least} on")));
            }
            params.push((name, value));
        }
        let missing = route.params.iter().find(|param| {
            param.place == Place::Query && param.required && !params.iter().any(|(name, _)| name == param.name)
        });
        match missing {
            Some(param) => Err(Problem::malformed(format!("{} is missing", param.name)).fact("field", param.name)),
            None => Ok(Params(params)),
        }
    }

    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    pub(crate) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| &**value)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.one(name).map(|text| number(name, text)).transpose()
    }

    /// `true` or `false`; absent is false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(refused(name, "true or false")),
        }
    }

    /// How many are asked for: 1 to what a page has at most.
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        match self.number("limit")? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit @ 1..) if limit <= u64::from(MAX_PAGE) => Ok(limit as u32),
            Some(_) => Err(refused("limit", &format!("a number from 1 to {MAX_PAGE}"))),
        }
    }

    /// The query that they ask.
    pub(crate) fn query(&self) -> Result<Query, Problem> {
        let text = |name: &str| self.one(name).map(str::to_owned);
        let all = |name| self.all(name).map(str::to_owned).collect();
        let actor = self.one("actor").map(|text| match text.split_once(':') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok(actor_key(kind, id)),
            _ => Err(refused("actor", "a kind and an id, such as agent:agent-7")),
        });
        let spelled = Spelled {
            streams: all("stream"),
            events: all("event"),
            producer: text("producer"),
            session: text("session"),
            severity: text("severity"),
            actor: actor.transpose()?,
            since: text("since"),
            before: text("before"),
            text: text("text"),
        };
        let query = Query {
            filter: spelled.read_within(self.number("from")?, self.number("to")?)?,
            newest_first: match self.one("order") {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => return Err(refused("order", "asc or desc")),
            },
            limit: self.limit()?,
            cursor: self.one("cursor").map(str::parse::<Cursor>).transpose()?,
        };
        query.check()?;
        Ok(query)
    }
}

/// A number without sign, space or leading zeros, so that each has one spelling.
pub(crate) fn number(name: &str, text: &str) -> Result<u64, Problem> {
    let plain = text == "0" || (text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or_else(|| refused(name, "a whole number"))
}

pub(crate) fn refused(name: &str, expected: &str) -> Problem {
    Problem::malformed(format!("{name} is {expected}")).fact("field", name)
}

/// Reads `%41` as `A` and `+` as a space, strictly.
fn decoded(text: &str) -> Result<String, Problem> {
    let bad = || Problem::malformed("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(bad);
                (digit()? << 4 | digit()?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Operation;

    fn params(query: &str) -> Result<Params, Problem> {
        Params::read(Some(query), Route::of(Operation::QueryRecords))
    }

    #[test]
    fn a_query_is_read_strictly() {
        let found = params("stream=eu%2F*&stream=a+b&&limit=7&text=%c3%a9").unwrap();
        assert_eq!(found.all("stream").collect::<Vec<_>>(), ["eu/*", "a b"]);
        assert_eq!((found.limit().unwrap(), found.one("text")), (7, Some("é")));
        for bad in ["colour=red", "limit=1&limit=2", "text=%", "text=%4", "text=%zz", "text=%ff", "seqno=1"] {
            assert_eq!(params(bad).unwrap_err().case(), "malformed", "{bad}");
        }
        let of_export = |query| Params::read(Some(query), Route::of(Operation::Export));
        assert!(of_export("from=1").is_ok() && of_export("from=0").is_err());
        let many = vec!["stream=a"; MAX_PARAMS + 1].join("&");
        assert!(params(&many).is_err());
    }

    #[test]
    fn what_breaks_a_limit_of_the_query_names_it() {
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+1",
            "limit=01",
            "limit=1.0",
            "limit=",
            "order=up",
            "cursor=x",
            "severity=Warning",
            "since=yesterday",
            "from=3&to=2",
            "actor=alice",
            "text=",
            "stream=",
        ] {
            let problem = params(bad).unwrap().query().unwrap_err();
            assert!(["malformed", "invalid"].contains(&problem.case()), "{bad}: {problem:?}");
        }
        let query = params("order=desc&from=2&to=9&severity=error&actor=agent:a:b").unwrap().query().unwrap();
        assert!(query.newest_first && query.limit == DEFAULT_LIMIT);
        assert_eq!(query.filter.actor, Some(actor_key("agent", "a:b")));
    }
}
