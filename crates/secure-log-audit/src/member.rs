//! Members of the objects that an event is made of: what each may hold, and taking them out strictly.

use crate::conceal::Concealed;
use crate::error::EventError;
use crate::json::{Canonical, Json, JsonError, JsonProblem, Number, Object, ObjectWriter};

/// What a member can hold.
pub(crate) trait Value: Sized {
    /// What it has to be, for messages and for the documentation.
    const EXPECTED: &'static str;

    fn write(&self, out: &mut Canonical) -> Result<(), EventError>;

    /// It is a text that says nothing, which no member may be.
    fn is_empty_text(&self) -> bool {
        false
    }

    /// `None` where it is something else.
    fn from_json(json: Json) -> Option<Self>;

    /// The value, where it is a concealed one.
    fn concealed(&self) -> Option<&Concealed> {
        None
    }
}

/// What can be written as a member of an object.
pub(crate) trait Put {
    fn put(&self, member: &'static str, object: &mut ObjectWriter<'_>) -> Result<(), EventError>;
}

/// A member of an object: one that has to be there, or one that may be absent.
pub(crate) trait Member: Put + Sized {
    const EXPECTED: &'static str;
    const OPTIONAL: bool;

    fn take(member: &'static str, from: &mut Members) -> Result<Self, EventError>;

    fn concealed(&self) -> Option<&Concealed>;
}

impl<T: Value> Put for T {
    fn put(&self, member: &'static str, object: &mut ObjectWriter<'_>) -> Result<(), EventError> {
        if self.is_empty_text() {
            return Err(EventError::Unusable { member, expected: T::EXPECTED });
        }
        self.write(object.member(member))
    }
}

impl<T: Value> Put for Option<T> {
    fn put(&self, member: &'static str, object: &mut ObjectWriter<'_>) -> Result<(), EventError> {
        self.as_ref().map_or(Ok(()), |value| value.put(member, object))
    }
}

impl<T: Value> Member for T {
    const EXPECTED: &'static str = T::EXPECTED;
    const OPTIONAL: bool = false;

    fn take(member: &'static str, from: &mut Members) -> Result<T, EventError> {
        let of = from.of;
        from.take::<Option<T>>(member)?.ok_or(EventError::Missing { of, member })
    }

    fn concealed(&self) -> Option<&Concealed> {
        Value::concealed(self)
    }
}

impl<T: Value> Member for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const OPTIONAL: bool = true;

    fn take(member: &'static str, from: &mut Members) -> Result<Option<T>, EventError> {
        let Some(json) = from.object.remove(member) else { return Ok(None) };
        let unusable = EventError::Unusable { member, expected: T::EXPECTED };
        T::from_json(json).filter(|value| !value.is_empty_text()).map(Some).ok_or(unusable)
    }

    fn concealed(&self) -> Option<&Concealed> {
        self.as_ref().and_then(Value::concealed)
    }
}

/// An object of which one member after the other is taken, until none may be left.
pub(crate) struct Members {
    of: &'static str,
    object: Object,
}

impl Members {
    /// The members of the object `of`.
    pub(crate) fn new(of: &'static str, json: Json) -> Result<Members, EventError> {
        match json {
            Json::Object(object) => Ok(Members { of, object }),
            _ => Err(EventError::Unusable { member: of, expected: "an object" }),
        }
    }

    pub(crate) fn take<T: Member>(&mut self, member: &'static str) -> Result<T, EventError> {
        T::take(member, self)
    }

    /// Nothing else stands in the object.
    pub(crate) fn finish(self) -> Result<(), EventError> {
        match self.object.iter().next() {
            Some((member, _)) => Err(EventError::Unknown { of: self.of, member: member.into() }),
            None => Ok(()),
        }
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a text that is not empty";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        Ok(out.text(self)?)
    }

    fn is_empty_text(&self) -> bool {
        self.is_empty()
    }

    fn from_json(json: Json) -> Option<String> {
        match json {
            Json::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Value for u64 {
    const EXPECTED: &'static str = "an integer from 0 to 2^53 - 1";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        if Number::integer(*self).is_none() {
            return Err(JsonError { at: 0, problem: JsonProblem::NumberOutOfRange }.into());
        }
        out.integer(*self);
        Ok(())
    }

    fn from_json(json: Json) -> Option<u64> {
        match json {
            Json::Number(number) => number.as_integer(),
            _ => None,
        }
    }
}

impl Value for Json {
    const EXPECTED: &'static str = "any JSON but an empty text";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        Ok(out.json(self)?)
    }

    fn is_empty_text(&self) -> bool {
        matches!(self, Json::String(text) if text.is_empty())
    }

    fn from_json(json: Json) -> Option<Json> {
        Some(json)
    }
}

impl Value for Object {
    const EXPECTED: &'static str = "an object";

    fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        Ok(out.any_object(self)?)
    }

    fn from_json(json: Json) -> Option<Object> {
        match json {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }
}
