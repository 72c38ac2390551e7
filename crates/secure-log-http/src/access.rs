//! Who may call: what a token allows, and that it is recorded what it does not.

use std::sync::Arc;
use std::time::Instant;

use secure_log::providers::Clock as _;
use secure_log::system::SystemClock;
use secure_log::time::Timestamp;

use crate::api::{Admitted, Api, Refused};
use crate::log_id::LogId;
use crate::message::Head;
use crate::problem::Problem;
use crate::route::{Needs, Route};
use crate::service_log::{Denial, Recorded};
use crate::token::{Logs, Token};

impl Api {
    /// The token that a request shows, if that allows it.
    pub(crate) fn allow(
        &self,
        head: &Head,
        route: &'static Route,
        log: Option<Option<&LogId>>,
    ) -> Result<Option<Arc<Token>>, Refused> {
        let denied = |why, token: Option<&Token>, problem: Problem| Refused {
            problem: problem.into(),
            denial: Some(Denial {
                why,
                token: token.map(|token| token.name.clone()),
                route: route.path,
                log: log.flatten().map(LogId::to_string),
            }),
        };
        if route.needs == Needs::Nothing {
            return Ok(None);
        }
        let unauthorized = || Problem::new("unauthorized").header("www-authenticate", "Bearer");
        let shown = head.header("authorization").and_then(bearer);
        let Some(token) = shown.and_then(|shown| self.tokens().find(shown)) else {
            return Err(denied("unauthorized", None, unauthorized()));
        };
        if token.expires.is_some_and(|end| now() >= end) {
            return Err(denied("expired", Some(&token), unauthorized().detail("the token has expired")));
        }
        let wanted = match route.needs {
            Needs::Scope(scope) | Needs::ScopeOfPosted(scope) => Some(scope),
            Needs::Nothing | Needs::Token => None,
        };
        if let Some(scope) = wanted.filter(|scope| !token.scopes.contains(scope)) {
            let problem = Problem::new("forbidden").detail(format!("it takes the scope {}", scope.as_str()));
            return Err(denied("scope", Some(&token), problem.fact("scope", scope.as_str())));
        }
        let may = match (route.needs, log) {
            (Needs::Scope(_), Some(Some(id))) => token.logs.contain(id),
            // What is no name of a log is answered as one that is not there.
            (Needs::Scope(_), Some(None)) => true,
            (Needs::Scope(_), None) => token.logs == Logs::All,
            _ => true,
        };
        if !may {
            return Err(denied(
                "another-log",
                Some(&token),
                Problem::new("forbidden").detail("the token is for other logs"),
            ));
        }
        if let Err(wait) = token.bucket.take(self.limits.rate, Instant::now()) {
            let seconds = wait.as_secs() + 1;
            return Err(Problem::new("too-many-requests").retry_after(seconds).into());
        }
        Ok(Some(token))
    }

    /// Denies what only the body of a request showed to be for another log.
    pub(crate) fn deny_posted(&self, admitted: &Admitted, log: &LogId) -> Problem {
        let denial = Denial {
            why: "another-log",
            token: admitted.token.as_ref().map(|token| token.name.clone()),
            route: admitted.route.path,
            log: Some(log.to_string()),
        };
        let problem = Problem::new("forbidden").detail("the token is for other logs");
        match self.denied(denial) {
            None => problem,
            Some(note) => problem.note(note),
        }
    }

    /// Records what somebody was denied. Answers what the operator has to know where that was not possible.
    pub(crate) fn denied(&self, denial: Denial) -> Option<String> {
        self.metrics.denied.add(1);
        let recorded = self.service().and_then(|service| self.record.denied(&service.log, denial));
        match recorded {
            Ok(Recorded::Yes) => None,
            Ok(Recorded::TooMany) => Some("a denial was not recorded: too many are there of the last seconds".into()),
            Err(error) => Some(format!("a denial was not recorded: {error}")),
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn now() -> Timestamp {
    SystemClock.now()
}
