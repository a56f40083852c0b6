//! Enums whose values have one name each: in the database, on the wire and in messages.

use std::fmt;

/// A text that names no value of an enum, for example a status written by a newer version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What it should have been: `role`, `run status`, …
    pub what: &'static str,
    pub name: String,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a {}", self.name, self.what)
    }
}

impl std::error::Error for UnknownName {}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::UnknownName;

            fn from_str(text: &str) -> Result<$type, crate::UnknownName> {
                match text {
                    $($text => Ok($type::$variant),)+
                    _ => Err(crate::UnknownName { what: $what, name: text.to_owned() }),
                }
            }
        }
    };
}

pub(crate) use named;

#[cfg(test)]
mod tests {
    use crate::{DefinitionKind, DocumentState, MessageRole, MessageStatus, Role, RunKind, RunStatus, WaitKind};

    fn reads_back<T>(all: &[T], text: impl Fn(T) -> &'static str)
    where
        T: Copy + PartialEq + std::fmt::Debug + std::str::FromStr<Err = crate::UnknownName> + serde::Serialize,
        T: serde::de::DeserializeOwned,
    {
        for it in all {
            assert_eq!(text(*it).parse::<T>().unwrap(), *it);
            let json = serde_json::to_string(it).unwrap();
            assert_eq!(json, format!("\"{}\"", text(*it)), "the wire and the database use one name");
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *it);
        }
        assert_eq!("Nonsense".parse::<T>().unwrap_err().name, "Nonsense");
    }

    #[test]
    fn every_value_has_one_name_everywhere() {
        reads_back(Role::ALL, Role::as_str);
        reads_back(RunStatus::ALL, RunStatus::as_str);
        reads_back(RunKind::ALL, RunKind::as_str);
        reads_back(MessageRole::ALL, MessageRole::as_str);
        reads_back(MessageStatus::ALL, MessageStatus::as_str);
        reads_back(DocumentState::ALL, DocumentState::as_str);
        reads_back(DefinitionKind::ALL, DefinitionKind::as_str);
        reads_back(WaitKind::ALL, WaitKind::as_str);
    }

    #[test]
    fn an_id_reads_back_and_keeps_its_kind_in_debug() {
        let id = crate::RunId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<crate::RunId>().unwrap(), id);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        assert_eq!(format!("{id:?}"), "RunId(00000000-0000-0000-0000-000000000007)");
        assert!("7".parse::<crate::RunId>().is_err());
    }
}
