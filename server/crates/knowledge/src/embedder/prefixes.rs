//! What well-known embedding models want before a query and before a passage, from their authors' model cards. Servers that
//! speak OpenAI's wire format hand texts to the model as they come, so whoever asks has to write it.

/// What stands before a query and before a passage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    pub query: String,
    pub passage: String,
}

const REPRESENT: &str = "Represent this sentence for searching relevant passages: ";
const INSTRUCT: &str = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ";

/// Parts of a name, all of which it has, and the prefixes; the first that fits counts.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (&["e5-", "instruct"], INSTRUCT, ""),
    (&["e5-mistral"], INSTRUCT, ""),
    (&["e5-small"], "query: ", "passage: "),
    (&["e5-base"], "query: ", "passage: "),
    (&["e5-large"], "query: ", "passage: "),
    (&["gte-qwen", "instruct"], INSTRUCT, ""),
    // Without the space, as its card has it.
    (
        &["qwen3-embedding"],
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "",
    ),
    (&["bge-", "-zh"], "为这个句子生成表示以用于检索相关文章：", ""),
    (&["bge-", "-en"], REPRESENT, ""),
    (&["mxbai-embed"], REPRESENT, ""),
    (&["arctic-embed", "v2"], "query: ", ""),
    (&["arctic-embed2"], "query: ", ""),
    (&["arctic-embed"], REPRESENT, ""),
    (&["nomic-embed-text"], "search_query: ", "search_document: "),
    (&["embeddinggemma"], "task: search result | query: ", "title: none | text: "),
];

impl Prefixes {
    /// By the name that a provider or the hub gives the model: `BAAI/bge-large-zh-v1.5`, `nomic-embed-text:latest`,
    /// `intfloat/multilingual-e5-base@refs/pr/1`. None before the texts
    /// of a model that is not known, or that wants none, such as bge-m3.
    pub fn of_model(name: &str) -> Prefixes {
        let name = name.to_lowercase().replace('_', "-");
        let without_revision = name.split('@').next().unwrap_or_default();
        let name = without_revision.rsplit('/').next().unwrap_or_default();
        let found = KNOWN.iter().find(|(parts, ..)| parts.iter().all(|it| name.contains(it)));
        found.map_or_else(Prefixes::default, |(_, query, passage)| Prefixes {
            query: (*query).to_owned(),
            passage: (*passage).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_what_providers_call_them() {
        for (name, query, passage) in [
            ("intfloat/multilingual-e5-small", "query: ", "passage: "),
            ("jeffh/intfloat-multilingual-e5-large:f16", "query: ", "passage: "),
            ("multilingual-e5-large-instruct", INSTRUCT, ""),
            ("intfloat/multilingual-e5-base@refs/pr/1", "query: ", "passage: "),
            ("BAAI/bge-large-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
            ("bge-small-en", REPRESENT, ""),
            ("BAAI/bge-m3", "", ""),
            ("nomic-embed-text:v1.5", "search_query: ", "search_document: "),
            ("snowflake-arctic-embed2:568m", "query: ", ""),
            ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
            ("snowflake-arctic-embed:335m", REPRESENT, ""),
            ("embeddinggemma:300m", "task: search result | query: ", "title: none | text: "),
            ("text-embedding-3-small", "", ""),
            ("text-embedding-v4", "", ""),
        ] {
            let expected = Prefixes { query: query.to_owned(), passage: passage.to_owned() };
            assert_eq!(Prefixes::of_model(name), expected, "{name}");
        }
        assert!(Prefixes::of_model("Qwen/Qwen3-Embedding-0.6B").query.ends_with("\nQuery:"));
    }
}
