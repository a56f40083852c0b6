//! What stands in the brackets of `#[plugin(…)]`, `#[tool(…)]` and `#[example(…)]`.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, Expr, ExprLit, Lit, LitBool, LitStr, Meta, Type};

use crate::permissions::Permissions;

/// One text in two languages; a missing one is filled in where it is used.
#[derive(Clone, Default)]
pub(crate) struct Words {
    pub(crate) en: Option<LitStr>,
    pub(crate) zh: Option<LitStr>,
}

pub(crate) struct PluginArguments {
    pub(crate) id: LitStr,
    pub(crate) title: Words,
    pub(crate) zh: Option<LitStr>,
    pub(crate) icon: Option<LitStr>,
    pub(crate) homepage: Option<LitStr>,
    pub(crate) config: Option<Type>,
    pub(crate) permissions: Permissions,
}

#[derive(Default)]
pub(crate) struct ToolArguments {
    pub(crate) title: Words,
    pub(crate) zh: Option<LitStr>,
    pub(crate) effects: Option<LitStr>,
    pub(crate) idempotent: Option<LitBool>,
}

pub(crate) struct ExampleArguments {
    pub(crate) title: Words,
    pub(crate) input: TokenTree,
    pub(crate) output: Option<TokenTree>,
}

/// Puts a value where none is yet.
pub(crate) fn once<T>(slot: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(meta.error("this is here twice"));
    }
    *slot = Some(value);
    Ok(())
}

fn words(meta: &ParseNestedMeta<'_>) -> syn::Result<Words> {
    let mut words = Words::default();
    meta.parse_nested_meta(|inner| {
        if inner.path.is_ident("en") {
            once(&mut words.en, &inner, inner.value()?.parse()?)
        } else if inner.path.is_ident("zh") {
            once(&mut words.zh, &inner, inner.value()?.parse()?)
        } else {
            Err(inner.error("unknown language; the keys here are `en` and `zh`"))
        }
    })?;
    Ok(words)
}

impl PluginArguments {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut id: Option<LitStr> = None;
        let (mut title, mut zh, mut icon, mut homepage, mut config) = (None, None, None, None, None);
        let mut permissions = Permissions::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("id") {
                once(&mut id, &meta, meta.value()?.parse()?)
            } else if meta.path.is_ident("title") {
                once(&mut title, &meta, words(&meta)?)
            } else if meta.path.is_ident("zh") {
                once(&mut zh, &meta, meta.value()?.parse()?)
            } else if meta.path.is_ident("icon") {
                once(&mut icon, &meta, meta.value()?.parse()?)
            } else if meta.path.is_ident("homepage") {
                once(&mut homepage, &meta, meta.value()?.parse()?)
            } else if meta.path.is_ident("config") {
                once(&mut config, &meta, meta.value()?.parse()?)
            } else if permissions.parse(&meta)? {
                Ok(())
            } else {
                Err(meta.error(
                    "unknown key; the keys here are `id`, `title`, `zh`, `icon`, `homepage`, `config`, `knowledge`, `http`, \
                     `model` and `storage`",
                ))
            }
        });
        parser.parse2(tokens)?;
        let Some(id) = id else {
            return Err(syn::Error::new(Span::call_site(), "the plugin needs an id: `#[plugin(id = \"my_plugin\")]`"));
        };
        check_name(&id.value(), id.span(), "plugin id")?;
        permissions.check(config.as_ref())?;
        Ok(Self { id, title: title.unwrap_or_default(), zh, icon, homepage, config, permissions })
    }
}

