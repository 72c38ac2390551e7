//! Numbers, and the one spelling that ECMAScript gives each (RFC 8785 s.3.2.2.3).

use crate::json::JsonProblem;

/// Integers up to here are exact in every double, and so are their neighbours (RFC 7493 s.2.2).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A number: a double that is finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(f64);

impl Number {
    /// This number; `None` for infinities and what is not a number.
    pub fn new(value: f64) -> Option<Number> {
        value.is_finite().then_some(Number(value))
    }

    /// This integer; `None` where it is larger than 2^53 - 1, up to where every double is the integer that it looks like.
    pub fn integer(value: u64) -> Option<Number> {
        (value <= MAX_SAFE_INTEGER).then_some(Number(value as f64))
    }

    /// The value.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The value, where it is an integer that [`Number::integer`] takes.
    pub fn as_integer(self) -> Option<u64> {
        let whole = self.0 >= 0.0 && self.0 <= MAX_SAFE_INTEGER as f64 && self.0.fract() == 0.0;
        whole.then_some(self.0 as u64)
    }

    /// Reads what the grammar of JSON calls a number.
    pub(super) fn read(literal: &str) -> Result<Number, JsonProblem> {
        let value: f64 = literal.parse().map_err(|_| JsonProblem::Syntax)?;
        let number = Number::new(value).ok_or(JsonProblem::NumberOutOfRange)?;
        let mantissa = literal.split(['e', 'E']).next().unwrap_or_default();
        let vanished = value == 0.0 && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9'));
        // An integer that its writer spelled out was meant to the last digit.
        let spelled_out = mantissa.len() == literal.len() && !literal.contains('.');
        let rounded = spelled_out && value.abs() > MAX_SAFE_INTEGER as f64 && number.spelled() != literal;
        if vanished || rounded { Err(JsonProblem::NumberOutOfRange) } else { Ok(number) }
    }

    /// The one spelling: the fewest digits that read back as this double; of those the nearest to it, and of two that are
    /// equally near the even one, where the standard library takes the larger.
    pub(super) fn spelled(self) -> String {
        ryu_js::Buffer::new().format_finite(self.0).into()
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Number {
        Number(value.into())
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Number {
        Number(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_has_the_spelling_of_ecmascript() {
        // The samples of RFC 8785, appendix B.
        for (bits, spelled) in [
            (0x0000000000000000, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0xffefffffffffffff, "-1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0xc340000000000000, "-9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef4f, "999999999999999900000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555554, "333333333.33333325"),
            (0x41b3de4355555555, "333333333.3333333"),
            (0x41b3de4355555556, "333333333.3333334"),
            (0x41b3de4355555557, "333333333.33333343"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
            (0x43143ff3c1cb0959, "1424953923781206.2"),
        ] {
            assert_eq!(Number(f64::from_bits(bits)).spelled(), spelled, "{bits:016x}");
        }
        assert_eq!(Number::new(f64::NAN).or(Number::new(f64::INFINITY)), None);
    }

    #[test]
    fn what_a_double_would_change_is_refused() {
        for good in ["0", "-0", "1.0", "1E4", "9007199254740991", "0.1e1", "333333333.33333329"] {
            assert!(Number::read(good).is_ok(), "{good}");
        }
        // Their own spelling, so that what was written can be read.
        for good in ["9007199254740992", "100000000000000000000", "295147905179352830000"] {
            assert_eq!(Number::read(good).unwrap().spelled(), good);
        }
        for bad in ["1e309", "-1e309", "1e-400", "9007199254740993", "295147905179352825856", "-9007199254740993"] {
            assert_eq!(Number::read(bad), Err(JsonProblem::NumberOutOfRange), "{bad}");
        }
        assert_eq!(Number::integer(MAX_SAFE_INTEGER).unwrap().as_integer(), Some(MAX_SAFE_INTEGER));
        assert_eq!(Number::integer(MAX_SAFE_INTEGER + 1), None);
        for value in [-1.0, 0.5, 2f64.powi(53)] {
            assert_eq!(Number(value).as_integer(), None);
        }
    }
}
