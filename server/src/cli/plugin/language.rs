//! What plugins are written in. Everything about a project that depends on its language is behind [`Kit`], in one file a
//! language; the commands know none of them.

mod python;
mod rust;
mod typescript;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum as _;

use crate::app::AppError;
use crate::config::Language;

use super::sdk::{self, Sdk};

/// A language: what a new project in it consists of, and how one is got ready.
pub(super) trait Kit {
    /// The file by which a project of this language is known, in its outermost folder.
    fn root_file(&self) -> &'static str;

    /// The files of a new project: their names and their contents, in which the template's name stands.
    fn template(&self) -> &'static [(&'static str, &'static str)];

    /// What a project of this language gets into [`sdk::FOLDER`].
    fn sdk(&self) -> anyhow::Result<Sdk>;

    /// Why a plugin cannot have this name, which is otherwise a good one.
    fn objection(&self, name: &str) -> Option<String>;

    /// Everything that a build of the project needs, its SDK apart; this may take minutes where there is no compiler yet.
    fn prepare(&self, project: &Path) -> anyhow::Result<Box<dyn Prepared>>;
}

/// A project that can be built.
pub(super) trait Prepared {
    /// Runs the project's own tests natively. Standard output stays empty: it is for what a command answers.
    fn test(&self) -> anyhow::Result<()>;

    /// Compiles it; answers the file, which is in the project's folder.
    fn compile(&self) -> anyhow::Result<PathBuf>;
}

impl Language {
    pub(super) fn kit(self) -> &'static dyn Kit {
        match self {
            Language::Rust => &rust::Rust,
            Language::TypeScript => &typescript::TypeScript,
            Language::Python => &python::Python,
        }
    }

    /// The language of the project in a folder.
    pub(super) fn of(folder: &Path) -> Result<Language, AppError> {
        let all = Language::value_variants();
        let found = all.iter().find(|it| folder.join(it.kit().root_file()).is_file());
        found.copied().ok_or_else(|| {
            let files: Vec<&str> = all.iter().map(|it| it.kit().root_file()).collect();
            AppError::invalid(format!(
                "there is no project in `{}`: it has no {}",
                folder.display(),
                files.join(" and no ")
            ))
            .hint("`parlour plugin new NAME` makes one")
        })
    }
}

/// The project in a folder with its SDK and all else that a build needs.
pub(super) fn prepare(folder: &Path) -> anyhow::Result<Box<dyn Prepared>> {
    let kit = Language::of(folder)?.kit();
    renew_sdk(kit, folder)?;
    kit.prepare(folder)
}

/// A project whose SDK comes from elsewhere is left alone.
fn renew_sdk(kit: &dyn Kit, folder: &Path) -> anyhow::Result<()> {
    let root_file = folder.join(kit.root_file());
    let text = std::fs::read_to_string(&root_file).with_context(|| format!("cannot read `{}`", root_file.display()))?;
    if text.contains(sdk::FOLDER) { kit.sdk()?.renew(folder) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_known_by_its_root_file() {
        let folder = tempfile::tempdir().unwrap();
        let unknown = Language::of(folder.path()).unwrap_err();
        for language in Language::value_variants() {
            let root_file = language.kit().root_file();
            assert!(unknown.detail.contains(root_file), "{unknown:?}");
            let names: Vec<&str> = language.kit().template().iter().map(|(name, _)| *name).collect();
            assert!(names.contains(&root_file), "{names:?}");
            let project = folder.path().join(root_file.replace('.', "_"));
            std::fs::create_dir(&project).unwrap();
            std::fs::write(project.join(root_file), "").unwrap();
            assert_eq!(Language::of(&project).unwrap(), *language);
        }
    }

    #[test]
    fn the_sdk_is_written_where_the_root_file_asks_for_it() {
        for language in Language::value_variants() {
            let kit = language.kit();
            let folder = tempfile::tempdir().unwrap();
            let root_file = folder.path().join(kit.root_file());
            for (text, there) in [("parlour-plugin-sdk = \"1\"", false), ("path = \".parlour/sdk\"", true)] {
                std::fs::write(&root_file, text).unwrap();
                renew_sdk(kit, folder.path()).unwrap();
                assert_eq!(folder.path().join(sdk::FOLDER).exists(), there, "{language:?}: {text}");
            }
        }
    }
}
