//! What `parlour plugin …` takes on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use plugin_host::Grants;
use serde_json::{Map, Value, json};

use super::Format;

/// More of the text before a mistake in JSON than one needs to find it.
const SHOWN_BEFORE: usize = 30;

#[derive(Subcommand, Debug)]
pub enum PluginCommand {
    /// Make a project in a new folder: one tool, its tests, and all that it needs to build.
    New(NewPluginArgs),
    /// Compile a project to one `.wasm` file in its folder.
    #[command(long_about = "Compile a project to one `.wasm` file in its folder.\n\n\
        A project in TypeScript needs Node 20.19 or newer; its packages are installed when they are not there, with your npm's own \
        settings.\n\n\
        For Rust it takes the first of these that is there: a compiler with the target wasm32-unknown-unknown; `rustup target add`; a \
        distribution's compiler with sources, from which the standard library is compiled once per user. As root on Debian and \
        Ubuntu the distribution's packages are installed; elsewhere their names are printed.")]
    Build(BuildPluginArgs),
    /// Run a project's own tests, then every example of its manifest in the sandbox, with nothing granted.
    Test(BuildPluginArgs),
    /// Run one tool in the sandbox, here, without a server: with no knowledge bases, models or network behind it.
    Run(RunPluginArgs),
    /// Show what a plugin offers, what it asks for and what it imports.
    Inspect(InspectPluginArgs),
    /// Send a plugin to a running server.
    Install(InstallPluginArgs),
    /// Send a version to a running server for an administrator to install; what is in use there stays.
    Publish(InstallPluginArgs),
}

#[derive(Args, Debug)]
pub struct NewPluginArgs {
    /// The plugin's name, which is its folder's too; a path puts it elsewhere.
    #[arg(value_name = "NAME")]
    pub folder: PathBuf,
    /// What it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    pub lang: Language,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum Language {
    Rust,
    // clap would write `type-script`.
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    Python,
}

#[derive(Args, Debug)]
pub struct BuildPluginArgs {
    /// The project's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct RunPluginArgs {
    /// A plugin, or the folder of a project, which is built first.
    #[arg(value_name = "FILE.wasm|DIR")]
    pub plugin: PathBuf,
    /// One of its tools.
    pub tool: String,
    /// The tool's input.
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = read_json)]
    pub input: Value,
    /// A permission that the plugin asks for, for example `knowledge=menu`. May be given several times.
    #[arg(long = "grant", value_name = "KIND=NAME", value_parser = Grant::read)]
    pub grants: Vec<Grant>,
    /// A setting of the plugin; a value that reads as JSON is taken as JSON, anything else as text.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = read_setting)]
    pub settings: Vec<(String, Value)>,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct InspectPluginArgs {
    /// A plugin, or the folder of a project, which is built first.
    #[arg(value_name = "FILE.wasm|DIR")]
    pub plugin: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct InstallPluginArgs {
    /// A plugin, or the folder of a project, which is built first.
    #[arg(value_name = "FILE.wasm|DIR")]
    pub plugin: PathBuf,
    /// The server's address.
    #[arg(long, env = "PARLOUR_URL", value_name = "URL", default_value = "http://127.0.0.1:7272")]
    pub url: String,
    /// An API key with the scope `manage`.
    #[arg(long, env = "PARLOUR_KEY", value_name = "KEY", hide_env_values = true)]
    pub key: String,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// One permission as it is typed: `knowledge=menu`, or the kind alone where there is nothing to name.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    kind: String,
    name: Option<String>,
}

impl Grant {
    fn read(text: &str) -> Result<Grant, String> {
        let (kind, name) = match text.split_once('=') {
            Some((kind, name)) => (kind, Some(name.to_owned()).filter(|it| !it.is_empty())),
            None => (text, None),
        };
        let grant = Grant { kind: kind.to_owned(), name };
        // The host's own type knows which kinds there are.
        match Grant::all(std::slice::from_ref(&grant)) {
            Ok(_) => Ok(grant),
            Err(_) => {
                Err("write what the plugin's manifest asks for, for example `knowledge=menu`, `http=api.example.com` or `storage`".to_owned())
            }
        }
    }

    /// Several of them together, as a tenant would have granted them.
    pub(crate) fn all(grants: &[Grant]) -> serde_json::Result<Grants> {
        let mut together = Map::new();
        for Grant { kind, name } in grants {
            match (name, together.get_mut(kind)) {
                (Some(name), Some(Value::Array(names))) => names.push(json!(name)),
                (Some(name), _) => drop(together.insert(kind.clone(), json!([name]))),
                (None, _) => drop(together.insert(kind.clone(), json!(true))),
            }
        }
        serde_json::from_value(Value::Object(together))
    }
}

/// JSON, or where it stops being that: a column alone is hard to count, so what stands before the place is shown.
fn read_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        let whole = error.to_string();
        let problem = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(words, _)| words);
        let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        // serde_json counts bytes, and the one it names is the first that does not belong.
        let end = line.floor_char_boundary(error.column().saturating_sub(1));
        let before: Vec<char> = line.chars().take(line.get(..end).unwrap_or_default().chars().count()).collect();
        let shown: String = before.iter().skip(before.len().saturating_sub(SHOWN_BEFORE)).collect();
        let place = if shown.trim().is_empty() { String::new() } else { format!(", after `{shown}`") };
        format!("{problem} at line {}, column {}{place}", error.line(), before.len() + 1)
    })
}

fn read_setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_json_is_told_with_its_place() {
        assert_eq!(read_json(r#"{"a": [1, 2]}"#), Ok(json!({ "a": [1, 2] })));
        let message = |text: &str| read_json(text).unwrap_err();
        assert_eq!(message(r#"{"a": 1 "b": 2}"#), r#"expected `,` or `}` at line 1, column 9, after `{"a": 1 `"#);
        assert_eq!(message("{\n  \"菜\": x }"), "expected value at line 2, column 8, after `  \"菜\": `");
        assert_eq!(message("nope"), "expected ident at line 1, column 2, after `n`");
        assert!(message("").starts_with("EOF while parsing a value at line 1"), "{}", message(""));
        assert!(message(&format!("[{}", "1,".repeat(100))).len() < 120);
    }

    #[test]
    fn grants_are_read_and_put_together() {
        let read = |text: &str| Grant::read(text).unwrap();
        let all = ["knowledge=menu", "http=*.example.org", "knowledge=staff", "storage"].map(read);
        let grants = serde_json::to_value(Grant::all(&all).unwrap()).unwrap();
        assert_eq!(grants["knowledge"], json!(["menu", "staff"]));
        assert_eq!((&grants["http"], &grants["storage"]), (&json!(["*.example.org"]), &json!(true)));
        for wrong in ["knowlege=menu", "knowledge", "knowledge=", "storage=yes", "menu", ""] {
            assert!(Grant::read(wrong).is_err_and(|it| it.contains("knowledge=menu")), "{wrong}");
        }
    }

    #[test]
    fn settings_are_json_or_text() {
        assert_eq!(read_setting("limit=5"), Ok(("limit".to_owned(), json!(5))));
        assert_eq!(read_setting("currency=¥"), Ok(("currency".to_owned(), json!("¥"))));
        assert_eq!(read_setting("note=a=b"), Ok(("note".to_owned(), json!("a=b"))));
        assert!(read_setting("limit").is_err());
    }
}
