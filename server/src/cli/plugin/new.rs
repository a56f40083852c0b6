//! `parlour plugin new`: a project whose tests pass at once, to change from there.

use std::path::Path;
use std::process::ExitCode;

use crate::app::AppError;
use crate::config::NewPluginArgs;

use super::language::Kit;
use super::sdk;

/// The name in the template's files, and the title made of it.
const NAME: &str = "plugin_name";
const TITLE: &str = "Plugin name";

pub(super) fn execute(args: &NewPluginArgs) -> anyhow::Result<ExitCode> {
    let NewPluginArgs { folder, lang } = args;
    let name = folder.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let kit = lang.kit();
    check_name(&name, kit)?;
    if std::fs::read_dir(folder).map_or(folder.exists(), |mut it| it.next().is_some()) {
        return Err(AppError::invalid(format!("`{}` is there already", folder.display()))
            .hint("choose another name, or an empty folder")
            .into());
    }
    write(folder, &name, kit)?;
    let shown = folder.display();
    println!("made {shown}: a plugin with one tool\n");
    println!("  cd {shown}");
    println!("  parlour plugin test                   runs its tests, and its examples in the sandbox");
    println!("  parlour plugin run . split_bill --input '{{\"total\": 100, \"guests\": 3}}'");
    println!("  parlour plugin install . --key pk_…   sends it to a running server");
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, name: &str, kit: &dyn Kit) -> anyhow::Result<()> {
    for (file, content) in kit.template() {
        let content = content.replace(NAME, name).replace(TITLE, &title(name));
        sdk::put(&folder.join(file.replace(NAME, name)), content.as_bytes())?;
    }
    kit.sdk()?.renew(folder)
}

fn check_name(name: &str, kit: &dyn Kit) -> Result<(), AppError> {
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
    match kit.objection(name) {
        None => Ok(()),
        Some(why) => Err(AppError::invalid(why).hint(format!("for example `{name}_tools`"))),
    }
}

/// `wine_list` is “Wine list”.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use crate::config::Language;

    use super::*;

    #[test]
    fn names_that_cannot_be_and_what_would_be_better() {
        let rust = Language::Rust.kit();
        for good in ["wine_list", "a", "tools2"] {
            assert!(check_name(good, rust).is_ok(), "{good}");
        }
        for (bad, hint) in [
            ("Wine-List", "`wine_list`"),
            ("2fast", "`fast`"),
            ("酒单", "`wine_list`"),
            ("", "`wine_list`"),
            ("loop", "`loop_tools`"),
        ] {
            let error = check_name(bad, rust).unwrap_err();
            assert!(error.hint.as_ref().is_some_and(|it| it.contains(hint)), "{bad}: {error:?}");
        }
    }

    #[test]
    fn the_templates_have_nothing_left_to_fill_in() {
        for language in Language::value_variants() {
            let kit = language.kit();
            let folder = tempfile::tempdir().unwrap();
            let project = folder.path().join("wine_list");
            write(&project, "wine_list", kit).unwrap();
            let mut whole = String::new();
            for (file, _) in kit.template() {
                let text = std::fs::read_to_string(project.join(file.replace(NAME, "wine_list"))).unwrap();
                assert!(!text.to_lowercase().replace(' ', "_").contains(NAME), "{language:?}, {file}: {text}");
                whole.push_str(&text);
            }
            for expected in ["\"Wine list\"", "\"wine_list\"", sdk::FOLDER] {
                assert!(whole.contains(expected), "{language:?}: {expected}");
            }
            assert!(project.join(sdk::FOLDER).join("README.md").is_file(), "{language:?}");
        }
    }
}
