//! The structs and enums of the module: they get the SDK's own serde and schemars, so that a plugin depends on the SDK
//! alone; `#[zh("…")]` on a field becomes the schema's `x-description`; a tool's input refuses unknown fields.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, Item, ItemMod, LitStr, Path, Token, parse_quote};

/// Prepares every type of the module. `inputs` are the names of types that tools read as their whole argument.
pub(crate) fn prepare(items: &mut [Item], inputs: &BTreeSet<String>) -> syn::Result<()> {
    let mut problems: Option<syn::Error> = None;
    for item in items {
        let result = if let Item::Struct(item) = item {
            let is_input = inputs.contains(&item.ident.to_string()) && matches!(item.fields, Fields::Named(_));
            let closes = is_input && !item.fields.iter().any(|field| mentions(&field.attrs, "flatten"));
            add_paths(&mut item.attrs, closes);
            translate_fields(&mut item.fields)
        } else if let Item::Enum(item) = item {
            add_paths(&mut item.attrs, false);
            item.variants.iter_mut().try_for_each(|variant| translate_fields(&mut variant.fields))
        } else if let Item::Mod(ItemMod { content: Some((_, inner)), .. }) = item {
            prepare(inner, inputs)
        } else {
            Ok(())
        };
        if let Err(error) = result {
            combine(&mut problems, error);
        }
    }
    problems.map_or(Ok(()), Err)
}

pub(crate) fn combine(problems: &mut Option<syn::Error>, error: syn::Error) {
    match problems {
        Some(problems) => problems.combine(error),
        None => *problems = Some(error),
    }
}

/// `#[zh("…")]` → `#[schemars(extend("x-description" = {"zh": "…"}))]`.
pub(crate) fn translate(attributes: &mut [Attribute]) -> syn::Result<()> {
    for attribute in attributes {
        if attribute.path().is_ident("secret") {
            return Err(syn::Error::new_spanned(
                &*attribute,
                "the type says that a setting is secret: write `api_key: Secret`, or `Option<Secret>`",
            ));
        }
        if attribute.path().is_ident("zh") {
            let text: LitStr = attribute
                .parse_args()
                .map_err(|_| syn::Error::new_spanned(&*attribute, "write the Chinese description as `#[zh(\"…\")]`"))?;
            *attribute = parse_quote!(#[schemars(extend("x-description" = {"zh": #text}))]);
        }
    }
    Ok(())
}

fn translate_fields(fields: &mut Fields) -> syn::Result<()> {
    fields.iter_mut().try_for_each(|field| translate(&mut field.attrs))
}

fn add_paths(attributes: &mut Vec<Attribute>, close: bool) {
    let derives: BTreeSet<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .filter_map(|attribute| attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok())
        .flatten()
        .filter_map(|path| path.segments.last().map(|segment| segment.ident.to_string()))
        .collect();
    if (derives.contains("Serialize") || derives.contains("Deserialize")) && !mentions(attributes, "crate") {
        attributes.push(parse_quote!(#[serde(crate = "::parlour_plugin_sdk::__private::serde")]));
    }
    if derives.contains("JsonSchema") {
        attributes.push(parse_quote!(#[schemars(crate = "::parlour_plugin_sdk::__private::schemars")]));
    }
    let open = ["deny_unknown_fields", "transparent", "from", "try_from"];
    if close && derives.contains("Deserialize") && !open.iter().any(|word| mentions(attributes, word)) {
        attributes.push(parse_quote!(#[serde(deny_unknown_fields)]));
    }
}

/// Whether a `#[serde(…)]` there has this word at its top level.
fn mentions(attributes: &[Attribute], word: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        let tokens: TokenStream = list.tokens.clone();
        tokens.into_iter().any(|token| matches!(&token, proc_macro2::TokenTree::Ident(ident) if ident == word))
    })
}

/// Derives and paths for a struct made from a tool's parameters.
pub(crate) fn argument_attributes() -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[derive(::parlour_plugin_sdk::__private::serde::Deserialize, ::parlour_plugin_sdk::__private::schemars::JsonSchema)]
        #[serde(crate = "::parlour_plugin_sdk::__private::serde", deny_unknown_fields)]
        #[schemars(crate = "::parlour_plugin_sdk::__private::schemars")]
        #[allow(non_camel_case_types)]
    }
}
