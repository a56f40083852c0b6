//! Workflows over HTTP: without a model, with one, and a thousand calls of one in a single run.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::Options;
use crate::http::{Connection, Request};
use crate::load::{Load, Measured, Watch, in_ms};
use crate::mock_model::{MockModel, Pace};
use crate::report::{Goal, Section};
use crate::server::{Server, Site};

const CONNECTIONS: [usize; 3] = [1, 8, 64];
/// No limit comes into the way of what is measured here.
const RUNS_AT_ONCE: usize = 2_000;
const FINISHED: &str = "\"status\":\"finished\"";
const HEAD: [&str; 8] =
    ["what", "connections", "a second", "CPU ms each", "p50 ms", "p99 ms", "server, cores", "load, cores"];

fn row(what: &str, connections: usize, measured: &Measured) -> Vec<String> {
    let (server, own) = measured.cores();
    vec![
        what.to_owned(),
        connections.to_string(),
        format!("{:.0}", measured.per_second()),
        in_ms(measured.cpu_ms()),
        measured.times.ms(50),
        measured.times.ms(99),
        format!("{server:.2}"),
        format!("{own:.2}"),
    ]
}

fn start_run(workflow: &str, inputs: &Value) -> Request {
    Request::post(format!("/api/v1/workflows/{workflow}/runs"), &json!({ "inputs": inputs }))
}

/// The lowest cost and the highest rate over the numbers of connections.
struct Best {
    cpu_ms: f64,
    per_second: f64,
}

async fn at_each(
    server: &Server,
    time: Duration,
    load: impl Fn(usize) -> (&'static str, Load),
    rows: &mut Vec<Vec<String>>,
) -> anyhow::Result<Best> {
    let mut best = Best { cpu_ms: f64::INFINITY, per_second: 0.0 };
    for connections in CONNECTIONS {
        let (what, load) = load(connections);
        let measured = load.measure(server, time).await?;
        best.cpu_ms = best.cpu_ms.min(measured.cpu_ms());
        best.per_second = best.per_second.max(measured.per_second());
        rows.push(row(what, connections, &measured));
    }
    Ok(best)
}

pub(super) async fn plain(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let time = options.either(Duration::from_secs(15), Duration::from_secs(2));
    let site = Site::make(options, None, RUNS_AT_ONCE).await?;
    let server = site.start().await?;
    let load = |request: Request, expected, connections| Load { request, expected, connections };
    let health = load(Request::get("/api/v1/session"), "\"tenant\"", 8);
    let mut rows = vec![row("no run: GET /api/v1/session", 8, &health.measure(&server, time / 3).await?)];
    let inputs = json!({ "word": "hello" });
    let one = |connections| ("one node", load(start_run("one", &inputs), FINISHED, connections));
    let one = at_each(&server, time, one, &mut rows).await?;
    let ten = |connections| ("ten nodes", load(start_run("ten", &inputs), FINISHED, connections));
    let ten = at_each(&server, time, ten, &mut rows).await?;
    server.stop().await?;
    section.say(&format!(
        "`POST /api/v1/workflows/NAME/runs` of template nodes, in closed loops: the answer is the finished run with its nodes, and \
         the run and its events are stored. {} s each after a tenth of it to warm up.",
        time.as_secs()
    ));
    section.table(&HEAD, &rows);
    section.goals(&[
        Goal::at_least("ten nodes, highest rate", 4000.0, ten.per_second, "runs/s"),
        Goal::at_most("ten nodes, CPU per run, lowest", 0.3, ten.cpu_ms, "ms"),
        Goal::at_most("one node, CPU per run, lowest", 0.15, one.cpu_ms, "ms"),
    ]);
    section.say(
        "For comparison: Dify's engine (`graphon` 0.8) needs about 13 ms of CPU for ten template nodes on a machine such as this, \
         measured in process, with nothing stored and no HTTP. That figure is quoted, not measured by this program.",
    );
    Ok(())
}

pub(super) async fn model(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let time = options.either(Duration::from_secs(15), Duration::from_secs(2));
    let model = MockModel::start()?;
    let site = Site::make(options, Some(&model), RUNS_AT_ONCE).await?;
    let server = site.start().await?;
    let load = |pace: Pace, connections| Load {
        request: start_run("stream", &json!({ "pace": pace.words() })).events(),
        expected: "event: run.finished",
        connections,
    };
    let mut rows = Vec::new();
    let at_once = |connections| ("50 tokens at once", load(Pace::of_ms(50, 0, 0), connections));
    at_each(&server, time, at_once, &mut rows).await?;
    let paced = load(Pace::of_ms(50, 100, 10), 64).measure(&server, time).await?;
    rows.push(row("50 tokens, 10 ms apart", 64, &paced));
    server.stop().await?;
    section.say(
        "A model node and an answer node that passes its words on, read as events to the end. The CPU is the server's alone: \
         the model is another process. Tokens that come at once are read from the socket together; at a model's own pace every \
         token wakes the server up, so that row is the one that counts.",
    );
    section.table(&HEAD, &rows);
    section.goals(&[Goal::at_most("CPU per run, tokens at a model's pace", 0.5, paced.cpu_ms(), "ms")]);
    Ok(())
}

/// Items in all, and how many of them the workflow works on at a time.
const ITEMS: u32 = 1_000;
const AT_A_TIME: u32 = 50;

pub(super) async fn fan_out(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let rounds = options.either(7, 2);
    let model = MockModel::start()?;
    let site = Site::make(options, Some(&model), RUNS_AT_ONCE).await?;
    let server = site.start().await?;
    let pace = Pace::of_ms(5, 50, 0);
    let items: Vec<u32> = (0..ITEMS).collect();
    let request = start_run("fan_out", &json!({ "pace": pace.words(), "items": items }));
    let mut connection = Connection::open(&server.target).await?;
    let mut runs = Vec::new();
    // The first is the warm-up.
    for _ in 0..=rounds {
        let watch = Watch::begin(&server)?;
        let answer: Value = serde_json::from_slice(connection.call(&request).await?)?;
        runs.push(watch.end(Vec::new())?);
        let count = answer.pointer("/outputs/count").and_then(Value::as_u64);
        let error = || answer.get("error").unwrap_or(&answer).to_string();
        anyhow::ensure!(count == Some(ITEMS.into()), "the model was not called for every item: {}", error());
    }
    let memory = server.usage()?.resident;
    server.stop().await?;
    let mut runs = runs.split_off(1);
    runs.sort_by_key(|it| it.wall);
    let middle = runs.get(runs.len() / 2).context("no round was measured")?;
    let cpu_ms = runs.iter().map(|it| it.cpu.as_secs_f64() * 1e3).sum::<f64>() / runs.len() as f64;
    let ideal = pace.whole().as_secs_f64() * f64::from(ITEMS / AT_A_TIME);
    let wall = middle.wall.as_secs_f64();
    section.say(&format!(
        "One run whose `each` calls the model for {ITEMS} items, {AT_A_TIME} at a time; the model answers with {} tokens after {} ms. \
         With no cost of our own it would take {ideal:.2} s. The middle one of {rounds} runs by wall time; CPU is their mean.",
        pace.tokens,
        pace.first.as_millis()
    ));
    section.table(
        &["wall s", "of it ours, s", "server CPU ms per run", "CPU ms per item", "server memory afterwards, MB"],
        &[vec![
            format!("{wall:.2}"),
            format!("{:.2}", wall - ideal),
            in_ms(cpu_ms),
            in_ms(cpu_ms / f64::from(ITEMS)),
            format!("{:.0}", memory as f64 / 1e6),
        ]],
    );
    Ok(())
}
