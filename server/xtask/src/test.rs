//! `cargo xtask test`: every test there is, with what they need. A step that fails does not hide the ones that do not need it.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::process::{cargo, run};
use crate::report::{Kind, Report};
use crate::server::{self, Profile};
use crate::{browser, codegen, plugins, qdrant, tools, web};

const PARTS: [&str; 4] = ["plugins", "web", "rust", "browser"];

/// # Errors
/// A tool is missing, something does not compile, or a test fails.
pub(crate) fn test(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = arguments.iter().find(|it| !PARTS.contains(&it.as_str())) {
        bail!(
            "`cargo xtask test` does not know `{unknown}`\nhint: the parts are {}; without any, all of them",
            PARTS.join(", ")
        );
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|it| it == part);
    let mut report = Report::default();
    let binary = server::binary(root, Profile::Debug);

    // Without these nothing else can be built, so they end the run at once.
    if report.step(Kind::SetUp, "C compiler", tools::require_c_compiler).is_none() {
        return report.finish(None);
    }
    report.step(Kind::SetUp, "Python", tools::require_python);
    if report.step(Kind::Build, "plugins to WebAssembly", || plugins::build(root, plugins::Part::All)).is_none() {
        return report.finish(None);
    }
    if wanted("plugins") {
        report.step(Kind::Test, "plugins, natively", || plugins::test(root));
    }
    report.step(Kind::SetUp, "web packages", || crate::npm::install(&root.join("web")));
    let page = report.step(Kind::Build, "web page", || web::build(root));
    if wanted("web") && page.is_some() {
        report.step(Kind::Test, "web linter", || web::script(root, "lint"));
        report.step(Kind::Test, "web unit tests", || web::script(root, "test"));
    }
    if page.is_none() {
        // The server embeds the page.
        return report.finish(None);
    }
    let mut built = None;
    if wanted("rust") {
        built = rust(root, &mut report);
    }
    if wanted("browser") {
        if built.is_none() {
            built = report.step(Kind::Build, "server", || server::build(root, Profile::Debug));
        }
        let chromium = report.step(Kind::SetUp, "Chromium and a Chinese font", || {
            tools::require_chinese_font()?;
            tools::chromium()
        });
        if let (Some(_), Some(chromium)) = (built, chromium) {
            report.step(Kind::Test, "browser, no language model", || browser::test(root, &chromium, None));
            report.step(Kind::Test, "browser, slow language model", || {
                browser::test(root, &chromium, Some(browser::free_port()?))
            });
        }
    }
    report.finish(Some(binary))
}

/// Whether the tests that take long, or that need what few machines have, are wanted too.
pub(crate) fn slow() -> bool {
    std::env::var_os("RUN_SLOW_TESTS").is_some_and(|value| value == "1")
}

/// The workspace's own tests. Gives the server's program file, which they build on the way.
fn rust(root: &Path, report: &mut Report) -> Option<PathBuf> {
    report.step(Kind::SetUp, "Postgres", tools::require_postgres)?;
    report.step(Kind::Build, "server and tests", || run(cargo(root).args(["test", "--workspace", "--no-run"])))?;
    report.step(Kind::SetUp, "embedding model", || run(&mut codegen::model_fetch(root)));
    // Every crate's failures are worth knowing, not only the first crate's.
    report.step(Kind::Test, "cargo test --workspace", || {
        run(cargo(root).args(["test", "--workspace", "--no-fail-fast"]))
    });
    if slow() {
        report.step(Kind::Test, "search on Qdrant's engine", || qdrant::test(root));
    }
    Some(server::binary(root, Profile::Debug))
}
