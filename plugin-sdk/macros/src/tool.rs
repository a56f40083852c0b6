//! One `#[tool]` function: what it says about itself, and the line that calls it.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{FnArg, ItemFn, Pat, ReturnType, Type};

use crate::arguments::{self, ExampleArguments, ToolArguments};
use crate::module_types::{self, combine};

pub(crate) struct Tool {
    pub(crate) name: String,
    /// An expression of type `manifest::Tool`.
    pub(crate) declaration: TokenStream,
    /// An expression that takes the argument and gives the result: the function, or a closure that spreads the fields.
    pub(crate) callee: TokenStream,
    /// The struct made from several parameters.
    pub(crate) arguments: Option<TokenStream>,
    /// The name of the one `input` type, where it is a plain name.
    pub(crate) input_type: Option<String>,
}

/// Reads a `#[tool]` function and takes our attributes off it; none when it is an ordinary function.
pub(crate) fn read(function: &mut ItemFn, asks_permission: bool) -> syn::Result<Option<Tool>> {
    let Some(at) = function.attrs.iter().position(|attribute| attribute.path().is_ident("tool")) else {
        return Ok(None);
    };
    let attribute = function.attrs.remove(at);
    let found = ToolArguments::parse(&attribute)?;
    check_signature(function)?;
    let name = function.sig.ident.unraw().to_string();
    arguments::check_name(&name, function.sig.ident.span(), "tool name")?;
    let description = arguments::documentation(&function.attrs);
    if description.is_empty() {
        return Err(syn::Error::new(
            function.sig.ident.span(),
            "say in a doc comment (`/// …`) what this tool does: people and models choose tools by it",
        ));
    }
    let examples = take_examples(function)?;
    let (parameters, input_type) = parameters(function)?;
    let ident = &function.sig.ident;
    let (callee, struct_tokens) = if input_type.is_some() {
        (quote!(#ident), None)
    } else {
        let arguments = format_ident!("__Arguments_{}", name);
        let names: Vec<&Ident> = parameters.iter().map(|parameter| &parameter.name).collect();
        let fields =
            parameters.iter().map(|Parameter { name, kind, attributes }| quote!(#(#attributes)* pub #name: #kind));
        let head = module_types::argument_attributes();
        (
            quote!(|arguments: #arguments| { let #arguments { #(#names),* } = arguments; #ident(#(#names),*) }),
            Some(quote!(#head pub struct #arguments { #(#fields),* })),
        )
    };
    let effects = found.effects.map(|effects| effects.value());
    let effects = effects.as_deref().unwrap_or(if asks_permission { "reads" } else { "none" });
    let idempotent = found.idempotent.map_or(effects != "writes", |idempotent| idempotent.value);
    let effects = format_ident!("{}", arguments::title_from_name(effects));
    let title = found.title.tokens(&arguments::title_from_name(&name));
    let description = arguments::text(Some(description), found.zh.map(|zh| zh.value()), "");
    let declaration = quote! {
        ::parlour_plugin_sdk::__private::with_schemas(
            ::parlour_plugin_sdk::__private::Declaration {
                name: ::std::string::String::from(#name),
                title: #title,
                description: #description,
                input: ::parlour_plugin_sdk::Value::Null,
                output: ::parlour_plugin_sdk::Value::Null,
                idempotent: #idempotent,
                effects: ::parlour_plugin_sdk::manifest::Effects::#effects,
                examples: ::std::vec![#(#examples),*],
            },
            #callee,
        )
    };
    let input_type = input_type.and_then(|kind| plain_name(&kind));
    Ok(Some(Tool { name, declaration, callee, arguments: struct_tokens, input_type }))
}

struct Parameter {
    name: Ident,
    kind: Type,
    attributes: Vec<syn::Attribute>,
}

/// The parameters, or the type of the one that is called `input`.
fn parameters(function: &mut ItemFn) -> syn::Result<(Vec<Parameter>, Option<Type>)> {
    let mut problems = None;
    let mut parameters = Vec::new();
    for argument in &mut function.sig.inputs {
        let argument = match argument {
            FnArg::Typed(argument) => argument,
            FnArg::Receiver(receiver) => {
                combine(
                    &mut problems,
                    syn::Error::new_spanned(receiver, "a tool is a plain function; it has no `self`"),
                );
                continue;
            }
        };
        let Pat::Ident(pattern) = &*argument.pat else {
            combine(
                &mut problems,
                syn::Error::new_spanned(&argument.pat, "name this parameter: its name is the argument's name"),
            );
            continue;
        };
        if let Type::Reference(reference) = &*argument.ty {
            combine(
                &mut problems,
                syn::Error::new_spanned(reference, "a tool owns its input: take `String`, `Vec<…>` or a struct"),
            );
            continue;
        }
        let mut attributes = std::mem::take(&mut argument.attrs);
        if let Err(error) = module_types::translate(&mut attributes) {
            combine(&mut problems, error);
        }
        parameters.push(Parameter { name: pattern.ident.clone(), kind: (*argument.ty).clone(), attributes });
    }
    if let Some(problems) = problems {
        return Err(problems);
    }
    match parameters.as_slice() {
        [only] if only.name == "input" => {
            let kind = only.kind.clone();
            Ok((parameters, Some(kind)))
        }
        _ => Ok((parameters, None)),
    }
}

fn check_signature(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    let mut problems = None;
    if let Some(word) = &signature.asyncness {
        combine(
            &mut problems,
            syn::Error::new_spanned(
                word,
                "a tool is not `async`: a host call just returns, and the server waits meanwhile",
            ),
        );
    }
    if !signature.generics.params.is_empty() {
        combine(
            &mut problems,
            syn::Error::new_spanned(&signature.generics, "a tool cannot be generic: its schema is made from its types"),
        );
    }
    let returns_result = match &signature.output {
        ReturnType::Type(_, kind) => plain_name(kind).is_some_and(|name| name.ends_with("Result")),
        ReturnType::Default => false,
    };
    if !returns_result {
        combine(
            &mut problems,
            syn::Error::new(signature.ident.span(), "a tool returns `Result<T>`, where `T` is what it answers"),
        );
    }
    problems.map_or(Ok(()), Err)
}

/// Takes the `#[example(…)]` attributes off the function, as expressions of type `manifest::Example`.
fn take_examples(function: &mut ItemFn) -> syn::Result<Vec<TokenStream>> {
    let mut examples = Vec::new();
    for attribute in function.attrs.extract_if(.., |attribute| attribute.path().is_ident("example")) {
        let ExampleArguments { title, input, output } = ExampleArguments::parse(&attribute)?;
        let title = title.tokens("Example");
        let output = match output {
            Some(output) => quote!(::std::option::Option::Some(::parlour_plugin_sdk::json!(#output))),
            None => quote!(::std::option::Option::None),
        };
        examples.push(quote! {
            ::parlour_plugin_sdk::manifest::Example {
                title: #title,
                input: ::parlour_plugin_sdk::json!(#input),
                output: #output,
            }
        });
    }
    Ok(examples)
}

/// The last name of a path: `Filter` of `types::Filter`.
fn plain_name(kind: &Type) -> Option<String> {
    let Type::Path(path) = kind else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}
