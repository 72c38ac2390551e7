//! Time as the format writes it: RFC 3339 in UTC with nine fractional digits (format.md s.1).

use core::fmt;
use core::str::FromStr;

/// An instant, to the nanosecond, in the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_seconds: i64,
    nanos: u32,
}

/// 0001-01-01T00:00:00Z.
const MIN_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const MAX_SECONDS: i64 = 253_402_300_799;

impl Timestamp {
    /// The beginning of the year 1, before which there is no time.
    pub const FIRST: Timestamp = Timestamp { unix_seconds: MIN_SECONDS, nanos: 0 };

    /// The instant so many seconds and nanoseconds after 1970. `None` outside the years 1 to 9999.
    pub fn from_unix(unix_seconds: i64, nanos: u32) -> Option<Timestamp> {
        let known = (MIN_SECONDS..=MAX_SECONDS).contains(&unix_seconds) && nanos < 1_000_000_000;
        known.then_some(Timestamp { unix_seconds, nanos })
    }

    /// Whole seconds since 1970.
    pub fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// Nanoseconds since the last whole second.
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Reads a time of RFC 3339 as others write it, such as `2026-11-20T05:07:11+01:00`: with any offset from UTC and up to nine
    /// fractional digits. `T` and `Z` are capitals, and no second is a leap second.
    pub fn from_rfc3339(text: &str) -> Result<Timestamp, BadTime> {
        let (date, rest) = text.split_at_checked(19).ok_or(BadTime)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("0", rest),
        };
        if fraction.is_empty() || fraction.len() > 9 {
            return Err(BadTime);
        }
        let local: Timestamp = format!("{date}.{fraction:0<9}Z").parse()?;
        let east = match zone.as_bytes() {
            b"Z" => 0,
            [sign @ (b'+' | b'-'), hours @ .., b':', _, _] if hours.len() == 2 => {
                let hours = digits(hours).filter(|hours| *hours < 24).ok_or(BadTime)?;
                let minutes = digits(&zone.as_bytes()[4..]).filter(|minutes| *minutes < 60).ok_or(BadTime)?;
                (hours * 3600 + minutes * 60) * if *sign == b'+' { 1 } else { -1 }
            }
            _ => return Err(BadTime),
        };
        Timestamp::from_unix(local.unix_seconds - east, local.nanos).ok_or(BadTime)
    }

    /// Nanoseconds since `earlier`; negative when `earlier` is later.
    pub fn nanos_since(self, earlier: Timestamp) -> i128 {
        let seconds = i128::from(self.unix_seconds) - i128::from(earlier.unix_seconds);
        seconds * 1_000_000_000 + i128::from(self.nanos) - i128::from(earlier.nanos)
    }

    /// So many seconds before, or the beginning of the year 1 where that is later.
    pub fn seconds_earlier(self, seconds: u64) -> Timestamp {
        let earlier = i128::from(self.unix_seconds) - i128::from(seconds);
        match i64::try_from(earlier) {
            Ok(unix_seconds) if unix_seconds >= MIN_SECONDS => Timestamp { unix_seconds, ..self },
            _ => Timestamp::FIRST,
        }
    }

    /// The same time of the day, in UTC, on the same day so many months before; on the last day of that month where it has no
    /// such day. The beginning of the year 1 where that is later.
    pub fn months_earlier(self, months: u32) -> Timestamp {
        let (days, second) = (self.unix_seconds.div_euclid(86_400), self.unix_seconds.rem_euclid(86_400));
        let (year, month, day) = date_of(days);
        let months = year * 12 + month - 1 - i64::from(months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        if year < 1 {
            return Timestamp::FIRST;
        }
        let day = day.min(days_in(year, month));
        Timestamp { unix_seconds: days_before(year, month, day) * 86_400 + second, ..self }
    }

    /// Whether `text` is a time in the format's one spelling and a real date.
    pub fn is_valid(text: &str) -> bool {
        text.parse::<Timestamp>().is_ok()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.unix_seconds.div_euclid(86_400), self.unix_seconds.rem_euclid(86_400));
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        put_digits(&mut text[0..4], year as u64);
        put_digits(&mut text[5..7], month as u64);
        put_digits(&mut text[8..10], day as u64);
        put_digits(&mut text[11..13], hour as u64);
        put_digits(&mut text[14..16], minute as u64);
        put_digits(&mut text[17..19], second as u64);
        put_digits(&mut text[20..29], u64::from(self.nanos));
        f.write_str(core::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

/// The text is not a time in the format's one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTime;

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a real time written like 2026-11-20T04:07:11.000000000Z")
    }
}

impl std::error::Error for BadTime {}

impl FromStr for Timestamp {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Timestamp, BadTime> {
        let text: &[u8; 30] = text.as_bytes().try_into().map_err(|_| BadTime)?;
        let shape = (text[4], text[7], text[10], text[13], text[16], text[19], text[29]);
        if shape != (b'-', b'-', b'T', b':', b':', b'.', b'Z') {
            return Err(BadTime);
        }
        let number = |from: usize, to: usize| digits(&text[from..to]).ok_or(BadTime);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let nanos = number(20, 29)?;
        let real = year > 0 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !real || hour > 23 || minute > 59 || second > 59 {
            return Err(BadTime);
        }
        let unix_seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Ok(Timestamp { unix_seconds, nanos: nanos as u32 })
    }
}

