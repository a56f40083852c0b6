//! THE route table. Each row says who may call it; the router, the OpenAPI document and the access test are made from it.

mod accounts;
mod again;
pub(crate) mod body;
pub mod caller;
mod conversations;
mod definitions;
mod documents;
mod event_stream;
mod health;
mod knowledge_bases;
mod knowledge_export;
mod limits;
mod models;
mod notice;
mod openai;
pub mod openapi;
mod plugins;
pub mod problem;
mod retrieval_tests;
mod runs;
mod secrets;
mod tables;
mod triggers;
mod waits;
mod web_ui;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::app::accounts::Scope;
use openapi::Payload;

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody who reaches the server.
    Open,
    /// Whoever knows the address, which is the secret. Sessions and keys do not matter, so a sender may put what it likes
    /// into `Authorization`.
    Address,
    /// A session or a key of any scope.
    SignedIn,
    /// A session or a key with this scope.
    Needs(Scope),
}

/// One row of the table.
pub struct Operation {
    pub method: Method,
    pub path: &'static str,
    /// The operation's stable name, for generated clients.
    pub id: &'static str,
    pub summary: &'static str,
    pub access: Access,
    pub request: Payload,
    pub response: Payload,
    handler: MethodRouter<App>,
}

macro_rules! operations {
    ($($verb:ident $path:literal $access:expr, $handler:path, $id:literal, $summary:literal, $request:expr => $response:expr;)*) => {
        vec![$(Operation {
            method: method(stringify!($verb)),
            path: $path,
            id: $id,
            summary: $summary,
            access: $access,
            request: $request,
            response: $response,
            handler: $verb($handler),
        }),*]
    };
}

fn method(verb: &str) -> Method {
    match verb {
        "post" => Method::POST,
        "put" => Method::PUT,
        "patch" => Method::PATCH,
        "delete" => Method::DELETE,
        _ => Method::GET,
    }
}

const CHAT: Access = Access::Needs(Scope::Chat);
const RUN: Access = Access::Needs(Scope::Run);
const MANAGE: Access = Access::Needs(Scope::Manage);

pub fn operations() -> Vec<Operation> {
    [account(), documents(), work(), chat(), knowledge(), supplies(), others()].into_iter().flatten().collect()
}

/// Who calls, and with what.
fn account() -> Vec<Operation> {
    use Access::{Open, SignedIn};
    use Payload as P;
    operations! {
        get    "/api/v1/setup" Open, accounts::needs_setup, "get_setup", "Whether the installation still needs its first owner", P::none() => P::json::<accounts::SetupState>();
        post   "/api/v1/setup" Open, accounts::use_setup_link, "use_setup_link", "Take the one-time link: signs in as the owner", P::json::<accounts::SetupToken>() => P::json::<accounts::SessionView>();
        post   "/api/v1/session" Open, accounts::sign_in, "sign_in", "Sign in with e-mail and password", P::json::<accounts::Credentials>() => P::json::<accounts::SessionView>();
        get    "/api/v1/session" SignedIn, accounts::who, "get_session", "Who is signed in", P::none() => P::json::<accounts::SessionView>();
        delete "/api/v1/session" SignedIn, accounts::sign_out, "sign_out", "Sign out", P::none() => P::none();
        put    "/api/v1/account" SignedIn, accounts::change_account, "change_account", "Change one's own name, e-mail or password", P::json::<accounts::AccountBody>() => P::json::<accounts::UserView>();
        get    "/api/v1/keys" MANAGE, accounts::list_keys, "list_keys", "API keys, without their secrets", P::none() => P::json::<accounts::KeyList>();
        post   "/api/v1/keys" MANAGE, accounts::create_key, "create_key", "Make an API key; its text is shown this once", P::json::<accounts::NewKey>() => P::json::<accounts::CreatedKey>();
        delete "/api/v1/keys/{id}" MANAGE, accounts::delete_key, "delete_key", "Take an API key away", P::none() => P::none();
    }
}

