//! A project: a folder of assistants, workflows and knowledge that git can keep. Read here, checked by `validate`, loaded
//! and watched by `serve`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use domain::{DefinitionKind, TenantId};
use knowledge::BaseSpec;
use workflow_engine::{Catalog, Diagnostic, Table, signature};

use super::definitions::{check, kind_of};
use super::documents::About;
use super::tables::read_table;
use super::{App, AppError, Result};
use crate::jobs::Embed;

/// How often a served project's files are looked at. A few dozen file stamps cost microseconds.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Larger files belong into an upload, where progress can be seen.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// One document of the project with the file it stands in.
pub struct SourceFile {
    pub path: PathBuf,
    pub text: String,
}

pub struct Base {
    pub path: PathBuf,
    pub spec: BaseSpec,
    pub data: Vec<PathBuf>,
}

/// Everything in a project folder that could be read, and what could not.
#[derive(Default)]
pub struct Project {
    pub workflows: Vec<SourceFile>,
    pub assistants: Vec<SourceFile>,
    pub bases: Vec<Base>,
    /// Decision tables by their file's name.
    pub tables: Vec<(PathBuf, String, Table)>,
    pub problems: Vec<(PathBuf, String)>,
}

impl Project {
    /// Reads a folder, or a single file as a project of one document.
    pub fn read(path: &Path) -> Project {
        let mut project = Project::default();
        if path.is_file() {
            project.read_document(path);
            return project;
        }
        if !path.is_dir() {
            project.problems.push((path.to_owned(), "there is no such file or folder".to_owned()));
            return project;
        }
        for folder in ["workflows", "assistants"] {
            for file in entries(&path.join(folder)) {
                if is_yaml(&file) {
                    project.read_document(&file);
                }
            }
        }
        for folder in entries(&path.join("knowledge")) {
            if folder.is_dir() {
                project.read_base(&folder);
            }
        }
        for file in entries(&path.join("tables")) {
            if file.is_file() && !is_note(&file) {
                project.read_table(&file);
            }
        }
        if project.is_empty() && project.problems.is_empty() {
            let text = "nothing here: a project has `workflows/*.yaml`, `assistants/*.yaml`, `tables/*.csv` or `knowledge/NAME/knowledge.yaml`";
            project.problems.push((path.to_owned(), text.to_owned()));
        }
        project
    }

    fn is_empty(&self) -> bool {
        self.workflows.is_empty() && self.assistants.is_empty() && self.bases.is_empty()
    }

    fn read_document(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Err(error) => self.problems.push((path.to_owned(), format!("cannot be read: {error}"))),
            Ok(text) => {
                let file = SourceFile { path: path.to_owned(), text };
                match kind_of(&file.text) {
                    Some(DefinitionKind::Assistant) => self.assistants.push(file),
                    Some(DefinitionKind::Workflow) | None => self.workflows.push(file),
                }
            }
        }
    }

    fn read_table(&mut self, path: &Path) {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
        match read.and_then(|bytes| read_table(&name, bytes).map_err(|error| error.detail)) {
            Ok(table) => self.tables.push((path.to_owned(), name, table)),
            Err(problem) => self.problems.push((path.to_owned(), problem)),
        }
    }

    fn read_base(&mut self, folder: &Path) {
        let path = folder.join("knowledge.yaml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push((path, format!("cannot be read: {error}")));
                return;
            }
        };
        match BaseSpec::from_yaml(&text) {
            Err(error) => self.problems.push((path, error.to_string())),
            Ok(spec) => {
                let data =
                    entries(folder).into_iter().filter(|it| it.is_file() && *it != path && !is_note(it)).collect();
                self.bases.push(Base { path, spec, data });
            }
        }
    }

    /// What the project's own documents add to what is there already.
    pub fn extend(&self, catalog: &mut Catalog) {
        for file in &self.workflows {
            if let Some(found) = signature(&file.text) {
                catalog.workflows.insert(found.name.clone(), found);
            }
        }
        catalog.tables.extend(self.tables.iter().map(|(_, name, table)| (name.clone(), table.clone())));
        catalog.knowledge_bases.extend(self.bases.iter().map(|it| it.spec.name.clone()));
    }

    /// Every diagnostic of every document, by file.
    pub fn diagnostics<'a>(&'a self, catalog: &Catalog) -> Vec<(&'a SourceFile, Vec<Diagnostic>)> {
        self.workflows.iter().chain(&self.assistants).map(|it| (it, check(&it.text, catalog).1)).collect()
    }

    /// Changes whenever a file of the project does.
    fn stamp(path: &Path) -> BTreeMap<PathBuf, (SystemTime, u64)> {
        let mut stamps = BTreeMap::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder) {
                match entry.metadata() {
                    Ok(it) if it.is_dir() => folders.push(entry),
                    Ok(it) => {
                        stamps.insert(entry, (it.modified().unwrap_or(SystemTime::UNIX_EPOCH), it.len()));
                    }
                    Err(_) => {}
                }
            }
        }
        stamps
    }
}

