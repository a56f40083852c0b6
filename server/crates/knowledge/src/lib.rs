//! The knowledge layer: reads tables and texts into records, turns them into vectors and words, and finds them again by
//! meaning, by words and by field. One embedded index per tenant; when the promise of good results cannot be kept, the
//! answer says why.

mod embedder;
mod error;
mod filter;
mod index;
mod lexical;
mod model;
mod notice;
mod parse;
mod query;
mod spec;

pub use embedder::{
    CachedEmbedder, EmbedError, Embedder, LocalEmbedder, OpenAiConfig, OpenAiEmbedder, Prefixes, Purpose,
};
pub use error::{KnowledgeError, Problem};
pub use index::{
    BaseRef, Completed, DocumentIn, DocumentRef, EmbedReport, Entry, Expand, Hit, HttpReranker, HttpRerankerConfig,
    IndexState, Knowledge, ListRequest, LocalReranker, Page, Progress, PutReport, QdrantConfig, Rebuild, RerankError,
    Reranker, Rows, SearchMode, SearchRequest, SearchResponse, SearchStatus, Stage, Stages, Timings, Weights,
};
pub use model::{DownloadProgress, LocalModelConfig, LocalTokens, ModelSource, ModelState};
pub use notice::Notice;
pub use parse::{
    ColumnFound, Columns, ColumnsKind, Content, DocumentText, EstimatedTokens, Parsed, Position, ReadOptions,
    Recognised, Record, Sink, Suggestion, TokenCounter, columns_of, parse, read_document, read_records, record_text,
    typed_fields,
};
pub use spec::{BaseSpec, FieldKind, FieldSpec, RESERVED_FIELDS, Splitting};
