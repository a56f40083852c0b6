//! `parlour plugin new`: a project whose tests pass at once, to change from there.

use std::path::Path;
use std::process::ExitCode;

use crate::app::AppError;
use crate::config::{Language, NewPluginArgs};

use super::sdk;

/// The name in the template's files, and the title made of it.
const NAME: &str = "plugin_name";
const TITLE: &str = "Plugin name";

/// A file's name and content. The lock file is that of the shipped plugins, so that a new project has the versions which
/// the SDK was tested with; cargo takes out what it does not need.
const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/Cargo.toml.template")),
    ("Cargo.lock", include_str!("../../../../plugins/Cargo.lock")),
    ("src/lib.rs", include_str!("template/src/lib.rs")),
    ("icon.svg", include_str!("template/icon.svg")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", include_str!("template/gitignore")),
];

/// What a crate cannot be called.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

pub(super) fn execute(args: &NewPluginArgs) -> anyhow::Result<ExitCode> {
    let NewPluginArgs { folder, lang } = args;
    let name = folder.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    check_name(&name)?;
    if std::fs::read_dir(folder).map_or(folder.exists(), |mut it| it.next().is_some()) {
        return Err(AppError::invalid(format!("`{}` is there already", folder.display()))
            .hint("choose another name, or an empty folder")
            .into());
    }
    match lang {
        Language::Rust => write(folder, &name)?,
    }
    let shown = folder.display();
    println!("made {shown}: a plugin with one tool\n");
    println!("  cd {shown}");
    println!("  parlour plugin test                   runs its tests, and its examples in the sandbox");
    println!("  parlour plugin run . split_bill --input '{{\"total\": 100, \"guests\": 3}}'");
    println!("  parlour plugin install . --key pk_…   sends it to a running server");
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, name: &str) -> anyhow::Result<()> {
    for (file, content) in RUST {
        let content = content.replace(NAME, name).replace(TITLE, &title(name));
        sdk::put(&folder.join(file), content.as_bytes())?;
    }
    sdk::renew(folder)
}

fn check_name(name: &str) -> Result<(), AppError> {
    let starts_well = name.starts_with(|it: char| it.is_ascii_lowercase());
    let goes_on_well = name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
    if !starts_well || !goes_on_well || name.len() > 63 {
        let mut better: String =
            name.to_lowercase().chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
        better = better.trim_matches(|it: char| it == '_' || it.is_ascii_digit()).to_owned();
        let example = if better.is_empty() || better.len() > 63 { "wine_list".to_owned() } else { better };
        return Err(AppError::invalid(format!("`{name}` is no name for a plugin")).hint(format!(
            "a name has small letters, digits and `_`, and begins with a letter, for example `{example}`"
        )));
    }
    if RESERVED.contains(&name) {
        return Err(AppError::invalid(format!("`{name}` is a word of Rust, and a plugin is a Rust crate of its name"))
            .hint(format!("for example `{name}_tools`")));
    }
    Ok(())
}

/// `wine_list` is “Wine list”.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_and_what_would_be_better() {
        for good in ["wine_list", "a", "tools2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for (bad, hint) in [
            ("Wine-List", "`wine_list`"),
            ("2fast", "`fast`"),
            ("酒单", "`wine_list`"),
            ("", "`wine_list`"),
            ("loop", "`loop_tools`"),
        ] {
            let error = check_name(bad).unwrap_err();
            assert!(error.hint.as_ref().is_some_and(|it| it.contains(hint)), "{bad}: {error:?}");
        }
    }

    #[test]
    fn the_template_has_nothing_left_to_fill_in() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("wine_list");
        write(&project, "wine_list").unwrap();
        for (file, _) in RUST {
            let text = std::fs::read_to_string(project.join(file)).unwrap();
            assert!(!text.to_lowercase().replace(' ', "_").contains(NAME), "{file}: {text}");
        }
        assert!(std::fs::read_to_string(project.join("src/lib.rs")).unwrap().contains(r#"en = "Wine list""#));
    }
}
