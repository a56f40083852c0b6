//! Values that a tenant keeps for its requests: never shown again, only used.

/// A secret as it is kept. There is no way back from here to the value without the server's master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// `[A-Za-z][A-Za-z0-9_]{0,62}`, unique within its tenant.
    pub name: String,
    pub sealed: Vec<u8>,
    pub created_at: i64,
    pub updated_at: i64,
}
