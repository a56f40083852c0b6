//! What a plugin asks for in `#[plugin(…)]`: `knowledge(…)`, `http(…)`, `model(…)` and `storage(…)`, each with its reason in
//! words. What the server would refuse at installation is refused here, at the author's own line.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{LitInt, LitStr, Token, Type, parenthesized};

use crate::arguments::{Words, check_name, once};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// What the manifest's schema allows.
const MAX_TOKENS: u64 = 1_000_000;
const MAX_STORED_BYTES: u64 = 64 << 20;
const FROM_CONFIG: &str = "config:";

#[derive(Default)]
pub(crate) struct Permissions {
    knowledge: Vec<Knowledge>,
    http: Vec<Http>,
    model: Option<Model>,
    storage: Option<Storage>,
}

struct Knowledge {
    name: LitStr,
    reason: Words,
}

struct Http {
    host: LitStr,
    methods: Vec<LitStr>,
    reason: Words,
}

struct Model {
    roles: Vec<LitStr>,
    max_tokens: LitInt,
    reason: Words,
}

struct Storage {
    max_bytes: LitInt,
    reason: Words,
}

impl Permissions {
    /// Takes the key if it is a permission.
    pub(crate) fn parse(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<bool> {
        if meta.path.is_ident("knowledge") {
            self.knowledge.push(knowledge(meta)?);
        } else if meta.path.is_ident("http") {
            let one = http(meta)?;
            if self.http.iter().any(|it| it.host.value() == one.host.value()) {
                return Err(syn::Error::new(one.host.span(), "this host is here twice; name all its `methods` in one"));
            }
            self.http.push(one);
        } else if meta.path.is_ident("model") {
            once(&mut self.model, meta, model(meta)?)?;
        } else if meta.path.is_ident("storage") {
            once(&mut self.storage, meta, storage(meta)?)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { knowledge, http, model, storage } = self;
        knowledge.is_empty() && http.is_empty() && model.is_none() && storage.is_none()
    }

    /// A setting's host needs settings.
    pub(crate) fn check(&self, config: Option<&Type>) -> syn::Result<()> {
        let from_config = self.http.iter().find(|it| it.host.value().starts_with(FROM_CONFIG));
        match (from_config, config) {
            (Some(Http { host, .. }), None) => Err(syn::Error::new(
                host.span(),
                "this takes the host from a setting, but the plugin has none: add `config = Settings`",
            )),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// An expression of type `manifest::Permissions`.
    pub(crate) fn tokens(&self) -> TokenStream {
        let Self { knowledge, http, model, storage } = self;
        let knowledge = knowledge.iter().map(|Knowledge { name, reason }| {
            let reason = reason.tokens("");
            quote!(::parlour_plugin_sdk::manifest::KnowledgePermission { name: ::std::string::String::from(#name), reason: #reason })
        });
        let http = http.iter().map(|Http { host, methods, reason }| {
            let reason = reason.tokens("");
            quote!(::parlour_plugin_sdk::manifest::HttpPermission {
                host: ::std::string::String::from(#host),
                methods: ::std::vec![#(::std::string::String::from(#methods)),*],
                reason: #reason,
            })
        });
        let model = optional(model.as_ref().map(|Model { roles, max_tokens, reason }| {
            let reason = reason.tokens("");
            quote!(::parlour_plugin_sdk::manifest::ModelPermission {
                roles: ::std::vec![#(::std::string::String::from(#roles)),*],
                max_tokens_per_call: #max_tokens,
                reason: #reason,
            })
        }));
        let storage = optional(storage.as_ref().map(|Storage { max_bytes, reason }| {
            let reason = reason.tokens("");
            quote!(::parlour_plugin_sdk::manifest::StoragePermission { max_bytes: #max_bytes, reason: #reason })
        }));
        quote! {
            ::parlour_plugin_sdk::manifest::Permissions {
                knowledge: ::std::vec![#(#knowledge),*],
                http: ::std::vec![#(#http),*],
                model: #model,
                storage: #storage,
            }
        }
    }
}

/// `Some(…)` or `None`, as code.
pub(crate) fn optional(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::std::option::Option::Some(#value)),
        None => quote!(::std::option::Option::None),
    }
}

/// Reads the keys in the brackets: those of the permission, and the reason's `en` and `zh`, which it gives back.
fn read(
    meta: &ParseNestedMeta<'_>,
    keys: &str,
    mut own: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<bool>,
) -> syn::Result<Words> {
    let mut reason = Words::default();
    meta.parse_nested_meta(|inner| {
        if inner.path.is_ident("en") {
            once(&mut reason.en, &inner, inner.value()?.parse()?)
        } else if inner.path.is_ident("zh") {
            once(&mut reason.zh, &inner, inner.value()?.parse()?)
        } else if own(&inner)? {
            Ok(())
        } else {
            Err(inner.error(format!("unknown key; the keys here are {keys}, `en` and `zh`")))
        }
    })?;
    Ok(reason)
}

fn with_reason(reason: Words, span: Span) -> syn::Result<Words> {
    if reason.en.is_none() && reason.zh.is_none() {
        return Err(syn::Error::new(
            span,
            "say why the plugin needs it (`en = \"…\"`, `zh = \"…\"`): an admin reads the reason before granting",
        ));
    }
    Ok(reason)
}

/// `("GET", "POST")` after a key.
fn list(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<LitStr>> {
    let content;
    parenthesized!(content in meta.input);
    let items = Punctuated::<LitStr, Token![,]>::parse_terminated_with(&content, |input| input.parse())?;
    let mut seen = std::collections::BTreeSet::new();
    for item in &items {
        if !seen.insert(item.value()) {
            return Err(syn::Error::new(item.span(), "this is here twice"));
        }
    }
    if items.is_empty() {
        return Err(meta.error("name at least one, or leave the key out"));
    }
    Ok(items.into_iter().collect())
}

/// A number from 1 to a limit.
fn number(meta: &ParseNestedMeta<'_>, most: u64) -> syn::Result<LitInt> {
    let number: LitInt = meta.value()?.parse()?;
    match number.base10_parse::<u64>() {
        Ok(value) if (1..=most).contains(&value) => Ok(number),
        Ok(_) | Err(_) => Err(syn::Error::new(number.span(), format!("this goes from 1 to {most}"))),
    }
}

fn knowledge(meta: &ParseNestedMeta<'_>) -> syn::Result<Knowledge> {
    let mut name: Option<LitStr> = None;
    let reason = read(meta, "`name`", |inner| {
        if inner.path.is_ident("name") {
            once(&mut name, inner, inner.value()?.parse()?)?;
            return Ok(true);
        }
        Ok(false)
    })?;
    let Some(name) = name else {
        return Err(meta.error("say which knowledge base: `knowledge(name = \"menu\", en = \"why\", zh = \"为什么\")`"));
    };
    Ok(Knowledge { reason: with_reason(reason, name.span())?, name })
}

fn http(meta: &ParseNestedMeta<'_>) -> syn::Result<Http> {
    let mut host: Option<LitStr> = None;
    let mut methods = None;
    let reason = read(meta, "`host`, `methods`", |inner| {
        if inner.path.is_ident("host") {
            once(&mut host, inner, inner.value()?.parse()?)?;
        } else if inner.path.is_ident("methods") {
            once(&mut methods, inner, list(inner)?)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    })?;
    let Some(host) = host else {
        return Err(meta.error(
            "say which host: `http(host = \"api.example.com\", methods(\"GET\"), en = \"why\", zh = \"为什么\")`",
        ));
    };
    check_host(&host)?;
    let methods: Vec<LitStr> =
        methods.unwrap_or_else(|| ["GET", "HEAD"].map(|method| LitStr::new(method, host.span())).to_vec());
    for method in &methods {
        if !METHODS.contains(&method.value().as_str()) {
            return Err(syn::Error::new(
                method.span(),
                format!("there is no method `{}`; the methods are {}", method.value(), METHODS.join(", ")),
            ));
        }
    }
    Ok(Http { reason: with_reason(reason, host.span())?, host, methods })
}

/// As the server checks it: a name, perhaps below `*.`, perhaps with a port.
fn check_host(host: &LitStr) -> syn::Result<()> {
    let text = host.value();
    if text == "*" || text.strip_prefix(FROM_CONFIG).is_some_and(|key| !key.is_empty()) {
        return Ok(());
    }
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let (name, port) = name.split_once(':').map_or((name, None), |(name, port)| (name, Some(port)));
    let plain =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-._".contains(character);
    let named = name.chars().all(plain) && !name.split('.').any(str::is_empty);
    if named && port.is_none_or(|port| port.parse::<u16>().is_ok()) {
        return Ok(());
    }
    Err(syn::Error::new(
        host.span(),
        format!("`{text}` is no host: write `api.example.com`, `*.example.com`, `*` or `config:KEY`, in small letters"),
    ))
}

fn model(meta: &ParseNestedMeta<'_>) -> syn::Result<Model> {
    let (mut roles, mut max_tokens) = (None, None);
    let reason = read(meta, "`roles`, `max_tokens`", |inner| {
        if inner.path.is_ident("roles") {
            once(&mut roles, inner, list(inner)?)?;
        } else if inner.path.is_ident("max_tokens") {
            once(&mut max_tokens, inner, number(inner, MAX_TOKENS)?)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    })?;
    let (Some(roles), Some(max_tokens)) = (roles, max_tokens) else {
        return Err(meta.error(
            "say which models and how many tokens a call: `model(roles(\"default\"), max_tokens = 2000, en = \"why\", zh = \
             \"为什么\")`",
        ));
    };
    for role in &roles {
        check_name(&role.value(), role.span(), "role of a model")?;
    }
    Ok(Model { reason: with_reason(reason, max_tokens.span())?, roles, max_tokens })
}

fn storage(meta: &ParseNestedMeta<'_>) -> syn::Result<Storage> {
    let mut max_bytes = None;
    let reason = read(meta, "`max_bytes`", |inner| {
        if inner.path.is_ident("max_bytes") {
            once(&mut max_bytes, inner, number(inner, MAX_STORED_BYTES)?)?;
            return Ok(true);
        }
        Ok(false)
    })?;
    let Some(max_bytes) = max_bytes else {
        return Err(
            meta.error("say how much the plugin keeps: `storage(max_bytes = 100_000, en = \"why\", zh = \"为什么\")`")
        );
    };
    Ok(Storage { reason: with_reason(reason, max_bytes.span())?, max_bytes })
}
