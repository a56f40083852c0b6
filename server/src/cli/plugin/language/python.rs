//! Plugins in Python: modules that become a component with an interpreter around them (`componentize-py`). What that takes is
//! installed by pip into the project's own `.parlour/venv`, so that nothing of the system's Python is touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use plugin_toolchain::{command_line, find_program};
use rust_embed::RustEmbed;

use crate::app::AppError;
use crate::cli::plugin::sdk::{self, Sdk};

use super::{Kit, Prepared};

pub(super) struct Python;

const ROOT_FILE: &str = "pyproject.toml";
const TEMPLATE: &[(&str, &str)] = &[
    (ROOT_FILE, include_str!("../template/python/pyproject.toml.template")),
    ("src/plugin_name.py", include_str!("../template/python/src/plugin_name.py")),
    ("tests/test_plugin_name.py", include_str!("../template/python/tests/test_plugin_name.py")),
    ("icon.svg", include_str!("../template/python/icon.svg")),
    ("README.md", include_str!("../template/python/README.md")),
    (".gitignore", include_str!("../template/python/gitignore")),
];

/// What a module cannot be called: Python's own words, and the names that its own modules have. A project of such a name would
/// hide the module from everything that imports it.
const WORDS: &str = "and as assert async await break case class continue def del elif else except finally for from global if \
    import in is lambda match nonlocal not or pass raise return try type while with yield";
const MODULES: &str = "abc argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar cmath cmd code \
    codecs codeop collections colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg csv \
    ctypes curses dataclasses datetime dbm decimal difflib dis doctest email encodings ensurepip enum errno faulthandler fcntl \
    filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib \
    heapq hmac html http imaplib importlib inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox \
    marshal math mimetypes mmap modulefinder multiprocessing netrc ntpath numbers opcode operator optparse os parlour_entry \
    parlour_plugin pathlib pdb pickle pickletools pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty \
    pwd pyclbr pydoc pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors \
    shelve shlex shutil signal site smtplib socket socketserver sqlite3 ssl stat statistics string stringprep struct \
    subprocess symtable sys sysconfig syslog tabnanny tarfile tempfile termios test textwrap this threading time timeit tkinter \
    token tokenize tomllib trace traceback tracemalloc tty turtle types typing unicodedata unittest urllib uuid venv warnings \
    wave weakref webbrowser wit_world wsgiref xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

/// What a project is built from and with; not the SDK's own tests.
#[derive(RustEmbed)]
#[folder = "../plugin-sdk"]
#[include = "python/README.md"]
#[include = "python/pyproject.toml"]
#[include = "python/requirements.txt"]
#[include = "python/src/*.py"]
#[include = "python/src/*/py.typed"]
#[include = "wit/*"]
struct Sources;

impl Kit for Python {
    fn root_file(&self) -> &'static str {
        ROOT_FILE
    }

    fn template(&self) -> &'static [(&'static str, &'static str)] {
        TEMPLATE
    }

    fn sdk(&self) -> anyhow::Result<Sdk> {
        let mut files = BTreeMap::new();
        for name in Sources::iter() {
            if let Some(file) = Sources::get(&name) {
                files.insert(name.strip_prefix("python/").unwrap_or(&name).to_owned(), file.data.into_owned());
            }
        }
        Ok(Sdk { files })
    }

    fn objection(&self, name: &str) -> Option<String> {
        let is_in = |words: &str| words.split_whitespace().any(|it| it == name);
        if is_in(WORDS) {
            return Some(format!("`{name}` is a word of Python, and a plugin is a Python module of its name"));
        }
        is_in(MODULES)
            .then(|| format!("Python has a module `{name}` already, and a plugin is a Python module of its name"))
    }

    fn prepare(&self, project: &Path) -> anyhow::Result<Box<dyn Prepared>> {
        let folder = std::path::absolute(project).with_context(|| format!("cannot find `{}`", project.display()))?;
        let manifest = Manifest::read(&folder)?;
        let python = environment(&folder, &manifest)?;
        Ok(Box::new(Module { folder: project.to_owned(), python, name: manifest.name }))
    }
}

/// What is read of `pyproject.toml` here; the SDK reads the rest when it builds.
struct Manifest {
    /// The plugin's id.
    name: String,
    dependencies: Vec<String>,
}

impl Manifest {
    fn read(folder: &Path) -> anyhow::Result<Manifest> {
        let file = folder.join(ROOT_FILE);
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("cannot understand `{}`", file.display()))?;
        let project = table.get("project").and_then(toml::Value::as_table);
        let Some(name) = project.and_then(|it| it.get("name")).and_then(toml::Value::as_str) else {
            return Err(AppError::invalid(format!("`{}` has no `name` below `[project]`", file.display()))
                .hint("it is the plugin's id, for example `name = \"wine_list\"`")
                .into());
        };
        let listed = project.and_then(|it| it.get("dependencies")).and_then(toml::Value::as_array);
        let dependencies = listed.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned).collect();
        Ok(Manifest { name: name.replace('-', "_"), dependencies })
    }
}

