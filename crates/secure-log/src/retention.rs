//! How long entries are kept: policies, a floor under them, and presets (docs/retention.md).
//!
//! In scope: what a caller decides, its one spelling in text, and which instant it leads to. Out of scope: which entries that is
//! of a log, and taking them out ([`SecureLog::plan_pruning`](crate::SecureLog::plan_pruning) and
//! [`SecureLog::prune`](crate::SecureLog::prune)). The log does not remember a policy: who prunes hands it in each time, and the
//! log records what was pruned (decision 0115).
//!
//! Times are compared as instants, to the nanosecond. A month is one of the Gregorian calendar, counted in UTC.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use crate::limits::{Invalid, check_stream};
use crate::time::Timestamp;

/// Which producers' entries of a stream may go. Whatever it says, they go in the stream's order from its beginning, and up to
/// the first one that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// None.
    #[default]
    Never,
    /// All but the newest so many: of the stream where it is the stream's own policy, and of all entries of the log, whosever
    /// they are, where it is the log's.
    Newest(u64),
    /// Those that are older than this. One that is exactly so old is kept.
    For(Period),
    /// Those from before this instant.
    Since(Timestamp),
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// So many seconds; a minute has 60, an hour 3,600 and a day 86,400 of them.
    Seconds(u64),
    /// So many months of the calendar, in UTC; a year has 12.
    Months(u32),
}

/// What is kept of a log.
///
/// In text a line each, in any order; empty lines and lines that begin with `#` say nothing:
///
/// ```
/// use secure_log::retention::{Period, Policy, Retention};
///
/// let retention: Retention = "
///     log seven-years
///     floor 6mo
///     stream entries:1000 door/front
///     stream never board
///     stream-floor 1y door/front
/// "
/// .parse()?;
/// assert_eq!(retention.log, Policy::For(Period::Months(84)));
/// assert_eq!(retention.streams["door/front"].policy, Some(Policy::Newest(1000)));
/// # Ok::<(), secure_log::limits::Invalid>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Of each stream that has no policy of its own.
    pub log: Policy,
    /// No entry of any stream goes that is younger, whatever a policy says.
    pub floor: Option<Period>,
    /// What is said of single streams, by their names.
    pub streams: BTreeMap<String, StreamRetention>,
}

/// What is said of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamRetention {
    /// In the place of the log's policy.
    pub policy: Option<Policy>,
    /// Besides the log's floor: whichever keeps more holds.
    pub floor: Option<Period>,
}

/// A length of time that many have to keep records for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What it is called where a policy or a period is read.
    pub name: &'static str,
    /// How long it is.
    pub period: Period,
    /// Where it comes from. It is no legal advice: what somebody has to keep, their own rules say.
    pub meant_for: &'static str,
}

/// The presets, the shortest first.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "six-months",
        period: Period::Months(6),
        meant_for: "logs of high-risk AI systems at their deployers: at least six months (EU AI Act, article 26(6))",
    },
    Preset {
        name: "one-year",
        period: Period::Months(12),
        meant_for: "audit logs in payment card environments: at least 12 months, the last three at hand (PCI DSS 4.0, requirement 10.5.1)",
    },
    Preset {
        name: "six-years",
        period: Period::Months(72),
        meant_for: "documentation that the HIPAA Security Rule requires: six years (45 CFR 164.316(b)(2)(i))",
    },
    Preset {
        name: "seven-years",
        period: Period::Months(84),
        meant_for: "records of audits and reviews of US issuers at their accountants: seven years (17 CFR 210.2-06, under the Sarbanes-Oxley Act)",
    },
];

impl Retention {
    /// The policy that holds for a stream, and whether it is the stream's own.
    pub fn policy_of(&self, stream: &str) -> (Policy, bool) {
        match self.streams.get(stream).and_then(|said| said.policy) {
            Some(policy) => (policy, true),
            None => (self.log, false),
        }
    }

    /// The floor that holds for a stream at this instant: the one that keeps more.
    pub fn floor_of(&self, stream: &str, now: Timestamp) -> Option<Period> {
        let own = self.streams.get(stream).and_then(|said| said.floor);
        [self.floor, own].into_iter().flatten().min_by_key(|floor| floor.before(now))
    }

