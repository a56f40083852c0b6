//! `#[plugin]`: reads the module, says what is wrong with it, and adds the implementation of `Plugin` and the export.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Item, ItemMod, LitStr};

use crate::arguments::{self, PluginArguments};
use crate::module_types::{self, combine};
use crate::permissions::optional;
use crate::tool::{self, Tool};

pub(crate) fn plugin(tokens: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let arguments = PluginArguments::parse(tokens)?;
    let mut module: ItemMod = syn::parse2(item)
        .map_err(|error| syn::Error::new(error.span(), "`#[plugin]` goes on a module: `mod my_tools { … }`"))?;
    let description = arguments::documentation(&module.attrs);
    let Some((_, items)) = &mut module.content else {
        return Err(syn::Error::new(
            module.ident.span(),
            "`#[plugin]` reads the tools from the module itself: write it here as `mod my_tools { … }`, not in a file of its own",
        ));
    };
    let tools = tools(items, !arguments.permissions.is_empty())?;
    if tools.is_empty() {
        return Err(syn::Error::new(
            module.ident.span(),
            "this plugin has no tool: put `#[tool]` on a function in the module",
        ));
    }
    let inputs: BTreeSet<String> = tools.iter().filter_map(|tool| tool.input_type.clone()).collect();
    module_types::prepare(items, &inputs)?;
    for tool in &tools {
        if let Some(tokens) = &tool.arguments {
            items.push(syn::parse2(tokens.clone())?);
        }
    }
    let manifest = manifest(&arguments, &description, &tools);
    items.push(Item::Verbatim(implementation(&manifest, &tools)));
    Ok(quote!(#module))
}

/// `#[tool]` that `#[plugin]` did not take away stands outside of one.
pub(crate) fn stray_tool(item: TokenStream) -> syn::Error {
    let span = match syn::parse2::<syn::ItemFn>(item) {
        Ok(function) => function.sig.ident.span(),
        Err(_) => Span::call_site(),
    };
    syn::Error::new(span, "`#[tool]` belongs on a function directly inside a module marked `#[plugin(id = \"…\")]`")
}

/// Every tool of the module, or every problem of every tool.
fn tools(items: &mut [Item], asks_permission: bool) -> syn::Result<Vec<Tool>> {
    let mut problems = None;
    let mut tools = Vec::new();
    for item in items {
        let Item::Fn(function) = item else { continue };
        match tool::read(function, asks_permission) {
            Ok(Some(tool)) => tools.push(tool),
            Ok(None) => {}
            Err(error) => combine(&mut problems, error),
        }
    }
    problems.map_or(Ok(tools), Err)
}

fn manifest(arguments: &PluginArguments, description: &str, tools: &[Tool]) -> TokenStream {
    let PluginArguments { id, title, zh, icon, homepage, config, permissions } = arguments;
    let title = title.tokens(&arguments::title_from_name(&id.value()));
    let fallback = arguments::title_from_name(&id.value());
    let description = arguments::text(Some(description.to_owned()), zh.as_ref().map(LitStr::value), &fallback);
    let icon = optional(icon.as_ref().map(|path| {
        quote!(::std::string::String::from(::core::include_str!(
            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path)
        )))
    }));
    let homepage = match homepage {
        Some(homepage) => optional(Some(quote!(::std::string::String::from(#homepage)))),
        None => quote!(::parlour_plugin_sdk::__private::non_empty(::core::env!("CARGO_PKG_HOMEPAGE"))),
    };
    let config = match config {
        Some(kind) => quote!(::parlour_plugin_sdk::__private::config_schema::<#kind>()),
        None => quote!(::std::option::Option::None),
    };
    let permissions = permissions.tokens();
    let declarations = tools.iter().map(|tool| &tool.declaration);
    quote! {
        ::parlour_plugin_sdk::manifest::Manifest {
            id: ::std::string::String::from(#id),
            version: ::std::string::String::from(::core::env!("CARGO_PKG_VERSION")),
            title: #title,
            description: #description,
            icon: #icon,
            homepage: #homepage,
            license: ::parlour_plugin_sdk::__private::non_empty(::core::env!("CARGO_PKG_LICENSE")),
            tools: ::std::vec![#(#declarations),*],
            config: #config,
            permissions: #permissions,
        }
    }
}

fn implementation(manifest: &TokenStream, tools: &[Tool]) -> TokenStream {
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let callees = tools.iter().map(|tool| &tool.callee);
    quote! {
        /// The whole plugin, for tests: `FakeHost::call::<Plugin>(…)`.
        pub struct Plugin;

        impl ::parlour_plugin_sdk::Plugin for Plugin {
            fn manifest() -> ::parlour_plugin_sdk::manifest::Manifest {
                #manifest
            }

            fn invoke(tool: &str, input: &str) -> ::parlour_plugin_sdk::Result<::std::string::String> {
                match tool {
                    #(#names => ::parlour_plugin_sdk::__private::call(input, #callees),)*
                    other => ::std::result::Result::Err(::parlour_plugin_sdk::__private::unknown_tool(other, &[#(#names),*])),
                }
            }
        }

        // A native build exports nothing; without this the compiler would call every tool unused.
        const _: fn() -> ::parlour_plugin_sdk::manifest::Manifest = <Plugin as ::parlour_plugin_sdk::Plugin>::manifest;
        const _: fn(&str, &str) -> ::parlour_plugin_sdk::Result<::std::string::String> =
            <Plugin as ::parlour_plugin_sdk::Plugin>::invoke;

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "an export is unsafe by nature; the code is wit-bindgen's")]
        const _: () = {
            type Exported = ::parlour_plugin_sdk::__private::Exported<Plugin>;
            ::parlour_plugin_sdk::bindings::__export_plugin!(Exported with_types_in ::parlour_plugin_sdk::bindings);
        };
    }
}