/// Files and folders by name, hidden ones left out.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<PathBuf> = read
        .filter_map(|it| it.ok().map(|it| it.path()))
        .filter(|it| !it.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
        .collect();
    all.sort();
    all
}

fn is_yaml(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|it| it == "yaml" || it == "yml")
}

/// A README beside the data explains it to people and is not knowledge.
fn is_note(path: &Path) -> bool {
    path.file_stem().is_some_and(|it| it.eq_ignore_ascii_case("readme"))
}

/// What loading a project did; the command line prints it.
#[derive(Default)]
pub struct Loaded {
    pub assistants: Vec<String>,
    pub workflows: Vec<String>,
    pub documents: usize,
    /// Problems as they should be printed, with file and place.
    pub problems: Vec<String>,
}

impl App {
    /// Loads a project's files as published versions. A document with errors keeps its last good version.
    pub async fn load_project(&self, tenant: TenantId, path: &Path) -> Result<Loaded> {
        let project = Project::read(path);
        let mut loaded = Loaded::default();
        for (file, problem) in &project.problems {
            loaded.problems.push(format!("error: {}: {problem}", file.display()));
        }
        for base in &project.bases {
            if let Err(error) = self.load_base(tenant, base, &mut loaded).await {
                loaded.problems.push(format!(
                    "error[{}]: {}: {}",
                    error.code.code(),
                    base.path.display(),
                    error.detail
                ));
            }
        }
        for (path, name, _) in &project.tables {
            let bytes = tokio::fs::read(path).await.map_err(AppError::internal)?;
            self.put_table(tenant, name, bytes).await?;
        }
        let mut catalog = self.catalog(tenant).await?;
        project.extend(&mut catalog);
        for file in project.workflows.iter().chain(&project.assistants) {
            self.load_document(tenant, file, &catalog, &mut loaded).await?;
        }
        self.programs().forget_all();
        Ok(loaded)
    }

    async fn load_document(
        &self,
        tenant: TenantId,
        file: &SourceFile,
        catalog: &Catalog,
        loaded: &mut Loaded,
    ) -> Result<()> {
        let (checked, diagnostics) = check(&file.text, catalog);
        let shown = file.path.display().to_string();
        loaded.problems.extend(diagnostics.iter().map(|it| it.render(&shown, &file.text)));
        let Some(checked) = checked else { return Ok(()) };
        let (kind, name) = (checked.kind, checked.name.clone());
        self.store_version(tenant, checked, &file.text, Some(shown)).await?;
        match kind {
            DefinitionKind::Assistant => loaded.assistants.push(name),
            DefinitionKind::Workflow => loaded.workflows.push(name),
        }
        Ok(())
    }

    async fn load_base(&self, tenant: TenantId, base: &Base, loaded: &mut Loaded) -> Result<()> {
        let name = &base.spec.name;
        self.put_base(tenant, &base.spec).await?;
        for path in &base.data {
            match self.load_data(tenant, name, path).await {
                Ok(()) => loaded.documents += 1,
                Err(error) => {
                    let shown = path.display();
                    loaded.problems.push(format!("error[{}]: {shown}: {}", error.code.code(), error.detail));
                    for it in error.errors.iter().take(20) {
                        let row = it.line.map(|row| format!("row {row}: ")).unwrap_or_default();
                        loaded.problems.push(format!("  {row}{}", it.message));
                    }
                }
            }
        }
        Ok(())
    }

    async fn load_data(&self, tenant: TenantId, base: &str, path: &Path) -> Result<()> {
        let length = std::fs::metadata(path).map(|it| it.len()).map_err(AppError::internal)?;
        if length > MAX_FILE_BYTES {
            return Err(AppError::invalid(format!("the file has {length} bytes; at most {MAX_FILE_BYTES} are read")));
        }
        let bytes = tokio::fs::read(path).await.map_err(AppError::internal)?;
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let file = self.receive_bytes(&bytes).await?;
        let document = self.put_document(tenant, base, (&name, &file), About::default()).await?;
        self.read_at_once(tenant, document.id, Embed::Later).await
    }

    /// Loads the project again whenever one of its files changes, until the server stops.
    pub fn watch_project(&self, tenant: TenantId, path: PathBuf, on_load: impl Fn(&Path, &Loaded) + Send + 'static) {
        let app = self.clone();
        self.spawn(async move {
            let mut stamp = Project::stamp(&path);
            loop {
                tokio::select! {
                    () = tokio::time::sleep(WATCH_INTERVAL) => {}
                    () = app.stopping() => return,
                }
                let now = Project::stamp(&path);
                if now == stamp {
                    continue;
                }
                stamp = now;
                match app.load_project(tenant, &path).await {
                    Ok(loaded) => on_load(&path, &loaded),
                    Err(error) => {
                        tracing::error!(project = %path.display(), error = %error, "a project cannot be loaded")
                    }
                }
                app.vectors_are_missing();
            }
        });
    }
}
