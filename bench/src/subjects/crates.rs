//! The crates by themselves: their own `measure_…` examples do the work, so that a person can run one alone; here their lines
//! are put into tables.

use anyhow::Context;
use tokio::process::Command;

use crate::Options;
use crate::load::in_ms;
use crate::report::{Goal, Section};

/// An expression may cost so many milliseconds of processor time before it is ended.
const EXPRESSION_MS: f64 = 50.0;

/// The output of an example.
pub(super) async fn example(options: &Options, name: &str, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<String> {
    let program = options.examples.join(name);
    let out = Command::new(&program).args(arguments).kill_on_drop(true).output().await;
    let out = out.with_context(|| format!("cannot start `{}`", program.display()))?;
    anyhow::ensure!(out.status.success(), "`{name}` failed: {}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}

pub(super) async fn engine(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let text = example(options, "measure_engine", &[]).await?;
    let chains: Vec<Chain> = text.lines().filter_map(Chain::read).collect();
    let worst = chains.iter().map(|it| it.ns).max().context("the example printed no figures")?;
    section.say(
        "Chains in process, nothing stored: each template writes on what the one before wrote, each branch looks at the \
         one before. The fastest of several runs, by the wall clock: the engine has one thread. \
         `cargo run --release -p workflow-engine --example measure_engine`",
    );
    let rows: Vec<Vec<String>> = chains.iter().map(Chain::row).collect();
    section.table(&["kind", "nodes", "µs per node", "whole run", "compiling"], &rows);
    section.goals(&[Goal::at_most("engine overhead per node, the worst of these", 10.0, worst as f64 / 1e3, "µs")]);
    Ok(())
}

/// A line such as `template     10 nodes: 1107 ns a node, run 11.07µs, compile 214µs`.
struct Chain {
    kind: String,
    nodes: u64,
    ns: u64,
    run: String,
    compile: String,
}

impl Chain {
    fn read(line: &str) -> Option<Chain> {
        let (head, figures) = line.split_once(" nodes: ")?;
        let mut head = head.split_whitespace();
        let (kind, nodes) = (head.next()?.to_owned(), head.next()?.parse().ok()?);
        let mut figures = figures.split(", ");
        let ns = figures.next()?.strip_suffix(" ns a node")?.parse().ok()?;
        let run = figures.next()?.strip_prefix("run ")?.to_owned();
        let compile = figures.next()?.strip_prefix("compile ")?.to_owned();
        Some(Chain { kind, nodes, ns, run, compile })
    }

    fn row(&self) -> Vec<String> {
        let Chain { kind, nodes, ns, run, compile } = self;
        vec![kind.clone(), nodes.to_string(), format!("{:.2}", *ns as f64 / 1e3), run.clone(), compile.clone()]
    }
}

pub(super) async fn expressions(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let text = example(options, "measure_expressions", &[]).await?;
    // The run that does nothing is what the others are told beyond.
    let costs = text.lines().filter_map(cost).filter(|(_, rest)| !rest.starts_with("(nothing)"));
    let mut costs: Vec<(f64, &str)> = costs.collect();
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (worst, _) = *costs.first().context("the example printed no figures")?;
    let over = costs.iter().filter(|(ms, _)| *ms > EXPRESSION_MS).count();
    section.say(&format!(
        "{} hostile expressions and documents, in process: processor time of the thread, with the run around it. {over} took \
         more than {EXPRESSION_MS} ms. The ten dearest; the whole list: \
         `cargo run --release -p workflow-engine --example measure_expressions`",
        costs.len()
    ));
    let rows: Vec<Vec<String>> = costs
        .iter()
        .take(10)
        .filter_map(|(ms, rest)| rest.split_once(": ").map(|(name, said)| (ms, name, said)))
        .map(|(ms, name, said)| vec![name.trim().to_owned(), in_ms(*ms), said.replace('|', "\\|")])
        .collect();
    section.table(&["what", "CPU ms", "how it ended"], &rows);
    section.goals(&[Goal::at_most("the dearest of them", EXPRESSION_MS, worst, "ms CPU")]);
    Ok(())
}

/// `    12.34 ms name: how it ended` is a cost and the rest.
fn cost(line: &str) -> Option<(f64, &str)> {
    let (ms, rest) = line.trim_start().split_once(" ms ")?;
    Some((ms.parse().ok()?, rest.trim()))
}

pub(super) async fn storage(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let text = example(options, "measure_storage", &[options.work.as_os_str()]).await?;
    section.say(
        "Steps of runs through the one writer, in process, on the disk that holds the repository's build folder. The writer \
         commits what has queued up: the gain of group commit is the difference between many writers at a time and one, \
         and between commits together and apart where both are listed. `PowerLoss` waits for the disk at every commit, \
         `ProcessCrash` leaves that to the system. \
         `cargo run --release -p storage --example measure_storage`",
    );
    section.say(&format!("```\n{}\n```", text.trim_end()));
    Ok(())
}

pub(super) async fn quality(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    // The smallest one shows whether everything works.
    let sets: &[&str] = options.either(&[], &["xquad-zh"]);
    let text = example(options, "measure_quality", &sets.iter().map(std::ffi::OsStr::new).collect::<Vec<_>>()).await?;
    section.say(
        "Public sets of questions with judged passages. Each passage is one record of a knowledge base, and each question is \
         a search with the server's defaults: for 10 hits (nDCG, recall and MRR at 10), and for 100 (recall at 100). Metrics \
         are those of `trec_eval`, as means over all questions; nDCG's gain is the grade. The interval is a bootstrap over \
         paired questions, 10,000 resamples. Sets in the form of SQuAD become retrieval sets as in MTEB: the passages are all \
         distinct paragraphs, and a question's relevant passage is the one that it was asked about. \
         `cargo run --release -p knowledge --example measure_quality` downloads the sets (9 MB) and measures; it also reads \
         any folder in the form of BEIR, and asks another embedding model or a reranker.",
    );
    section.say(&text);
    section.say(
        "Published figures are from `embeddings-benchmark/results` (commit f4cc6c8b36). For multilingual-e5-small they are of \
         its weights at full precision, with passages cut at 512 tokens; the model here has 4-bit weights (Q4_0), and a passage \
         of more than 510 tokens is the mean of its windows. Prefixes (`query: `, `passage: `) are the same, and so are \
         passages and questions. For a set without such a row nothing is published there.",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_lines_are_read() {
        let chain = Chain::read("template     10 nodes: 1107 ns a node, run 11.07µs, compile 214.5µs").unwrap();
        assert_eq!(chain.row(), ["template", "10", "1.11", "11.07µs", "214.5µs"]);
        assert!(Chain::read("something else").is_none());
    }

    #[test]
    fn an_expressions_cost_is_read() {
        assert_eq!(cost("    12.34 ms     range: budget_exceeded: x"), Some((12.34, "range: budget_exceeded: x")));
        assert_eq!(cost("   (nothing): does not compile: 5 ms"), None);
    }
}