fn put_digits(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |v, d| d.is_ascii_digit().then(|| v * 10 + i64::from(d - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before each month of a year that is no leap year.
const MONTH_STARTS: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Days from 1970-01-01 to this date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let y = year - 1;
    let leap_day = i64::from(month > 2 && is_leap(year));
    let month_start = MONTH_STARTS[usize::try_from(month - 1).expect("the caller checked the month")];
    y * 365 + y / 4 - y / 100 + y / 400 + month_start + leap_day + day - 1 - 719_162
}

/// The date so many days after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    // A year too late at most, as no year is shorter than 365 days; 400 years are 146,097 days.
    let mut year = (days + 719_162) * 400 / 146_097 + 1;
    while days_before(year, 1, 1) > days {
        year -= 1;
    }
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|&m| days_before(year, m, 1) <= days).unwrap_or(1);
    (year, month, days - days_before(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_795_147_631, "2026-11-20T04:07:11.000000000Z"),
            (MIN_SECONDS, "0001-01-01T00:00:00.000000000Z"),
            (MAX_SECONDS, "9999-12-31T23:59:59.000000000Z"),
        ] {
            let at = Timestamp::from_unix(seconds, 0).unwrap();
            assert_eq!(at.to_string(), text);
            assert_eq!(text.parse(), Ok(at));
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        let first = days_before(1900, 1, 1);
        for days in first..first + 146_097 + 366 {
            let at = Timestamp::from_unix(days * 86_400 + days.rem_euclid(86_400), 7).unwrap();
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }

    #[test]
    fn times_of_all_zones_are_the_same_instants() {
        let at: Timestamp = "2026-11-20T04:07:11.250000000Z".parse().unwrap();
        for text in [
            "2026-11-20T04:07:11.25Z",
            "2026-11-20T04:07:11.250000000Z",
            "2026-11-20T05:07:11.25+01:00",
            "2026-11-19T23:37:11.25-04:30",
            "2026-11-20T04:07:11.25+00:00",
            "2026-11-20T04:07:11.25-00:00",
            "2026-11-21T04:06:11.25+23:59",
        ] {
            assert_eq!(Timestamp::from_rfc3339(text), Ok(at), "{text}");
        }
        assert_eq!(Timestamp::from_rfc3339("1970-01-01T00:00:00Z"), Ok(Timestamp::from_unix(0, 0).unwrap()));
        for text in [
            "",
            "2026-11-20",
            "2026-11-20T04:07:11",
            "2026-11-20 04:07:11Z",
            "2026-11-20t04:07:11z",
            "2026-11-20T04:07:11.Z",
            "2026-11-20T04:07:11.0000000001Z",
            "2026-11-20T04:07:60Z",
            "2026-02-29T04:07:11Z",
            "2026-11-20T04:07:11+1:00",
            "2026-11-20T04:07:11+0100",
            "2026-11-20T04:07:11+24:00",
            "2026-11-20T04:07:11+01:60",
            "2026-11-20T04:07:11+01:00Z",
            "2026-11-20T04:07:11 +01:00",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-11-20T04:07:1é",
            "2026-11-20T04:07:11+é:00",
            "2026-11-20T04:07:11 01:00",
            "+01:00",
            "é+01:00",
        ] {
            assert_eq!(Timestamp::from_rfc3339(text), Err(BadTime), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "2026-02-29T00:00:00.000000000Z",
            "2026-13-01T00:00:00.000000000Z",
            "2026-01-01T24:00:00.000000000Z",
            "2026-01-01T23:59:60.000000000Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01 00:00:00.000000000Z",
            "0000-01-01T00:00:00.000000000Z",
            "2026-01-01T00:00:00.00000000+Z",
            "",
        ] {
            assert!(!Timestamp::is_valid(text), "{text}");
        }
        assert_eq!(Timestamp::from_unix(MAX_SECONDS + 1, 0), None);
    }

    #[test]
    fn what_is_earlier() {
        let at = |text: &str| Timestamp::from_rfc3339(text).unwrap();
        for (from, months, to) in [
            ("2026-11-20T04:07:11.5Z", 6, "2026-05-20T04:07:11.5Z"),
            ("2026-08-31T00:00:00Z", 6, "2026-02-28T00:00:00Z"),
            ("2028-08-31T00:00:00Z", 6, "2028-02-29T00:00:00Z"),
            ("2028-02-29T23:59:59Z", 12, "2027-02-28T23:59:59Z"),
            ("2026-01-31T00:00:00Z", 1, "2025-12-31T00:00:00Z"),
            ("2026-03-01T00:00:00Z", 84, "2019-03-01T00:00:00Z"),
            ("2026-03-01T00:00:00Z", 0, "2026-03-01T00:00:00Z"),
            ("2026-03-01T00:00:00Z", u32::MAX, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(at(from).months_earlier(months), at(to), "{from} {months}");
        }
        assert_eq!(at("2026-03-01T00:00:00.7Z").seconds_earlier(1), at("2026-02-28T23:59:59.7Z"));
        assert_eq!(at("2026-03-01T00:00:00.7Z").seconds_earlier(u64::MAX), Timestamp::FIRST);
    }
}
