//! What was done: the actions of the profile, their members, and what follows from them.

use secure_log::entry::Severity;

use crate::conceal::Concealed;
use crate::error::EventError;
use crate::json::{Canonical, Json, ObjectWriter};
use crate::member::{Member, Members, Put};
use crate::outcome::OutcomeKind;
use crate::words::words;

words! {
    /// What an event belongs to, whatever its severity.
    Category, "activity or security" {
        /// What users, services and agents do in the course of things.
        Activity = "activity",
        /// What somebody who guards the system looks at.
        Security = "security",
    }
}

/// A member of an action, for the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its name in the payload.
    pub name: &'static str,
    /// What it has to be.
    pub expected: &'static str,
    /// It may be absent.
    pub optional: bool,
    /// What it says, with an example.
    pub description: &'static str,
}

/// What the table says, as types.
macro_rules! actions {
    ($(
        #[doc = $description:literal]
        $action:ident = $word:literal, $category:ident, $success:ident $failure:ident $denied:ident {
            $(#[doc = $says:literal] $member:ident: $type:ty,)*
        }
    )*) => {
        /// What was done.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Action {
            $(
                #[doc = $description]
                $action {
                    $(#[doc = $says] $member: $type,)*
                },
            )*
        }

        words! {
            /// The kinds of actions.
            ActionKind, "a kind of action that this version has" {
                $(#[doc = $description] $action = $word,)*
            }
        }

        impl ActionKind {
            /// What such an action is.
            pub fn description(self) -> &'static str {
                match self {
                    $(ActionKind::$action => $description.trim_ascii(),)*
                }
            }

            /// The members of such an action, in the order in which they are explained.
            pub fn members(self) -> Vec<MemberInfo> {
                match self {
                    $(ActionKind::$action => vec![$(MemberInfo {
                        name: stringify!($member),
                        expected: <$type as Member>::EXPECTED,
                        optional: <$type as Member>::OPTIONAL,
                        description: $says.trim_ascii(),
                    },)*],)*
                }
            }

            /// The category of such an action; [`Action::Custom`] names its own in place of it.
            pub fn category(self) -> Category {
                match self {
                    $(ActionKind::$action => Category::$category,)*
                }
            }

            /// The severity of an entry about such an action. What begins is as severe as what succeeds.
            pub fn severity(self, outcome: OutcomeKind) -> Severity {
                let [success, failure, denied] = match self {
                    $(ActionKind::$action => [Severity::$success, Severity::$failure, Severity::$denied],)*
                };
                match outcome {
                    OutcomeKind::Begun | OutcomeKind::Success => success,
                    OutcomeKind::Failure => failure,
                    OutcomeKind::Denied => denied,
                }
            }
        }

        impl Action {
            /// Which kind it is.
            pub fn kind(&self) -> ActionKind {
                match self {
                    $(Action::$action { .. } => ActionKind::$action,)*
                }
            }

            /// The concealed values in it, by the names of their members.
            pub fn concealed(&self) -> Vec<(&'static str, Concealed)> {
                let mut found = Vec::new();
                match self {
                    $(Action::$action { $($member),* } => {
                        $(if let Some(value) = Member::concealed($member) {
                            found.push((stringify!($member), *value));
                        })*
                    })*
                }
                found
            }

            fn put_members(&self, object: &mut ObjectWriter<'_>) -> Result<(), EventError> {
                let kind = self.kind();
                match self {
                    $(Action::$action { $($member),* } => {
                        let mut members = [("kind", &kind as &dyn Put), $((stringify!($member), $member),)*];
                        members.sort_unstable_by_key(|(name, _)| *name);
                        members.into_iter().try_for_each(|(name, member)| member.put(name, object))
                    })*
                }
            }

            fn take_members(kind: ActionKind, members: &mut Members) -> Result<Action, EventError> {
                Ok(match kind {
                    $(ActionKind::$action => Action::$action { $($member: members.take(stringify!($member))?,)* },)*
                })
            }
        }
    };
}

for_actions!(actions);

impl Action {
    /// What it belongs to.
    pub fn category(&self) -> Category {
        match self {
            Action::Custom { category, .. } => *category,
            other => other.kind().category(),
        }
    }

    /// The event type of an entry about this action: `<kind>.<outcome>`, or `custom.<name>.<outcome>`.
    pub fn event_type(&self, outcome: OutcomeKind) -> String {
        match self {
            Action::Custom { name, .. } => format!("custom.{name}.{outcome}"),
            other => format!("{}.{outcome}", other.kind()),
        }
    }

    pub(crate) fn write(&self, out: &mut Canonical) -> Result<(), EventError> {
        self.check()?;
        out.object(|object| self.put_members(object))
    }

    pub(crate) fn decode(json: Json) -> Result<Action, EventError> {
        let mut members = Members::new("action", json)?;
        let kind = members.take("kind")?;
        let action = Action::take_members(kind, &mut members)?;
        members.finish()?;
        action.check()?;
        Ok(action)
    }

    fn check(&self) -> Result<(), EventError> {
        let Action::Custom { name, .. } = self else { return Ok(()) };
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(());
        }
        Err(EventError::Unusable { member: "name", expected: "up to 64 lower-case letters, digits, '-' and '.'" })
    }
}
