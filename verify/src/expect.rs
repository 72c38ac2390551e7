//! Comparing what was answered with what the contract promises. A difference ends the run, and says both sides.

use std::fmt::Debug;

use wasmtime::{Error, Result, format_err};

/// Longest part of a value that is shown: a payload of 16 MiB helps nobody.
const SHOWN: usize = 600;

/// Fails unless `found` is `expected`.
pub fn equal<T: Debug + PartialEq>(what: &str, found: T, expected: T) -> Result<()> {
    if found == expected { Ok(()) } else { Err(differs(what, &expected, &found)) }
}

/// Fails unless `holds`.
pub fn holds(what: &str, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(format_err!("{what}: it does not")) }
}

/// What was expected and what was found, as an error.
pub fn differs(what: &str, expected: &dyn Debug, found: &dyn Debug) -> Error {
    format_err!("{what}: expected {}, found {}", shown(expected), shown(found))
}

/// A value as text, cut where it gets long.
pub fn shown(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} .. ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// Fails unless the answer is an error of this form, which is given as a pattern.
macro_rules! refused {
    ($what:expr, $answer:expr, $pattern:pat $(if $guard:expr)?) => {
        match $answer {
            Err($pattern) $(if $guard)? => Ok(()),
            other => {
                let expected = concat!(stringify!($pattern) $(, " if ", stringify!($guard))?);
                Err(wasmtime::format_err!(
                    "{}: expected the refusal {expected}, found {}", $what, $crate::expect::shown(&other)
                ))
            }
        }
    };
}
pub(crate) use refused;
