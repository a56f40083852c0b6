//! What it costs to hold much at a time: runs that wait for a person, and answers that come slowly.

use std::time::Duration;

use serde_json::json;

use crate::Options;
use crate::chat::{Heard, Visitor};
use crate::http::Request;
use crate::load::{Load, Times, Watch};
use crate::mock_model::{MockModel, Pace};
use crate::process::{Usage, open_files_limit};
use crate::report::{Goal, Section};
use crate::server::Site;

/// How long memory gets to settle before it is read.
const SETTLE: Duration = Duration::from_secs(3);

fn mb(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn kb_each(after: u64, before: u64, count: usize) -> String {
    format!("{:.2}", (after as f64 - before as f64) / 1e3 / count as f64)
}

/// Fewer than the runs that will wait: were a waiting run in progress, the server would refuse the next.
const IN_PROGRESS_ALLOWED: usize = 100;

pub(super) async fn waiting(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let [first, second] = options.either([1_000, 9_000], [150, 350]);
    let site = Site::make(options, None, IN_PROGRESS_ALLOWED).await?;
    let server = site.start().await?;
    let run = |name: &str, inputs: serde_json::Value, expected| Load {
        request: Request::post(format!("/api/v1/workflows/{name}/runs"), &json!({ "inputs": inputs })),
        expected,
        connections: 16,
    };
    // The same load with runs that end, so that what the allocator and the database keep is not counted as the runs'.
    run("one", json!({ "word": "hello" }), "\"status\":\"finished\"").times(&server.target, second).await?;
    let wait = run("wait", json!({}), "\"status\":\"waiting\"");
    let mut readings = vec![("before, after as many runs that ended", 0, settled(&server).await?)];
    wait.times(&server.target, first).await?;
    readings.push(("waiting", first, settled(&server).await?));
    wait.times(&server.target, second).await?;
    let all = first + second;
    readings.push(("waiting", all, settled(&server).await?));
    server.stop().await?;
    let server = site.start().await?;
    let look = Request::get("/api/v1/runs?status=waiting&limit=1");
    Load { request: look, expected: "\"status\":\"waiting\"", connections: 1 }.times(&server.target, 1).await?;
    let restarted = settled(&server).await?;
    server.stop().await?;
    let stored = site.stored_bytes()?;
    let before = readings.first().map_or(0, |(_, _, it)| it.resident);
    let rows: Vec<Vec<String>> = readings
        .iter()
        .map(|(what, count, usage)| {
            let each = if *count == 0 { "–".to_owned() } else { kb_each(usage.resident, before, *count) };
            let Usage { cpu: _, resident, threads, files } = usage;
            vec![(*what).to_owned(), count.to_string(), mb(*resident), each, threads.to_string(), files.to_string()]
        })
        .collect();
    section.say(&format!(
        "Runs whose `ask` node waits for an answer that does not come. A waiting run holds no task and no place among the runs in \
         progress: the server allows {IN_PROGRESS_ALLOWED} of those and took {all}. Threads and open files show that nothing \
         else is held either.",
    ));
    section.table(&["", "runs", "memory MB", "KB each over the first row", "threads", "open files"], &rows);
    section.say(&format!(
        "After a restart with all of them still waiting the server takes {} MB. The database takes {} MB for all these runs.",
        mb(restarted.resident),
        mb(stored)
    ));
    Ok(())
}

async fn settled(server: &crate::server::Server) -> anyhow::Result<Usage> {
    tokio::time::sleep(SETTLE).await;
    server.usage()
}

/// A visitor's socket, one to the model, and some for the rest of the process.
const FILES_PER_STREAM: usize = 2;
const FILES_BESIDES: usize = 200;
/// New streams a second, so that opening them does not become the load.
const OPENED_PER_SECOND: u32 = 250;
/// From one token to the next.
const GAP: Duration = Duration::from_secs(2);

struct Held {
    count: usize,
    before: Usage,
    after: Usage,
    heard: Heard,
    /// Cores of the server and of this process while nothing but the streams went on.
    cores: (f64, f64),
}

pub(super) async fn streams(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let possible = open_files_limit().map_or(usize::MAX, |it| it.saturating_sub(FILES_BESIDES) / FILES_PER_STREAM);
    let levels = options.either([1_000, 10_000], [50, 150]).map(|it| it.min(possible));
    let (mut rows, mut goals) = (Vec::new(), Vec::new());
    let megabytes = [150.0, 1_000.0];
    for (count, megabytes) in levels.into_iter().zip(megabytes) {
        let Held { count, before, after, heard, cores } = hold(options, count).await?;
        let Heard { added, first_late, late: later } = heard;
        let [added, first_late, later] = [added, first_late, later].map(Times::new);
        rows.push(vec![
            count.to_string(),
            format!("{} → {}", mb(before.resident), mb(after.resident)),
            kb_each(after.resident, before.resident, count),
            format!("{} / {}", added.ms(50), added.ms(99)),
            format!("{} / {}", first_late.ms(50), first_late.ms(99)),
            format!("{} / {}", later.ms(50), later.ms(99)),
            format!("{:.2} / {:.2}", cores.0, cores.1),
            format!("{} / {}", after.threads, after.files),
        ]);
        goals.push(Goal::at_most(format!("memory, {count} streams"), megabytes, after.resident as f64 / 1e6, "MB"));
        let p99 = first_late.percentile(99).unwrap_or_default();
        goals.push(Goal::at_most(format!("first token late, p99, {count} streams"), 20.0, p99 as f64 / 1e3, "ms"));
    }
    section.say(&format!(
        "Chats whose answers come slowly: the first token after 500 ms, then one every {} s. {OPENED_PER_SECOND} are begun a second, \
         and all are held for 10 s more; none may end or fail. *Added* and *late* are those of the chats above. The server \
         needs {FILES_PER_STREAM} sockets for each stream, so `ulimit -n` (here {}) decides how many there can be.",
        GAP.as_secs(),
        open_files_limit().map_or_else(|| "unlimited".to_owned(), |it| it.to_string()),
    ));
    section.table(
        &[
            "streams",
            "memory MB, before → held",
            "KB each",
            "first token added ms, p50 / p99",
            "first token late ms, p50 / p99",
            "later tokens late ms, p50 / p99",
            "server / load, cores while held",
            "threads / open files",
        ],
        &rows,
    );
    section.goals(&goals);
    Ok(())
}

async fn hold(options: &Options, count: usize) -> anyhow::Result<Held> {
    let model = MockModel::start()?;
    let site = Site::make(options, Some(&model), count * 2).await?;
    let server = site.start().await?;
    // A few short chats first, so that only what the streams need is counted.
    for _ in 0..20 {
        Visitor::arrive(&server.target).await?.ask(Pace::of_ms(10, 10, 0)).await?;
    }
    let before = settled(&server).await?;
    let opening = Duration::from_secs(1) * u32::try_from(count)? / OPENED_PER_SECOND;
    let held = Duration::from_secs(10);
    // The last words are due long after everybody has gone.
    let tokens = u32::try_from(((opening + held).as_secs() + 60) / GAP.as_secs())?;
    let pace = Pace { tokens, first: Duration::from_millis(500), gap: GAP };
    let mut tasks = Vec::new();
    for number in 0..u32::try_from(count)? {
        let target = server.target.clone();
        let begin = Duration::from_secs(1) * number / OPENED_PER_SECOND;
        tasks.push(tokio::spawn(async move {
            tokio::time::sleep(begin).await;
            let mut visitor = Visitor::arrive(&target).await?;
            visitor.ask_for(pace, opening + held - begin).await
        }));
    }
    // All are open and no new one comes: what is used from here on is for holding them.
    tokio::time::sleep(opening + held / 5).await;
    let watch = Watch::begin(&server)?;
    tokio::time::sleep(held / 2).await;
    let after = server.usage()?;
    let cores = watch.end(Vec::new())?.cores();
    let mut heard = Heard::default();
    for task in tasks {
        heard.join(task.await??);
    }
    server.stop().await?;
    Ok(Held { count, before, after, heard, cores })
}
