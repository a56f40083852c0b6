//! How fast files are read and how much memory that takes: `measure_reading FILE [BASE.yaml]`, or without a file, on files of
//! a given size that it makes itself: `measure_reading --made csv 5000000`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example that measures may fail and prints")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use knowledge::{
    BaseSpec, EstimatedTokens, LocalModelConfig, LocalTokens, ReadOptions, Record, Sink, TokenCounter, read_records,
};
use serde_json::Map;

struct Counting {
    records: usize,
    bytes: usize,
}

impl Sink for Counting {
    fn records(&mut self, records: Vec<Record>) -> ControlFlow<()> {
        self.records += records.len();
        self.bytes += records.iter().map(|it| it.text.len()).sum::<usize>();
        ControlFlow::Continue(())
    }

    fn progress(&mut self, _: u64, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--made", kind, rows] => {
            let rows = rows.parse().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = made(folder.path(), kind, rows);
            measure(
                &path,
                "knowledge: menu\nfields:\n  name: text\n  category: keyword\n  price: number\n  note: { type: text, embed: false }\n",
                kind,
            );
        }
        ["--tokens", dir, text] => compare_counters(Path::new(dir), Path::new(text)),
        [file] => measure(Path::new(file), "knowledge: base\n", ""),
        [file, base] => measure(Path::new(file), &std::fs::read_to_string(base).unwrap(), ""),
        _ => println!("measure_reading FILE [BASE.yaml] | --made csv|jsonl|txt ROWS | --tokens MODEL_DIR TEXT"),
    }
}

fn made(folder: &Path, kind: &str, rows: usize) -> PathBuf {
    let path = folder.join(format!("made.{kind}"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    if kind == "csv" {
        writeln!(file, "name,category,price,note").unwrap();
    }
    for row in 0..rows {
        match kind {
            "csv" => writeln!(file, "菜品第{row}号,川菜,{}.5,\"这是一道很好吃的菜，编号 {row}，欢迎品尝。\"", row % 100),
            "jsonl" => writeln!(file, "{{\"name\": \"菜品第{row}号\", \"category\": \"川菜\", \"price\": {}, \"note\": \"这是一道很好吃的菜\"}}", row % 100),
            _ => writeln!(file, "第{row}条规定如下，请仔细阅读并遵守。Rule {row} says that everybody reads it.\n"),
        }
        .unwrap();
    }
    file.flush().unwrap();
    path
}

fn measure(path: &Path, spec: &str, kind: &str) {
    let spec = match kind {
        "txt" => BaseSpec::from_yaml("knowledge: base\n").unwrap(),
        _ => BaseSpec::from_yaml(spec).unwrap(),
    };
    let size = std::fs::metadata(path).unwrap().len();
    let before = peak_kb();
    let began = Instant::now();
    let mut sink = Counting { records: 0, bytes: 0 };
    let (columns, metadata) = (BTreeMap::new(), Map::new());
    let options =
        ReadOptions { spec: &spec, media_type: None, columns: &columns, tokens: &EstimatedTokens, metadata: &metadata };
    let name = path.file_name().unwrap().to_string_lossy();
    let recognised = match read_records(path, &name, &options, &mut sink) {
        Ok(recognised) => recognised,
        Err(error) => return println!("{name}: {error}"),
    };
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{name}: {:.1} MB, {} records of {:.1} MB of text in {seconds:.2} s: {:.0} records/s, {:.1} MB/s; peak memory {} MB (before {} MB); {} pages, {:?}",
        size as f64 / 1e6,
        sink.records,
        sink.bytes as f64 / 1e6,
        sink.records as f64 / seconds,
        size as f64 / 1e6 / seconds,
        peak_kb() / 1024,
        before / 1024,
        recognised.pages.unwrap_or(0),
        recognised.warnings,
    );
}

/// How far off the estimate is, line by line.
fn compare_counters(model_dir: &Path, text: &Path) {
    let local = LocalTokens::open(&LocalModelConfig::new(model_dir.to_owned())).unwrap();
    let text = std::fs::read_to_string(text).unwrap();
    let (mut real, mut guessed, mut lines, mut under) = (0usize, 0usize, 0usize, 0usize);
    let mut worst = f64::MAX;
    let began = Instant::now();
    for line in text.lines().filter(|it| it.chars().count() > 20) {
        let (a, b) = (local.count(line), EstimatedTokens.count(line));
        real += a;
        guessed += b;
        lines += 1;
        under += usize::from(b < a);
        worst = worst.min(b as f64 / a.max(1) as f64);
    }
    println!(
        "{lines} lines: {real} tokens, estimated {guessed} ({:+.1} %); too low in {under}, at worst {worst:.2} of the real number; {:.1} s",
        (guessed as f64 / real as f64 - 1.0) * 100.0,
        began.elapsed().as_secs_f64()
    );
}

/// The largest resident size so far, from /proc; 0 where there is none.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).unwrap_or(0)
}
