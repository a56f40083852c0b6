//! Every mistake an author can make with the attributes has a file in `tests/ui`: the source, and beside it what the
//! compiler says, with line and column. The expansion is called directly, which takes milliseconds where compiling each
//! file would take seconds. `UPDATE_EXPECT=1` writes what is said now.

use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, File, Item, Meta};

use crate::expand;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

/// Takes our attribute off an item, as the compiler does before it calls us.
fn take(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let at = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    Some(attributes.remove(at))
}

/// What the first item of the file that has one of our attributes expands to.
#[expect(clippy::wildcard_enum_match_arm, reason = "syn may get more kinds of items; only these take our attributes")]
fn expand(source: &str) -> Result<String, syn::Error> {
    let file: File = syn::parse_file(source)?;
    for mut item in file.items {
        let attributes = match &mut item {
            Item::Mod(item) => &mut item.attrs,
            Item::Fn(item) => &mut item.attrs,
            Item::Struct(item) => &mut item.attrs,
            _ => continue,
        };
        if let Some(attribute) = take(attributes, "plugin") {
            let arguments = match attribute.meta {
                Meta::List(list) => list.tokens,
                Meta::Path(_) | Meta::NameValue(_) => proc_macro2::TokenStream::new(),
            };
            return expand::plugin(arguments, item.into_token_stream()).map(|tokens| tokens.to_string());
        }
        if take(attributes, "tool").is_some() {
            return Err(expand::stray_tool(item.into_token_stream()));
        }
    }
    panic!("the file has neither `#[plugin]` nor `#[tool]`");
}

/// One line a problem: where, and what.
fn said(error: syn::Error) -> String {
    let lines = error.into_iter().map(|problem| {
        let start = problem.span().start();
        format!("{}:{}: {problem}\n", start.line, start.column + 1)
    });
    lines.collect()
}

#[test]
fn every_mistake_is_told_at_the_authors_own_line() {
    let files = files();
    assert!(files.len() >= 15, "found only {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let now = match expand(&source) {
            Ok(_) => "accepted\n".to_owned(),
            Err(error) => said(error),
        };
        let expected_file = file.with_extension("stderr");
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
            std::fs::write(&expected_file, &now).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if now != expected {
            wrong.push(format!("{}\n  expected {expected}  is       {now}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_good_plugin_expands_to_code_that_parses() {
    let source = r#"
        /// Tools.
        #[plugin(id = "good", title(en = "Good", zh = "好"), zh = "工具。", config = Settings, knowledge(name = "*", en = "why", zh = "为什么"),
            http(host = "api.example.com", methods("POST"), en = "why"), http(host = "config:base_url", zh = "为什么"),
            model(roles("default", "fast"), max_tokens = 2_000, en = "why"), storage(max_bytes = 1000, en = "why"))]
        mod good {
            #[derive(Deserialize, JsonSchema)]
            struct Input { #[zh("数")] n: i64 }
            /// Adds.
            #[tool(zh = "加。", effects = "none")]
            #[example(title(en = "One", zh = "一"), input = {"n": 1}, output = 2)]
            fn add(input: Input) -> Result<i64> { Ok(input.n + 1) }
            /// Joins.
            #[tool]
            fn join(/** One */ one: String, #[serde(default)] other: String) -> Result<String> { Ok(one + &other) }
        }
    "#;
    let expanded = expand(source).unwrap();
    let parsed: File = syn::parse_str(&expanded).unwrap();
    assert_eq!(parsed.items.len(), 1);
    for part in [
        "deny_unknown_fields",
        "x-description",
        "__Arguments_join",
        "__export_plugin",
        "Effects :: Reads",
        "Effects :: None",
        "max_tokens_per_call : 2_000",
        "max_bytes : 1000",
    ] {
        assert!(expanded.contains(part), "`{part}` is missing in {expanded}");
    }
}
