//! Writing a value in its one spelling.

use crate::json::{Json, JsonError, JsonProblem, MAX_JSON_BYTES, MAX_JSON_DEPTH, noncharacter};

/// Appends the canonical bytes. What [`crate::Json::parse`] would refuse is refused here.
pub(super) fn write(value: &Json, out: &mut Vec<u8>) -> Result<(), JsonError> {
    put(value, out, 0)?;
    if out.len() > MAX_JSON_BYTES {
        return Err(JsonError { at: MAX_JSON_BYTES, problem: JsonProblem::TooLong });
    }
    Ok(())
}

fn put(value: &Json, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
    match value {
        Json::Null => out.extend(b"null"),
        Json::Bool(true) => out.extend(b"true"),
        Json::Bool(false) => out.extend(b"false"),
        Json::Number(number) => out.extend(number.spelled().as_bytes()),
        Json::String(text) => put_string(text, out)?,
        Json::Array(items) => {
            let depth = deeper(depth, out)?;
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put(item, out, depth)?;
            }
            out.push(b']');
        }
        Json::Object(object) => {
            let depth = deeper(depth, out)?;
            out.push(b'{');
            for (index, (key, item)) in object.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put_string(key, out)?;
                out.push(b':');
                put(item, out, depth)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn deeper(depth: usize, out: &[u8]) -> Result<usize, JsonError> {
    if depth == MAX_JSON_DEPTH {
        return Err(JsonError { at: out.len(), problem: JsonProblem::TooDeep });
    }
    Ok(depth + 1)
}

fn put_string(text: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
    if noncharacter(text).is_some() {
        return Err(JsonError { at: out.len(), problem: JsonProblem::Noncharacter });
    }
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend(&bytes[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend(br#"\""#),
            b'\\' => out.extend(br"\\"),
            8 => out.extend(br"\b"),
            9 => out.extend(br"\t"),
            10 => out.extend(br"\n"),
            12 => out.extend(br"\f"),
            13 => out.extend(br"\r"),
            _ => out.extend(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend(&bytes[copied..]);
    out.push(b'"');
    Ok(())
}