    /// Whether streams are named as they can be.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        self.streams.keys().try_for_each(|name| check_stream(name))
    }

    fn take(&mut self, line: &str) -> Result<(), Invalid> {
        let unusable = || {
            let lines = "'log <policy>', 'floor <period>', 'stream <policy> <name>' or 'stream-floor <period> <name>', each once";
            Invalid::unusable("retention", format!("lines of the form {lines}; not {line:?}"))
        };
        let (what, rest) = line.split_once(' ').ok_or_else(unusable)?;
        if what == "log" {
            self.log = rest.parse()?;
            return Ok(());
        }
        if what == "floor" {
            return put(&mut self.floor, rest.parse()?).ok_or_else(unusable);
        }
        // A name may have spaces in it.
        let (how, name) = rest.split_once(' ').ok_or_else(unusable)?;
        check_stream(name)?;
        let said = self.streams.entry(name.into()).or_default();
        match what {
            "stream" => put(&mut said.policy, how.parse()?).ok_or_else(unusable),
            "stream-floor" => put(&mut said.floor, how.parse()?).ok_or_else(unusable),
            _ => Err(unusable()),
        }
    }
}

/// Says something that was not said before.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

impl FromStr for Retention {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Retention, Invalid> {
        let mut retention = Retention::default();
        let mut log_said = false;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("log ") && core::mem::replace(&mut log_said, true) {
                return Err(Invalid::unusable("retention", "one policy for the log"));
            }
            retention.take(line)?;
        }
        Ok(retention)
    }
}

/// Reads `never`, `entries:1000`, `for:90d`, `since:2026-01-01T00:00:00+01:00` or the name of a preset.
impl FromStr for Policy {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Policy, Invalid> {
        let unusable = || {
            let spellings = "'never', 'entries:' and a number, 'for:' and a period such as 90d, 'since:' and a time such as 2026-01-01T00:00:00Z, or a preset";
            Invalid::unusable("policy", format!("{spellings}; not {text:?}"))
        };
        match text.split_once(':') {
            None if text == "never" => Ok(Policy::Never),
            None => preset(text).map(Policy::For).ok_or_else(unusable),
            Some(("entries", count)) => plain_number(count).map(Policy::Newest).ok_or_else(unusable),
            Some(("for", period)) => period.parse().map(Policy::For),
            Some(("since", time)) => Timestamp::from_rfc3339(time).map(Policy::Since).map_err(|_| unusable()),
            Some(_) => Err(unusable()),
        }
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Never => f.write_str("never"),
            Policy::Newest(count) => write!(f, "entries:{count}"),
            Policy::For(period) => write!(f, "for:{period}"),
            Policy::Since(time) => write!(f, "since:{time}"),
        }
    }
}

impl Period {
    /// The instant that is this long before `now`, or the beginning of the year 1 where that is later.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Period::Seconds(seconds) => now.seconds_earlier(seconds),
            Period::Months(months) => now.months_earlier(months),
        }
    }
}

/// Reads a number and a unit, `30s`, `5min`, `12h`, `90d`, `6mo` or `7y`, or the name of a preset.
impl FromStr for Period {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Period, Invalid> {
        let unusable = || {
            let spellings = "a number and one of s, min, h, d, mo and y, such as 90d or 7y, or a preset";
            Invalid::unusable("period", format!("{spellings}; not {text:?}"))
        };
        if let Some(period) = preset(text) {
            return Ok(period);
        }
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let number = plain_number(number).ok_or_else(unusable)?;
        let seconds = |each: u64| number.checked_mul(each).map(Period::Seconds);
        let months = |each: u64| number.checked_mul(each).and_then(|n| u32::try_from(n).ok()).map(Period::Months);
        let period = match unit {
            "s" => seconds(1),
            "min" => seconds(60),
            "h" => seconds(3600),
            "d" => seconds(86_400),
            "mo" => months(1),
            "y" => months(12),
            _ => None,
        };
        period.ok_or_else(unusable)
    }
}