/// Assistants, workflows, and what workflows decide by.
fn documents() -> Vec<Operation> {
    use Payload as P;
    operations! {
        get    "/api/v1/assistants" CHAT, definitions::list_assistants, "list_assistants", "Assistants", P::none() => P::json::<definitions::AssistantList>();
        get    "/api/v1/assistants/{name}" CHAT, definitions::show_assistant, "get_assistant", "One assistant", P::none() => P::json::<definitions::AssistantView>();
        put    "/api/v1/assistants/{name}" MANAGE, definitions::put_assistant, "put_assistant", "Check and publish an assistant", P::json::<definitions::Document>() => P::json::<definitions::Published>();
        delete "/api/v1/assistants/{name}" MANAGE, definitions::delete_assistant, "delete_assistant", "Delete an assistant", P::none() => P::none();
        get    "/api/v1/workflows" RUN, definitions::list_workflows, "list_workflows", "Workflows", P::none() => P::json::<definitions::WorkflowList>();
        get    "/api/v1/workflows/{name}" RUN, definitions::show_workflow, "get_workflow", "One workflow", P::none() => P::json::<definitions::WorkflowView>();
        put    "/api/v1/workflows/{name}" MANAGE, definitions::put_workflow, "put_workflow", "Check and publish a workflow", P::json::<definitions::Document>() => P::json::<definitions::Published>();
        delete "/api/v1/workflows/{name}" MANAGE, definitions::delete_workflow, "delete_workflow", "Delete a workflow", P::none() => P::none();
        post   "/api/v1/workflows/{name}/runs" RUN, runs::start, "start_run", "Run a workflow; JSON when it has ended, or its events as they happen", P::json::<runs::NewRun>() => P::json_or_events::<runs::RunView>();
        post   "/api/v1/validate" MANAGE, definitions::validate, "validate", "Check a document without publishing it", P::json::<definitions::Document>() => P::json::<definitions::Validation>();
        get    "/api/v1/node-kinds" RUN, definitions::node_kinds, "list_node_kinds", "Node kinds of the workflow language, with schemas", P::none() => P::json::<definitions::NodeKindList>();

        get    "/api/v1/tables" RUN, tables::list, "list_tables", "Decision tables that workflows use by name", P::none() => P::json::<tables::TableList>();
        post   "/api/v1/tables" MANAGE, tables::add, "add_table", "Keep a CSV or XLSX file as a decision table; the same name replaces", P::file() => P::json::<tables::TableView>();
        delete "/api/v1/tables/{name}" MANAGE, tables::remove, "delete_table", "Delete a decision table that no workflow uses", P::none() => P::none();
    }
}

/// Runs, what they wait for, what starts them, and what they may use.
fn work() -> Vec<Operation> {
    use Access::Address;
    use Payload as P;
    operations! {
        get    "/api/v1/runs" RUN, runs::list, "list_runs", "Runs, newest first", P::none() => P::json::<runs::RunList>();
        get    "/api/v1/runs/{id}" RUN, runs::show, "get_run", "One run with its nodes", P::none() => P::json::<runs::RunView>();
        get    "/api/v1/runs/{id}/events" CHAT, runs::events, "get_run_events", "A run's events: what was stored, then what happens", P::none() => P::events();
        get    "/api/v1/runs/{id}/citations" CHAT, runs::citations, "list_citations", "The passages that were found while a run's answer was made", P::none() => P::json::<runs::CitationList>();
        post   "/api/v1/runs/{id}/waits/{effect}" CHAT, waits::answer, "answer_wait", "Answer what a run asks a person; the first answer counts", P::json::<waits::ReplyBody>() => P::json::<runs::RunSummary>();
        get    "/api/v1/waits" CHAT, waits::list, "list_waits", "Open questions that one may answer, newest first", P::none() => P::json::<waits::WaitList>();
        post   "/api/v1/runs/{id}/cancel" CHAT, runs::cancel, "cancel_run", "Stop a run; what it said so far is kept", P::none() => P::json::<runs::RunSummary>();
        post   "/api/v1/runs/{id}/rerun" RUN, again::rerun, "rerun", "Run again from a node; what was finished before it is kept", P::json::<again::Rerun>() => P::json::<runs::RunSummary>();
        post   "/api/v1/runs/{id}/replay" RUN, again::replay, "replay", "Run again with the recorded outcomes; nothing outside is called", P::none() => P::json::<runs::RunSummary>();
        get    "/api/v1/triggers" MANAGE, triggers::list, "list_triggers", "What starts workflows by itself: schedules and webhooks with their addresses", P::none() => P::json::<triggers::TriggerList>();
        put    "/api/v1/triggers/{id}" MANAGE, triggers::put, "put_trigger", "Switch a trigger on or off", P::json::<triggers::TriggerBody>() => P::json::<triggers::TriggerView>();
        post   "/api/v1/triggers/{id}/rotate" MANAGE, triggers::rotate, "rotate_trigger", "Give a webhook a new address; the old one ends", P::none() => P::json::<triggers::TriggerView>();
        post   "/api/v1/triggers/{id}/fire" MANAGE, triggers::fire, "fire_trigger", "Run a schedule's workflow now", P::none() => P::accepted::<triggers::StartedRun>();
        post   "/hooks/{token}" Address, triggers::receive, "receive", "A webhook: starts its workflow with JSON, a form or text; some answer with the outputs", P::any() => P::accepted::<triggers::StartedRun>();
        get    "/api/v1/limits" MANAGE, limits::show, "get_limits", "What the tenant's runs may use", P::none() => P::json::<limits::LimitsView>();
        put    "/api/v1/limits" MANAGE, limits::put, "put_limits", "Hold the tenant's runs to less than the server allows", P::json::<crate::app::limits::RunLimits>() => P::json::<limits::LimitsView>();
    }
}

