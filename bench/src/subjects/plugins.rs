//! Plugin calls: the lines of plugin-host's own `measure_plugins`, put into tables.

use anyhow::Context;

use super::crates::example;
use crate::Options;
use crate::report::{Goal, Section};

pub(super) async fn calls(options: &Options, section: &mut Section) -> anyhow::Result<()> {
    let text = example(options, "measure_plugins", &[]).await?;
    let lines = |kind: &str| {
        let kind = format!("{kind} ");
        text.lines().filter_map(|it| it.strip_prefix(&kind).map(str::to_owned)).collect::<Vec<String>>()
    };
    let calls: Vec<Call> = lines("call").iter().filter_map(|it| Call::read(it)).collect();
    let echo = calls.first().context("the example printed no figures")?;
    let filter = calls.iter().find(|it| it.tool == "filter_spicy_dishes").context("the filter was not called")?;
    section.say(
        "A call in a fresh instance, everything included: the input's text and its check against the tool's schema, a slot, a \
         store, an instance, the guest, limits and metering, the output's check. Bare is wasmtime alone with the same engine \
         settings and pool: a fresh instance and its export called, text in and out. JSON is what any caller with values would \
         pay for their text. Processor time of the process, median (best) of 15 batches, ours and bare in turns. \
         `cargo run --release -p plugin-host --example measure_plugins`",
    );
    let row = |it: &Call| {
        let ratio = it.ours / it.bare;
        vec![
            it.tool.clone(),
            it.bytes.clone(),
            it.told[0].clone(),
            it.told[1].clone(),
            it.told[2].clone(),
            format!("{ratio:.2}"),
        ]
    };
    section.table(
        &["tool", "input, bytes", "ours, µs", "bare, µs", "JSON, µs", "ours / bare"],
        &calls.iter().map(row).collect::<Vec<_>>(),
    );
    section.goals(&[
        Goal::at_most("an echo in a fresh instance", 20.0, echo.ours, "µs"),
        Goal::at_most("a JSON filter of 1 KB in a fresh instance", 40.0, filter.ours, "µs"),
        Goal::at_most("the echo, as a multiple of bare wasmtime", 1.3, echo.ours / echo.bare, "×"),
    ]);
    let loads = lines("load");
    section.say("Loading, by the wall clock: cold is compiled on all cores, cached is read from the disk and checked; both describe.");
    section.table(&["file", "size, compiled, cold, cached"], &pairs(&loads));
    let neighbours = lines("neighbours");
    section.say(
        "Neighbours: a tenant calls the filter every 2 ms on 2 threads for 4 s, alone and beside another tenant's guests that \
         compute without end.",
    );
    section.table(&["beside", "its calls"], &pairs(&neighbours));
    let p99: Vec<f64> = neighbours.iter().filter_map(|it| number_after(it, "p99 ")).collect();
    if let [alone, one, ..] = p99.as_slice() {
        section.goals(&[Goal::at_most(
            "p99 beside a plugin that burns a processor, as a multiple of alone",
            2.0,
            one / alone,
            "×",
        )]);
    }
    section.say("All together, and many of them:");
    let rest: Vec<String> = lines("throughput").into_iter().chain(lines("resident")).collect();
    section.table(&["what", "figure"], &pairs(&rest));
    Ok(())
}

/// `echo 20 bytes: ours 18.1 (17.0) us, bare 12.0 (11.5) us, json 0.5 (0.5) us`
struct Call {
    tool: String,
    bytes: String,
    /// Ours, bare, JSON; as they are told.
    told: [String; 3],
    ours: f64,
    bare: f64,
}

impl Call {
    fn read(line: &str) -> Option<Call> {
        let (head, figures) = line.split_once(" bytes: ")?;
        let (tool, bytes) = head.split_once(' ')?;
        let figure = |name: &str| {
            let (_, rest) = figures.split_once(&format!("{name} "))?;
            Some(rest.split_once(" us")?.0.to_owned())
        };
        let median = |told: &str| told.split(' ').next()?.parse().ok();
        let told = [figure("ours")?, figure("bare")?, figure("json")?];
        Some(Call {
            tool: tool.to_owned(),
            bytes: bytes.to_owned(),
            ours: median(&told[0])?,
            bare: median(&told[1])?,
            told,
        })
    }
}

fn pairs(lines: &[String]) -> Vec<Vec<String>> {
    let pair = |line: &String| line.split_once(": ").map(|(what, figure)| vec![what.to_owned(), figure.to_owned()]);
    lines.iter().filter_map(pair).collect()
}

fn number_after(line: &str, word: &str) -> Option<f64> {
    line.split_once(word)?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let call = Call::read("echo 20 bytes: ours 18.1 (17.0) us, bare 12.0 (11.5) us, json 0.5 (0.5) us").unwrap();
        assert_eq!((call.tool.as_str(), call.bytes.as_str(), call.told[2].as_str()), ("echo", "20", "0.5 (0.5)"));
        assert!((call.ours - 18.1).abs() < 1e-9 && (call.bare - 12.0).abs() < 1e-9);
        assert!(Call::read("nothing").is_none());
        assert_eq!(number_after("p50 10 us, p99 25 us", "p99 "), Some(25.0));
        assert_eq!(pairs(&["a b: c: d".to_owned()]), [["a b", "c: d"]]);
    }
}