/// In the largest unit that it is a whole number of.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, units): (u64, &[(u64, &str)]) = match self {
            Period::Seconds(seconds) => (*seconds, &[(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]),
            Period::Months(months) => (u64::from(*months), &[(12, "y"), (1, "mo")]),
        };
        let fits = |(each, _): &&(u64, &str)| number.is_multiple_of(*each) && (number > 0 || *each == 1);
        let (each, unit) = units.iter().find(fits).expect("every number is a multiple of the last unit");
        write!(f, "{}{unit}", number / each)
    }
}

fn preset(name: &str) -> Option<Period> {
    PRESETS.iter().find(|preset| preset.name == name).map(|preset| preset.period)
}

/// Decimal digits without leading zeros.
fn plain_number(text: &str) -> Option<u64> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn policies_and_periods_have_one_spelling() {
        for (text, policy) in [
            ("never", Policy::Never),
            ("entries:0", Policy::Newest(0)),
            ("entries:1000", Policy::Newest(1000)),
            ("for:45s", Policy::For(Period::Seconds(45))),
            ("for:90min", Policy::For(Period::Seconds(5400))),
            ("for:3h", Policy::For(Period::Seconds(10_800))),
            ("for:90d", Policy::For(Period::Seconds(7_776_000))),
            ("for:0s", Policy::For(Period::Seconds(0))),
            ("for:5mo", Policy::For(Period::Months(5))),
            ("for:2y", Policy::For(Period::Months(24))),
            ("since:2026-01-01T00:00:00.000000000Z", Policy::Since(at("2026-01-01T00:00:00Z"))),
        ] {
            assert_eq!(text.parse(), Ok(policy), "{text}");
            assert_eq!(policy.to_string(), text);
        }
        assert_eq!("since:2026-01-01T01:00:00+01:00".parse(), Ok(Policy::Since(at("2026-01-01T00:00:00Z"))));
        for bad in [
            "",
            "Never",
            "entries:",
            "entries:01",
            "entries:-1",
            "entries:1 ",
            "for:",
            "for:5",
            "for:5m",
            "for:+5s",
            "for:1.5d",
            "for:18446744073709551615d",
            "for:4294967296mo",
            "since:",
            "since:2026-01-01",
            "5d",
            "two-years",
            "never:",
        ] {
            assert!(bad.parse::<Policy>().is_err(), "{bad}");
        }
    }

    #[test]
    fn presets_are_periods_of_their_names_in_ascending_order() {
        let now = at("2026-11-20T00:00:00Z");
        let ages: Vec<Timestamp> = PRESETS.iter().map(|preset| preset.period.before(now)).collect();
        assert_eq!(
            ages,
            ["2026-05-20", "2025-11-20", "2020-11-20", "2019-11-20"].map(|day| at(&format!("{day}T00:00:00Z")))
        );
        for preset in PRESETS {
            assert_eq!(preset.name.parse(), Ok(preset.period));
            assert_eq!(preset.name.parse(), Ok(Policy::For(preset.period)));
        }
    }

    #[test]
    fn the_stricter_floor_holds_and_a_streams_policy_takes_the_place_of_the_logs() {
        let text = "# what we keep\n\nlog six-months\nfloor 90d\n stream entries:3 a b \nstream-floor 2mo a b\nstream-floor 1y c\n";
        let retention: Retention = text.parse().unwrap();
        assert_eq!(retention.policy_of("a b"), (Policy::Newest(3), true));
        assert_eq!(retention.policy_of("c"), (Policy::For(Period::Months(6)), false));
        let now = at("2026-11-20T00:00:00Z");
        assert_eq!(retention.floor_of("a b", now), Some(Period::Seconds(90 * 86_400)));
        assert_eq!(retention.floor_of("c", now), Some(Period::Months(12)));
        assert_eq!(retention.floor_of("d", now), Some(Period::Seconds(90 * 86_400)));
        assert_eq!("".parse(), Ok(Retention::default()));
        for bad in [
            "log",
            "log never\nlog never",
            "floor 1d\nfloor 2d",
            "stream never",
            "stream never a\nstream never a",
            "streams never a",
            "stream never secure-log",
            "stream-floor never a",
            "stream-floor 1d a\nstream-floor 1d a",
            "keep all",
        ] {
            assert!(bad.parse::<Retention>().is_err(), "{bad:?}");
        }
    }
}