/// Conversations.
fn chat() -> Vec<Operation> {
    use Payload as P;
    operations! {
        get    "/api/v1/conversations" CHAT, conversations::list, "list_conversations", "One's own conversations, newest first", P::none() => P::json::<conversations::ConversationList>();
        post   "/api/v1/conversations" CHAT, conversations::create, "create_conversation", "Begin a conversation with an assistant", P::json::<conversations::NewConversation>() => P::json::<conversations::ConversationView>();
        get    "/api/v1/conversations/{id}" CHAT, conversations::show, "get_conversation", "One conversation", P::none() => P::json::<conversations::ConversationView>();
        delete "/api/v1/conversations/{id}" CHAT, conversations::remove, "delete_conversation", "Delete a conversation with its messages", P::none() => P::none();
        get    "/api/v1/conversations/{id}/messages" CHAT, conversations::messages, "list_messages", "Messages, oldest first", P::none() => P::json::<conversations::MessageList>();
        post   "/api/v1/conversations/{id}/messages" CHAT, conversations::send, "send_message", "Say something; JSON when it is answered, or the answer as it grows", P::json::<conversations::NewMessage>() => P::json_or_events::<conversations::Answered>();
    }
}

/// Knowledge bases, their documents, and what is found in them.
fn knowledge() -> Vec<Operation> {
    use Payload as P;
    operations! {
        get    "/api/v1/embedding-models" MANAGE, knowledge_bases::embedding_models, "list_embedding_models", "Embedding models that knowledge bases can use", P::none() => P::json::<knowledge_bases::EmbeddingModelList>();
        get    "/api/v1/knowledge-bases" MANAGE, knowledge_bases::list, "list_knowledge_bases", "Knowledge bases", P::none() => P::json::<knowledge_bases::BaseList>();
        post   "/api/v1/knowledge-bases" MANAGE, knowledge_bases::create, "create_knowledge_base", "Make a knowledge base with its fields", P::json::<knowledge_bases::NewBase>() => P::json::<knowledge_bases::BaseView>();
        get    "/api/v1/knowledge-bases/{name}" MANAGE, knowledge_bases::show, "get_knowledge_base", "One knowledge base", P::none() => P::json::<knowledge_bases::BaseView>();
        patch  "/api/v1/knowledge-bases/{name}" MANAGE, knowledge_bases::change, "change_knowledge_base", "Change a knowledge base; its documents are read or embedded again where that makes a difference", P::json::<knowledge_bases::BasePatch>() => P::json::<knowledge_bases::BaseView>();
        delete "/api/v1/knowledge-bases/{name}" MANAGE, knowledge_bases::remove, "delete_knowledge_base", "Delete a knowledge base with its documents", P::none() => P::none();
        get    "/api/v1/knowledge-bases/{name}/export" MANAGE, knowledge_export::export, "export_knowledge_base", "Everything of a knowledge base as a zip", P::none() => P::any();
        post   "/api/v1/knowledge-bases/{name}/columns" MANAGE, documents::columns, "read_columns", "What a table's columns could be; nothing is stored", P::file() => P::json::<documents::ColumnsView>();
        get    "/api/v1/knowledge-bases/{name}/documents" MANAGE, documents::list, "list_documents", "A knowledge base's documents and how far they are, newest first. `?q=TEXT` lists those with the text in their name or groups", P::none() => P::json::<documents::DocumentList>();
        post   "/api/v1/knowledge-bases/{name}/documents" MANAGE, documents::put, "put_document", "Add a file, records, an address or a sitemap; the same name replaces. `?wait=SECONDS` waits until it is read", P::json_or_file::<documents::NewDocument>() => P::accepted::<documents::DocumentView>();
        get    "/api/v1/knowledge-bases/{name}/documents/{id}" MANAGE, documents::show, "get_document", "One document and how far it is", P::none() => P::json::<documents::DocumentView>();
        patch  "/api/v1/knowledge-bases/{name}/documents/{id}" MANAGE, documents::change, "change_document", "Change who may see a document, and its metadata", P::json::<documents::DocumentPatch>() => P::json::<documents::DocumentView>();
        delete "/api/v1/knowledge-bases/{name}/documents/{id}" MANAGE, documents::remove, "delete_document", "Delete a document", P::none() => P::none();
        post   "/api/v1/knowledge-bases/{name}/documents/{id}/retry" MANAGE, documents::retry, "retry_document", "Read a document again that failed, was stopped, or is ready", P::none() => P::json::<documents::DocumentView>();
        post   "/api/v1/knowledge-bases/{name}/documents/{id}/cancel" MANAGE, documents::cancel, "cancel_document", "Stop reading a document; the version that answers stays", P::none() => P::json::<documents::DocumentView>();
        get    "/api/v1/knowledge-bases/{name}/documents/{id}/file" MANAGE, documents::file, "get_document_file", "A document's file as it came", P::none() => P::any();
        get    "/api/v1/knowledge-bases/{name}/documents/{id}/chunks" MANAGE, documents::chunks, "list_chunks", "A document's records in their order. `?q=TEXT` lists those with the text in them", P::none() => P::json::<documents::ChunkList>();
        post   "/api/v1/knowledge-bases/{name}/documents/{id}/chunks" MANAGE, documents::add_chunk, "add_chunk", "Add a record to a document", P::json::<documents::ChunkBody>() => P::json::<documents::ChunkView>();
        patch  "/api/v1/knowledge-bases/{name}/documents/{id}/chunks/{ordinal}" MANAGE, documents::change_chunk, "change_chunk", "Change a record, or switch it on or off", P::json::<documents::ChunkBody>() => P::json::<documents::ChunkView>();
        delete "/api/v1/knowledge-bases/{name}/documents/{id}/chunks/{ordinal}" MANAGE, documents::remove_chunk, "delete_chunk", "Delete a record", P::none() => P::none();
        post   "/api/v1/knowledge-bases/{name}/query" RUN, knowledge_bases::query, "query", "Rows and sums over a knowledge base's typed fields", P::json::<knowledge_bases::QueryBody>() => P::json::<knowledge_bases::RowsView>();
        post   "/api/v1/knowledge-bases/{name}/search" RUN, knowledge_bases::search, "search", "Search a knowledge base; every hit with the scores of each stage", P::json::<knowledge_bases::SearchBody>() => P::json::<knowledge_bases::SearchView>();
        get    "/api/v1/knowledge-bases/{name}/tests" MANAGE, retrieval_tests::list, "list_retrieval_tests", "Queries with what they should find", P::none() => P::json::<retrieval_tests::RetrievalTestList>();
        post   "/api/v1/knowledge-bases/{name}/tests" MANAGE, retrieval_tests::add, "add_retrieval_test", "Keep a query with the passages that it should find", P::json::<retrieval_tests::NewRetrievalTest>() => P::json::<retrieval_tests::RetrievalTestView>();
        delete "/api/v1/knowledge-bases/{name}/tests/{id}" MANAGE, retrieval_tests::remove, "delete_retrieval_test", "Delete a test of retrieval", P::none() => P::none();
        post   "/api/v1/knowledge-bases/{name}/tests/run" MANAGE, retrieval_tests::run, "run_retrieval_tests", "Run all tests with these settings: recall and mean reciprocal rank", P::json::<retrieval_tests::TestSettings>() => P::json::<crate::app::retrieval_tests::TestReport>();
    }
}