/// The interpreter of the project's own environment, with everything in it that building and testing take. Nothing happens while
/// what is wanted is the same.
fn environment(folder: &Path, manifest: &Manifest) -> anyhow::Result<PathBuf> {
    let venv = folder.join(".parlour/venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let sdk = folder.join(sdk::FOLDER);
    let requirements = sdk.join("requirements.txt");
    // A project whose SDK comes from elsewhere lists it, and what it is built with, among its dependencies.
    let pinned = std::fs::read_to_string(&requirements).unwrap_or_default();
    let wanted = format!("{}\n{pinned}{}\n", folder.display(), manifest.dependencies.join("\n"));
    let stamp = venv.join("parlour.txt");
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) {
        return Ok(python);
    }
    eprintln!("making {}, with what plugins in Python are built with", venv.display());
    run(Command::new(interpreter()?).args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    if !pinned.is_empty() {
        pip.arg("--requirement").arg(&requirements);
    }
    if run(pip.args(&manifest.dependencies)).is_err() {
        return Err(AppError::invalid(
            "what plugins in Python are built with cannot be installed; pip says why above".to_owned(),
        )
        .hint(
            "without a way to its index, name a mirror (`pip config set global.index-url …`) or a proxy (HTTPS_PROXY)",
        )
        .into());
    }
    // As `pip install --editable` would, without writing anything into the SDK's folder.
    let sources = format!("{}\n{}\n", sdk.join("src").display(), folder.join("src").display());
    let packages =
        output(Command::new(&python).args(["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]))?;
    let paths = Path::new(packages.trim()).join("parlour.pth");
    std::fs::write(&paths, sources).with_context(|| format!("cannot write `{}`", paths.display()))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write `{}`", stamp.display()))?;
    Ok(python)
}

/// A Python that can make environments. Debian splits that into a package of its own.
fn interpreter() -> anyhow::Result<PathBuf> {
    const CHECK: &str = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))";
    let suits = |it: &PathBuf| output(Command::new(it).args(["-c", CHECK]).stderr(Stdio::null())).is_ok();
    let found = ["python3", "python"].into_iter().filter_map(|it| find_program(&[it])).find(suits);
    found.ok_or_else(|| {
        let hint =
            if cfg!(target_os = "macos") { "brew install python" } else { "sudo apt-get install python3 python3-venv" };
        AppError::invalid("a plugin in Python is built with Python 3.11 or newer and its module `venv`".to_owned())
            .hint(hint)
            .into()
    })
}

struct Module {
    folder: PathBuf,
    python: PathBuf,
    name: String,
}

impl Prepared for Module {
    fn test(&self) -> anyhow::Result<()> {
        if !self.folder.join("tests").is_dir() {
            eprintln!("there are no tests in `{}`", self.folder.join("tests").display());
            return Ok(());
        }
        let mut command = Command::new(&self.python);
        command.current_dir(&self.folder).args(["-m", "unittest", "discover", "--start-directory", "tests"]);
        run(&mut command).context("the project's own tests failed; what Python says stands above")
    }

    fn compile(&self) -> anyhow::Result<PathBuf> {
        let file = self.folder.join(format!("{}.wasm", self.name));
        eprintln!("compiling with {}", self.python.display());
        let mut command = Command::new(&self.python);
        command.args(["-m", "parlour_plugin.build"]).arg(&self.folder).arg(&file);
        if run(&mut command).is_err() {
            bail!("the project in `{}` does not compile; what Python says stands above", self.folder.display());
        }
        Ok(file)
    }
}

/// Runs a command to its end. What it prints goes to standard error: standard output is for what our command answers.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = command_line(command);
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    Ok(())
}

/// What a command prints to its standard output.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = command_line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_there_whole_and_nothing_else() {
        let Sdk { files } = Python.sdk().unwrap();
        for expected in [
            "README.md",
            "pyproject.toml",
            "requirements.txt",
            "src/parlour_plugin/__init__.py",
            "src/parlour_plugin/build.py",
            "src/parlour_plugin/py.typed",
            "src/parlour_plugin/testing/host.py",
            "wit/plugin.wit",
        ] {
            assert!(files.contains_key(expected), "{expected} is missing in {:?}", files.keys());
        }
        let others = ["tests/", ".pyc", ".rs", "egg-info"];
        assert!(!files.keys().any(|it| others.iter().any(|other| it.contains(other))), "{:?}", files.keys());
    }

    #[test]
    fn a_module_of_pythons_own_is_not_hidden() {
        for (bad, words) in [("json", "a module `json` already"), ("lambda", "a word of Python")] {
            assert!(Python.objection(bad).is_some_and(|it| it.contains(words)), "{bad}");
        }
        assert_eq!(Python.objection("wine_list"), None);
    }

    #[test]
    fn the_project_says_what_it_is_called_and_needs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(ROOT_FILE);
        std::fs::write(&file, "[project]\nname = \"wine-list\"\ndependencies = [\"markdown>=3\"]\n").unwrap();
        let Manifest { name, dependencies } = Manifest::read(folder.path()).unwrap();
        assert_eq!((name.as_str(), dependencies), ("wine_list", vec!["markdown>=3".to_owned()]));
        std::fs::write(&file, "[project]\n").unwrap();
        assert!(format!("{:#}", Manifest::read(folder.path()).err().unwrap()).contains("has no `name`"));
    }
}
