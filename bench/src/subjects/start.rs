//! How long until the first answer, and what the server takes when it does nothing.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use crate::Options;
use crate::http::{Connection, Request};
use crate::load::{Times, Watch};
use crate::report::{Goal, Section};
use crate::server::Site;

const RUNS_AT_ONCE: usize = 200;

pub(super) async fn start(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let rounds = options.either(10, 3);
    let began = Instant::now();
    // Makes a key, and with it everything that a first start has to make.
    let site = Site::make(options, None, RUNS_AT_ONCE).await?;
    let first = began.elapsed();
    let request = Request::post("/api/v1/workflows/one/runs", &json!({ "inputs": { "word": "hello" } }));
    let (mut listening, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let server = site.start().await?;
        listening.push(u64::try_from(server.began.elapsed().as_micros())?);
        Connection::open(&server.target).await?.call(&request).await?;
        answered.push(u64::try_from(server.began.elapsed().as_micros())?);
        server.stop().await?;
    }
    let (listening, answered) = (Times::new(listening), Times::new(answered));
    let server = site.start().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let watch = Watch::begin(&server)?;
    tokio::time::sleep(options.either(Duration::from_secs(20), Duration::from_secs(3))).await;
    let idle = server.usage()?;
    let (busy, _) = watch.end(Vec::new())?.cores();
    server.stop().await?;
    let size = std::fs::metadata(&options.server)?.len();
    section.say(&format!(
        "From starting the process to the answer of a one-node run over HTTP, {rounds} times on a data folder that has been used \
         before: plugins compiled and cached, the operating system's own cache warm. At rest: 3 s after the start, no \
         embedding model. The binary holds the web page and the shipped plugins and has no debugging information. Making a key in an \
         empty data folder, which compiles the plugins, took {:.2} s.",
        first.as_secs_f64()
    ));
    section.table(
        &["", "measured"],
        &[
            vec!["listening, p50 / slowest".to_owned(), format!("{} / {} ms", listening.ms(50), listening.ms(100))],
            vec!["first answer, p50 / slowest".to_owned(), format!("{} / {} ms", answered.ms(50), answered.ms(100))],
            vec!["CPU at rest".to_owned(), format!("{:.2} % of a core", busy * 100.0)],
            vec!["threads / open files at rest".to_owned(), format!("{} / {}", idle.threads, idle.files)],
        ],
    );
    let middle = answered.percentile(50).context("nothing was started")?;
    section.goals(&[
        Goal::at_most("cold start to first answer, p50", 500.0, middle as f64 / 1e3, "ms"),
        Goal::at_most("memory at rest", 80.0, idle.resident as f64 / 1e6, "MB"),
        Goal::at_most("release binary with the web page", 80.0, size as f64 / 1e6, "MB"),
    ]);
    Ok(())
}