/// What workflows use.
fn supplies() -> Vec<Operation> {
    use Payload as P;
    operations! {
        get    "/api/v1/plugins" MANAGE, plugins::list, "list_plugins", "Installed plugins with what they ask for and what is granted", P::none() => P::json::<plugins::PluginList>();
        post   "/api/v1/plugins" MANAGE, plugins::upload, "install_plugin", "Install a plugin from a .wasm file, or an OpenAPI document, with nothing granted", P::file() => P::json::<plugins::PluginView>();
        post   "/api/v1/plugins/publish" MANAGE, plugins::publish, "publish_plugin", "Keep a version of a plugin for an administrator to install; what is in use stays", P::file() => P::json::<plugins::PublishedView>();
        post   "/api/v1/plugins/openapi" MANAGE, plugins::import_openapi, "import_openapi", "Make the operations of an HTTP interface the tools of a plugin, with nothing granted", P::json::<plugins::ImportBody>() => P::json::<plugins::PluginView>();
        get    "/api/v1/plugins/{id}" MANAGE, plugins::show, "get_plugin", "One plugin", P::none() => P::json::<plugins::PluginView>();
        delete "/api/v1/plugins/{id}" MANAGE, plugins::remove, "delete_plugin", "Remove a plugin that nothing uses", P::none() => P::none();
        put    "/api/v1/plugins/{id}/grants" MANAGE, plugins::put_grants, "put_grants", "Set what the plugin may use", P::json::<plugins::GrantsBody>() => P::json::<plugins::PluginView>();
        put    "/api/v1/plugins/{id}/config" MANAGE, plugins::put_config, "put_plugin_config", "Fill in a plugin's settings", P::json::<plugins::ConfigBody>() => P::json::<plugins::PluginView>();
        put    "/api/v1/plugins/{id}/enabled" MANAGE, plugins::put_enabled, "put_plugin_enabled", "Switch a plugin on or off", P::json::<plugins::EnabledBody>() => P::json::<plugins::PluginView>();
        get    "/api/v1/plugins/{id}/versions" MANAGE, plugins::versions, "list_plugin_versions", "Versions of an uploaded plugin that can be installed", P::none() => P::json::<plugins::VersionList>();
        post   "/api/v1/plugins/{id}/versions/{sha256}/restore" MANAGE, plugins::restore, "restore_plugin", "Install a version that was published, or go back to one that was installed before", P::none() => P::json::<plugins::PluginView>();
        get    "/api/v1/plugins/{id}/calls" MANAGE, plugins::calls, "list_plugin_calls", "What a plugin's calls came to, newest first", P::none() => P::json::<plugins::PluginCallList>();
        post   "/api/v1/plugins/{id}/tools/{tool}/call" RUN, plugins::call, "call_tool", "Call a tool once", P::json::<plugins::CallBody>() => P::json::<plugins::CallView>();
        get    "/api/v1/secrets" MANAGE, secrets::list, "list_secrets", "Names of the secrets that workflows can use", P::none() => P::json::<secrets::SecretList>();
        put    "/api/v1/secrets/{name}" MANAGE, secrets::put, "put_secret", "Store a secret's value; it is never shown again", P::json::<secrets::SecretBody>() => P::json::<secrets::SecretView>();
        delete "/api/v1/secrets/{name}" MANAGE, secrets::remove, "delete_secret", "Delete a secret", P::none() => P::none();
    }
}

