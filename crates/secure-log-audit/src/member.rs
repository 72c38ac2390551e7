//! Members of the objects that an event is made of: what each may hold, and taking them out strictly.

use crate::conceal::Concealed;
use crate::error::EventError;
use crate::json::{Json, JsonError, JsonProblem, Number, Object};

/// What a member can hold.
pub(crate) trait Value: Sized {
    /// What it has to be, for messages and for the documentation.
    const EXPECTED: &'static str;

    fn to_json(&self) -> Result<Json, EventError>;

    /// `None` where it is something else.
    fn from_json(json: Json) -> Option<Self>;

    /// The value, where it is a concealed one.
    fn concealed(&self) -> Option<&Concealed> {
        None
    }
}

/// A member of an object: one that has to be there, or one that may be absent.
pub(crate) trait Member: Sized {
    const EXPECTED: &'static str;
    const OPTIONAL: bool;

    fn put(&self, member: &'static str, object: &mut Object) -> Result<(), EventError>;

    fn take(member: &'static str, from: &mut Members) -> Result<Self, EventError>;

    fn concealed(&self) -> Option<&Concealed>;
}

impl<T: Value> Member for T {
    const EXPECTED: &'static str = T::EXPECTED;
    const OPTIONAL: bool = false;

    fn put(&self, member: &'static str, object: &mut Object) -> Result<(), EventError> {
        let json = self.to_json()?;
        if json == Json::String(String::new()) {
            return Err(EventError::Unusable { member, expected: T::EXPECTED });
        }
        object.insert(member, json);
        Ok(())
    }

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

    fn put(&self, member: &'static str, object: &mut Object) -> Result<(), EventError> {
        self.as_ref().map_or(Ok(()), |value| value.put(member, object))
    }

    fn take(member: &'static str, from: &mut Members) -> Result<Option<T>, EventError> {
        let Some(json) = from.object.remove(member) else { return Ok(None) };
        let unusable = EventError::Unusable { member, expected: T::EXPECTED };
        if json == Json::String(String::new()) {
            return Err(unusable);
        }
        T::from_json(json).map(Some).ok_or(unusable)
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

    fn to_json(&self) -> Result<Json, EventError> {
        Ok(Json::String(self.clone()))
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

    fn to_json(&self) -> Result<Json, EventError> {
        let out_of_range = JsonError { at: 0, problem: JsonProblem::NumberOutOfRange };
        Number::integer(*self).map(Json::Number).ok_or(out_of_range.into())
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

    fn to_json(&self) -> Result<Json, EventError> {
        Ok(self.clone())
    }

    fn from_json(json: Json) -> Option<Json> {
        Some(json)
    }
}

impl Value for Object {
    const EXPECTED: &'static str = "an object";

    fn to_json(&self) -> Result<Json, EventError> {
        Ok(Json::Object(self.clone()))
    }

    fn from_json(json: Json) -> Option<Object> {
        match json {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }
}
