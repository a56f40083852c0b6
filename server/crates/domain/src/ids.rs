//! One type per kind of id, so that a run's id can never be passed where a tenant's is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn from_uuid(id: Uuid) -> $name {
                $name(id)
            }

            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                Uuid::parse_str(text).map($name)
            }
        }
    };
}

id!(
    /// A company or team. Everything else belongs to exactly one.
    TenantId
);
id!(UserId);
id!(ApiKeyId);
id!(ConversationId);
id!(MessageId);
id!(RunId);
id!(
    /// One immutable text of an assistant or a workflow.
    VersionId
);
id!(KnowledgeBaseId);
id!(DocumentId);
id!(
    /// An installed plugin in one tenant; the plugin's own name is [`crate::Plugin::plugin_id`].
    PluginId
);
id!(PluginCallId);
id!(AuditEntryId);
id!(TriggerId);
id!(RetrievalTestId);
