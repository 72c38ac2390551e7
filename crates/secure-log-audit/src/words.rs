//! Enumerations whose values are words of the schema.

/// Makes an enumeration of words: its names in the schema, and a value of a member.
macro_rules! words {
    (
        $(#[$outer:meta])*
        $name:ident, $expected:literal {
            $($(#[$inner:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$inner])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The word in the schema.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            /// The one with this word.
            pub fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::member::Value for $name {
            const EXPECTED: &'static str = $expected;

            fn write(&self, out: &mut crate::json::Canonical) -> Result<(), crate::error::EventError> {
                out.word(self.as_str());
                Ok(())
            }

            fn from_json(json: crate::json::Json) -> Option<$name> {
                match json {
                    crate::json::Json::String(word) => $name::from_word(&word),
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use words;
