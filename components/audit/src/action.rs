//! Actions between the library and the interface, by the library's table.

use secure_log::hash::Hash;
use secure_log_audit::{Action, Category, Concealed, EventError, Json};

use crate::bindings::exports::secure_log::audit::actions as wire;

/// A member of an action, in one direction and in the other.
pub(crate) trait Member: Sized {
    type Wire;

    fn incoming(name: &'static str, value: Self::Wire) -> Result<Self, EventError>;
    fn outgoing(self, name: &'static str) -> Result<Self::Wire, EventError>;
}

macro_rules! actions {
    ($(
        #[doc = $description:literal]
        $action:ident = $word:literal, $category:ident, $success:ident $failure:ident $denied:ident {
            $(#[doc = $says:literal] $member:ident: $type:ty,)*
        }
    )*) => {
        pub(crate) fn incoming(action: wire::Action) -> Result<Action, EventError> {
            Ok(match action {
                $(wire::Action::$action(wire::$action { $($member),* }) => {
                    Action::$action { $($member: Member::incoming(stringify!($member), $member)?),* }
                })*
            })
        }

        pub(crate) fn outgoing(action: Action) -> Result<wire::Action, EventError> {
            Ok(match action {
                $(Action::$action { $($member),* } => {
                    wire::Action::$action(wire::$action { $($member: $member.outgoing(stringify!($member))?),* })
                })*
                _ => return Err(unknown("action")),
            })
        }
    };
}

secure_log_audit::for_actions!(actions);

impl Member for String {
    type Wire = String;

    fn incoming(_: &'static str, value: String) -> Result<String, EventError> {
        Ok(value)
    }

    fn outgoing(self, _: &'static str) -> Result<String, EventError> {
        Ok(self)
    }
}

impl Member for u64 {
    type Wire = u64;

    fn incoming(_: &'static str, value: u64) -> Result<u64, EventError> {
        Ok(value)
    }

    fn outgoing(self, _: &'static str) -> Result<u64, EventError> {
        Ok(self)
    }
}

impl<T: Member> Member for Option<T> {
    type Wire = Option<T::Wire>;

    fn incoming(name: &'static str, value: Option<T::Wire>) -> Result<Option<T>, EventError> {
        value.map(|value| T::incoming(name, value)).transpose()
    }

    fn outgoing(self, name: &'static str) -> Result<Option<T::Wire>, EventError> {
        self.map(|value| value.outgoing(name)).transpose()
    }
}

impl Member for Category {
    type Wire = wire::Category;

    fn incoming(_: &'static str, value: wire::Category) -> Result<Category, EventError> {
        Ok(category_in(value))
    }

    fn outgoing(self, _: &'static str) -> Result<wire::Category, EventError> {
        category_out(self)
    }
}

pub(crate) fn category_in(category: wire::Category) -> Category {
    match category {
        wire::Category::Activity => Category::Activity,
        wire::Category::Security => Category::Security,
    }
}

pub(crate) fn category_out(category: Category) -> Result<wire::Category, EventError> {
    match category {
        Category::Activity => Ok(wire::Category::Activity),
        Category::Security => Ok(wire::Category::Security),
        _ => Err(unknown("category")),
    }
}

impl Member for Json {
    type Wire = wire::Json;

    fn incoming(_: &'static str, value: wire::Json) -> Result<Json, EventError> {
        Ok(Json::parse(value.as_bytes())?)
    }

    fn outgoing(self, _: &'static str) -> Result<wire::Json, EventError> {
        Ok(String::from_utf8(self.to_canonical()?).expect("JSON is text"))
    }
}

impl Member for Concealed {
    type Wire = wire::Concealed;

    fn incoming(name: &'static str, value: wire::Concealed) -> Result<Concealed, EventError> {
        let hash = |bytes: &[u8]| {
            Hash::try_from(bytes).map_err(|_| EventError::Unusable { member: name, expected: "a hash of 32 bytes" })
        };
        Ok(match value {
            wire::Concealed::Commitment(bytes) => Concealed::Commitment(hash(&bytes)?),
            wire::Concealed::Sha256(bytes) => Concealed::Sha256(hash(&bytes)?),
            wire::Concealed::Blake3(bytes) => Concealed::Blake3(hash(&bytes)?),
        })
    }

    fn outgoing(self, name: &'static str) -> Result<wire::Concealed, EventError> {
        match self {
            Concealed::Commitment(hash) => Ok(wire::Concealed::Commitment(hash.0.to_vec())),
            Concealed::Sha256(hash) => Ok(wire::Concealed::Sha256(hash.0.to_vec())),
            Concealed::Blake3(hash) => Ok(wire::Concealed::Blake3(hash.0.to_vec())),
            _ => Err(unknown(name)),
        }
    }
}

/// A later version of the library has more than this interface.
pub(crate) fn unknown(member: &'static str) -> EventError {
    EventError::Unusable { member, expected: "something that this version of wit/audit has" }
}
