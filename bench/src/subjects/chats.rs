//! How much later than from the model itself a visitor reads its words.

use std::time::{Duration, Instant};

use crate::Options;
use crate::chat::{Heard, Visitor};
use crate::load::{Times, Watch, in_ms};
use crate::mock_model::{MockModel, Pace};
use crate::report::{Goal, Section};
use crate::server::{Server, Site};

/// Visitors, and the pace of the model's answers. One visitor alone needs quick answers to have enough of them.
const LEVELS: [(u32, Pace); 3] = [
    (1, Pace { tokens: 50, first: Duration::from_millis(100), gap: Duration::from_millis(5) }),
    (100, Pace { tokens: 50, first: Duration::from_millis(500), gap: Duration::from_millis(30) }),
    (1_000, Pace { tokens: 50, first: Duration::from_millis(500), gap: Duration::from_millis(30) }),
];

pub(super) async fn delays(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let time = options.either(Duration::from_secs(30), Duration::from_secs(5));
    let model = MockModel::start()?;
    let mut rows = Vec::new();
    let mut at_100 = (0, 0);
    for (visitors, pace) in LEVELS {
        // Each with a database of its own, so that no level pays for the one before.
        let site = Site::make(options, Some(&model), visitors as usize * 2).await?;
        let server = site.start().await?;
        let (heard, watched) = chat(&server, visitors, pace, time).await?;
        server.stop().await?;
        let Heard { added, first_late, late } = heard;
        let [added, first_late, late] = [added, first_late, late].map(Times::new);
        if visitors == 100 {
            at_100 = (added.percentile(50).unwrap_or_default(), added.percentile(99).unwrap_or_default());
        }
        let answers = added.count();
        let (server, own) = watched.cores();
        rows.push(vec![
            visitors.to_string(),
            format!("{:.0}", answers as f64 / watched.wall.as_secs_f64()),
            format!("{} / {}", added.ms(50), added.ms(99)),
            format!("{} / {}", first_late.ms(50), first_late.ms(99)),
            format!("{} / {}", late.ms(50), late.ms(99)),
            in_ms(watched.cpu.as_secs_f64() * 1e3 / answers.max(1) as f64),
            format!("{server:.2} / {own:.2}"),
        ]);
    }
    section.say(&format!(
        "Visitors who chat with an assistant, each in a conversation of their own, their beginnings spread evenly: one asks, \
         reads the answer as events to its end, and asks again, for {} s. The model takes 500 ms to its first token and sends 50 \
         of them 30 ms apart (for a single visitor 100 and 5). *Added* is the time from the visitor's request to the first \
         `message.delta`, less the time that the model itself held the request: accepting, storing the message, starting \
         the run, asking the model, and the way back. *Late* is the way back alone, from the model's socket to the \
         visitor's. Both include what it takes the load generator, on the same cores, to read.",
        time.as_secs()
    ));
    section.table(
        &[
            "visitors",
            "answers a second",
            "first token added ms, p50 / p99",
            "first token late ms, p50 / p99",
            "later tokens late ms, p50 / p99",
            "CPU ms per answer",
            "server / load, cores",
        ],
        &rows,
    );
    let ms = |us: u64| us as f64 / 1e3;
    section.goals(&[
        Goal::at_most("added to the first token at 100 chats, p50", 1.0, ms(at_100.0), "ms"),
        Goal::at_most("added to the first token at 100 chats, p99", 5.0, ms(at_100.1), "ms"),
    ]);
    Ok(())
}

async fn chat(
    server: &Server,
    visitors: u32,
    pace: Pace,
    time: Duration,
) -> anyhow::Result<(Heard, crate::load::Measured)> {
    let mut arrived = Vec::new();
    for _ in 0..visitors {
        arrived.push(Visitor::arrive(&server.target).await?);
    }
    // A first answer each opens the server's connections to the model, as they are on a server that has been in use.
    talk(arrived, pace, Duration::ZERO).await?;
    let mut arrived = Vec::new();
    for _ in 0..visitors {
        arrived.push(Visitor::arrive(&server.target).await?);
    }
    let watch = Watch::begin(server)?;
    let heard = talk(arrived, pace, time).await?;
    Ok((heard, watch.end(Vec::new())?))
}

/// Everyone asks at least once and goes on until the time is over.
async fn talk(visitors: Vec<Visitor>, pace: Pace, time: Duration) -> anyhow::Result<Heard> {
    let began = Instant::now();
    let count = u32::try_from(visitors.len())?;
    let mut tasks = Vec::new();
    for (number, mut visitor) in (0..count).zip(visitors) {
        tasks.push(tokio::spawn(async move {
            tokio::time::sleep(pace.whole() * number / count).await;
            let mut heard = visitor.ask(pace).await?;
            while began.elapsed() < time {
                heard.join(visitor.ask(pace).await?);
            }
            anyhow::Ok(heard)
        }));
    }
    let mut all = Heard::default();
    for task in tasks {
        all.join(task.await??);
    }
    Ok(all)
}
