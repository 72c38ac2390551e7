//! Whether the rest of a record that is not known here is well spelled.

use super::scan::{Malformed, Scanner};

/// The deepest nesting of arrays that is followed.
const MAX_DEPTH: usize = 500;
/// The most keys that are compared with one another.
const MAX_KEYS: usize = 4096;
/// The longest integer that is accepted, in digits.
const MAX_DIGITS: usize = 4300;

/// Reads the rest of an object after the value of its first key `t`, to the end of the line.
///
/// Values are those that the format has: strings, plain integers, `true`, `false`, `null`, and arrays of them. A record
/// of a later version that holds another object is not one that this version calls well spelled.
pub(super) fn rest_of_object(line: &mut Scanner<'_>) -> Result<(), Malformed> {
    let mut keys = vec!["t".into()];
    while !line.take("}") {
        line.literal(",")?;
        keys.push(line.any_string()?.0);
        if keys.len() > MAX_KEYS {
            return Err("too many keys");
        }
        line.literal(":")?;
        value(line)?;
    }
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a key twice");
    }
    line.end()
}

fn value(line: &mut Scanner<'_>) -> Result<(), Malformed> {
    let mut depth = 0;
    loop {
        match line.peek() {
            b'[' => {
                line.literal("[")?;
                if !line.take("]") {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err("nested too deeply");
                    }
                    continue;
                }
            }
            b'"' => drop(line.any_string()?),
            b'-' | b'0'..=b'9' => integer(line)?,
            b't' => line.literal("true")?,
            b'f' => line.literal("false")?,
            b'n' => line.literal("null")?,
            _ => return Err("not a value of the format"),
        }
        // A value has ended: so may the arrays around it.
        loop {
            if depth == 0 {
                return Ok(());
            }
            if line.take("]") {
                depth -= 1;
            } else {
                line.literal(",")?;
                break;
            }
        }
    }
}

fn integer(line: &mut Scanner<'_>) -> Result<(), Malformed> {
    let negative = line.take("-");
    let digits = line.digits();
    let zero = digits == b"0";
    if digits.is_empty() || digits.len() > MAX_DIGITS || (digits[0] == b'0' && (!zero || negative)) {
        return Err("not a plain integer");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_spelling() {
        let read = |rest: &str| rest_of_object(&mut Scanner::new(rest));
        for good in [
            "}",
            r#","a":1}"#,
            r#","a":[],"b":[[1,"x"],[true,false,null],-12]}"#,
            &format!(r#","a":{}{}}}"#, "[".repeat(MAX_DEPTH), "[]".to_string() + &"]".repeat(MAX_DEPTH)),
        ] {
            assert_eq!(read(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "}}",
            "} ",
            r#","a": 1}"#,
            r#","a":01}"#,
            r#","a":-0}"#,
            r#","a":1.0}"#,
            r#","a":1e3}"#,
            r#","a":[1,]}"#,
            r#","a":[,1]}"#,
            r#","a":[1]]}"#,
            r#","a":[1}"#,
            r#","a":nul}"#,
            r#","a":NaN}"#,
            r#","a":{}}"#,
            r#","a":1,"b":2,"a":3}"#,
            r#","t":1}"#,
            &format!(r#","a":{}"#, "[".repeat(100_000)),
            &format!(r#","a":{}}}"#, "9".repeat(MAX_DIGITS + 1)),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
