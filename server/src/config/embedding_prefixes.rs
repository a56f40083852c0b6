//! What the operator says that the provider's embedding model wants before its texts.

/// None: what is known of the model.
#[derive(Clone, Debug, Default)]
pub struct EmbeddingPrefixes {
    pub query: Option<String>,
    pub passage: Option<String>,
}

impl EmbeddingPrefixes {
    pub(super) fn read(query: Option<String>, passage: Option<String>) -> EmbeddingPrefixes {
        // Spaces at its end are part of it. Empty is what compose files make of a variable that is not set.
        let read = |it: String| if it == "none" { String::new() } else { it };
        let given = |it: Option<String>| it.filter(|it| !it.is_empty()).map(read);
        EmbeddingPrefixes { query: given(query), passage: given(passage) }
    }
}