impl ToolArguments {
    pub(crate) fn parse(attribute: &Attribute) -> syn::Result<Self> {
        let mut found = Self::default();
        let mut title = None;
        // Plain `#[tool]` has no brackets.
        if matches!(attribute.meta, Meta::Path(_)) {
            return Ok(found);
        }
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("title") {
                once(&mut title, &meta, words(&meta)?)
            } else if meta.path.is_ident("zh") {
                once(&mut found.zh, &meta, meta.value()?.parse()?)
            } else if meta.path.is_ident("effects") {
                let value: LitStr = meta.value()?.parse()?;
                if !matches!(value.value().as_str(), "none" | "reads" | "writes") {
                    return Err(syn::Error::new(value.span(), "effects are `none`, `reads` or `writes`"));
                }
                once(&mut found.effects, &meta, value)
            } else if meta.path.is_ident("idempotent") {
                once(&mut found.idempotent, &meta, meta.value()?.parse()?)
            } else {
                Err(meta.error("unknown key; the keys here are `title`, `zh`, `effects` and `idempotent`"))
            }
        })?;
        found.title = title.unwrap_or_default();
        Ok(found)
    }
}

impl ExampleArguments {
    pub(crate) fn parse(attribute: &Attribute) -> syn::Result<Self> {
        let (mut title, mut input, mut output) = (None, None, None);
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("title") {
                once(&mut title, &meta, words(&meta)?)
            } else if meta.path.is_ident("input") {
                once(&mut input, &meta, meta.value()?.parse()?)
            } else if meta.path.is_ident("output") {
                once(&mut output, &meta, meta.value()?.parse()?)
            } else {
                Err(meta.error("unknown key; the keys here are `title`, `input` and `output`"))
            }
        })?;
        let Some(title) = title else {
            return Err(syn::Error::new_spanned(
                attribute,
                "the example needs a title: `title(en = \"…\", zh = \"…\")`",
            ));
        };
        let Some(input) = input else {
            return Err(syn::Error::new_spanned(
                attribute,
                "the example needs an input: `input = {\"name\": \"value\"}`",
            ));
        };
        Ok(Self { title, input, output })
    }
}

/// The names that workflows write: `[a-z][a-z0-9_]{0,62}`.
pub(crate) fn check_name(name: &str, span: Span, what: &str) -> syn::Result<()> {
    let mut characters = name.chars();
    let starts = characters.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on = characters.all(|other| other.is_ascii_lowercase() || other.is_ascii_digit() || other == '_');
    if starts && goes_on && name.len() <= 63 {
        return Ok(());
    }
    Err(syn::Error::new(
        span,
        format!(
            "`{name}` cannot be a {what}: workflows write it as a name, so it starts with a small letter and goes on with \
             small letters, digits and `_`, 63 at most"
        ),
    ))
}

/// The text of the doc comments, one paragraph a block; empty when there is none.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let mut paragraphs: Vec<String> = vec![String::new()];
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { continue };
        if !pair.path.is_ident("doc") {
            continue;
        }
        // An empty `///` has no line, and is what separates paragraphs.
        let text = if text.value().is_empty() { "\n".to_owned() } else { text.value() };
        for line in text.lines().map(str::trim) {
            match paragraphs.last_mut() {
                Some(last) if !line.is_empty() => {
                    if !last.is_empty() {
                        last.push(' ');
                    }
                    last.push_str(line);
                }
                Some(_) | None => paragraphs.push(String::new()),
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n")
}

/// `filter_spicy_dishes` → `Filter spicy dishes`.
pub(crate) fn title_from_name(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut characters = words.chars();
    characters.next().map(|first| first.to_ascii_uppercase().to_string() + characters.as_str()).unwrap_or_default()
}

/// `Text` in both languages: the other language stands in for a missing one, so that neither is ever blank.
pub(crate) fn text(english: Option<String>, chinese: Option<String>, fallback: &str) -> TokenStream {
    let english = english.filter(|text| !text.trim().is_empty());
    let chinese = chinese.filter(|text| !text.trim().is_empty());
    let en = english.clone().or_else(|| chinese.clone()).unwrap_or_else(|| fallback.to_owned());
    let zh = chinese.or(english).unwrap_or_else(|| fallback.to_owned());
    quote::quote!(::parlour_plugin_sdk::Text::new(#en, #zh))
}

impl Words {
    pub(crate) fn tokens(&self, fallback: &str) -> TokenStream {
        text(self.en.as_ref().map(LitStr::value), self.zh.as_ref().map(LitStr::value), fallback)
    }
}