/// Models, the interfaces of other products, and the server itself.
fn others() -> Vec<Operation> {
    use Access::{Open, SignedIn};
    use Payload as P;
    operations! {
        get    "/api/v1/models" SignedIn, models::status, "get_models", "Which models there are, and what is missing", P::none() => P::json::<models::ModelsView>();
        post   "/api/v1/models/offer" MANAGE, models::accept_offer, "accept_model_offer", "Use a model of the local Ollama", P::json::<models::OfferBody>() => P::json::<models::ModelsView>();
        get    "/v1/models" CHAT, openai::models, "openai_list_models", "OpenAI-compatible: assistants as models", P::none() => P::any();
        get    "/v1/models/{name}" CHAT, openai::model, "openai_get_model", "OpenAI-compatible: one assistant", P::none() => P::any();
        post   "/v1/chat/completions" CHAT, openai::chat, "openai_chat", "OpenAI-compatible chat; `model` is an assistant's name", P::any() => P::any();
        get    "/api/v1/openapi.json" Open, openapi::serve, "get_openapi", "This document", P::none() => P::any();
        get    "/healthz" Open, health::alive, "healthz", "The process answers", P::none() => P::any();
        get    "/readyz" Open, health::ready, "readyz", "The database answers", P::none() => P::any();
    }
}

/// The whole HTTP surface.
pub fn router(app: App) -> Router {
    let mut router: Router<App> = Router::new();
    for operation in operations() {
        let guard = caller::Guard { app: app.clone(), access: operation.access };
        let mut handler = operation.handler.layer(from_fn_with_state(guard, caller::guard));
        if operation.path.starts_with("/api/v1/knowledge-bases/") {
            // These go to the disk as they arrive, and count what they take; the form around the file is not much.
            handler = handler.layer(DefaultBodyLimit::max(app.config().limits.document_bytes.saturating_add(1 << 20)));
        }
        router = router.route(operation.path, handler);
    }
    let upload_limit = app.config().limits.upload_bytes;
    router
        .fallback(web_ui::serve)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(upload_limit))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(app.clone(), problem::render))
        .layer(from_fn(problem::catch_panic))
        .layer(header_layer(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header_layer(header::REFERRER_POLICY, "same-origin"))
        .layer(header_layer(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header_layer(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .with_state(app)
}

/// Scripts only from here; styles may be inline because the graph places its nodes with them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

fn header_layer(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}
