//! Measures what ARCHITECTURE promises of search and embeddings, on this machine:
//! `cargo run --release -p knowledge --example measure_knowledge -- [model] [RECORDS[xTENANTS]]…`, for instance
//! `100000 1000000x1000`: so many records in all, spread evenly. The model's part needs its file (PARLOUR_MODEL_DIR, or the
//! user's cache).
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measuring tool talks and may fail"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use knowledge::{
    BaseRef, BaseSpec, DocumentRef, EmbedError, Embedder, Knowledge, LocalEmbedder, LocalModelConfig, Purpose, Record,
    SearchMode, SearchRequest,
};
use serde_json::json;

/// Searches of each kind.
const SEARCHES: u32 = 100;

/// Memory and processor time of this process, from Linux.
fn resident_mb() -> f64 {
    status_mb("VmRSS")
}

fn most_resident_mb() -> f64 {
    status_mb("VmHWM")
}

fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|it| it.starts_with(name)).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|it| it.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn median(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[0])
}

/// Vectors by chance: for the speed of the index, and not of the model.
struct Chance;

impl Embedder for Chance {
    fn model(&self) -> &str {
        "chance"
    }

    fn dimensions(&self) -> usize {
        384
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        Box::pin(async move {
            Ok(texts
                .iter()
                .map(|text| {
                    let mut state =
                        text.bytes().fold(1u64, |it, byte| it.wrapping_mul(31).wrapping_add(u64::from(byte)));
                    let raw: Vec<f32> = (0..384)
                        .map(|_| {
                            state =
                                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
                        })
                        .collect();
                    let length = raw.iter().map(|it| it * it).sum::<f32>().sqrt();
                    raw.into_iter().map(|it| it / length).collect()
                })
                .collect())
        })
    }
}

async fn measure_model() {
    let dir = std::env::var_os("PARLOUR_MODEL_DIR")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/parlour/models"), PathBuf::from);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let before = resident_mb();
    let model = LocalEmbedder::new(LocalModelConfig::new(dir), reqwest::Client::new());
    model.ensure(&|_| {}).await.expect("the model can be fetched");
    let began = Instant::now();
    let query = vec!["喜欢辣味的菜品有哪些呢".to_owned()];
    model.embed(&query, Purpose::Query).await.unwrap();
    println!(
        "model: loaded in {:.0} ms, resident {:.0} MB, before {before:.0} MB",
        began.elapsed().as_millis(),
        resident_mb()
    );
    let mut walls = Vec::new();
    let cpu_before = cpu();
    for _ in 0..200 {
        let began = Instant::now();
        model.embed(&query, Purpose::Query).await.unwrap();
        walls.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let spent = (cpu() - cpu_before).as_secs_f64() * 1000.0 / 200.0;
    let (middle, least) = median(walls);
    println!("one query: {middle:.2} ms median, {least:.2} ms least, {spent:.2} ms of processor");
    for (what, text, count) in [
        ("queries", "喜欢辣味的菜品有哪些呢", 640usize),
        ("passages", &*"砂锅里的鸡肉炖得软烂入味，汤汁浓郁，配上米饭非常合适，".repeat(4), 128),
    ] {
        let texts: Vec<String> = (0..count).map(|it| format!("{text}{}", it % 10)).collect();
        let (began, cpu_before) = (Instant::now(), cpu());
        for batch in texts.chunks(64) {
            model.embed(batch, Purpose::Passage).await.unwrap();
        }
        let spent = began.elapsed().as_secs_f64();
        let processor = (cpu() - cpu_before).as_secs_f64();
        println!(
            "{what} of {} characters in batches: {:.0}/s, {:.0} a second of processor",
            text.chars().count(),
            count as f64 / spent,
            count as f64 / processor
        );
    }
    println!("model: resident {:.0} MB after work", resident_mb());
}

/// Words as in real texts: few that are everywhere, many that are rare. Every record is another text.
struct Writer(u64);

impl Writer {
    const HEADS: [&str; 15] = [
        "香辣",
        "清蒸",
        "红烧",
        "凉拌",
        "黄焖",
        "干锅",
        "退货",
        "发票",
        "路由器",
        "订单",
        "会员",
        "配送",
        "优惠",
        "门店",
        "支付",
    ];
    const TAILS: [&str; 15] = [
        "鸡肉", "牛肉", "鲈鱼", "豆腐", "茄子", "土豆", "说明", "流程", "时间", "政策", "故障", "价格", "地址", "电话",
        "问题",
    ];

    fn chance(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }

    fn record(&mut self, ordinal: u32) -> Record {
        let mut text = String::new();
        for _ in 0..12 {
            // Of 20,000 words; the first ones are drawn a hundred times as often as those in the middle.
            let word = (self.chance().powi(3) * 20_000.0) as usize;
            text.push_str(Self::HEADS[word % Self::HEADS.len()]);
            text.push_str(Self::TAILS[(word / Self::HEADS.len()) % Self::TAILS.len()]);
            text.push_str(&format!(" m{word} "));
        }
        Record {
            ordinal,
            text,
            fields: json!({"body": "…", "category": format!("c{}", ordinal % 50), "price": ordinal % 1000})
                .as_object()
                .unwrap()
                .clone(),
            ..Record::default()
        }
    }
}

/// What is asked of 100 and what the 95th waited for, in milliseconds.
fn percentiles(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() * 95 / 100])
}

async fn fill(knowledge: &Knowledge, base: &BaseRef, (records, tenants): (u32, u32)) {
    let mut writer = Writer(1);
    let (mut staging, mut embedding, mut completing) = (0.0, 0.0, 0.0);
    let each = records / tenants;
    for tenant in 0..tenants {
        let tenant = format!("t{tenant}");
        let document = DocumentRef { id: "d".to_owned(), name: "d".to_owned(), version: 1, groups: Vec::new() };
        let began = Instant::now();
        let mut next = 0;
        while next < each {
            let end = each.min(next + 256);
            let batch = (next..end).map(|it| writer.record(it)).collect();
            knowledge.stage(&tenant, base, &document, batch).await.unwrap();
            next = end;
        }
        staging += began.elapsed().as_secs_f64();
        let began = Instant::now();
        knowledge.embed_staged(&tenant, base, &document, &|_| {}, &|| false).await.unwrap();
        embedding += began.elapsed().as_secs_f64();
        let began = Instant::now();
        knowledge.complete(&tenant, base, &document).await.unwrap();
        completing += began.elapsed().as_secs_f64();
    }
    let all = staging + embedding + completing;
    println!(
        "  put in {all:.1} s, {:.0} records a second: staged in {staging:.1} s, vectors (made up) stored in {embedding:.1} s, \
         completed in {:.1} ms each; resident at most {:.0} MB",
        f64::from(records) / all,
        completing * 1000.0 / f64::from(tenants),
        most_resident_mb()
    );
}

async fn measure_index(records: u32, tenants: u32) {
    println!("{records} records of {tenants} tenants:");
    let dir = tempfile::tempdir().unwrap();
    let spec =
        BaseSpec::from_yaml("knowledge: big\nfields:\n  body: text\n  category: keyword\n  price: number\n").unwrap();
    let base = BaseRef::new("big", spec, Some(Arc::new(Chance)));
    fill(&Knowledge::open(dir.path().to_owned()).unwrap(), &base, (records, tenants)).await;
    let knowledge = Knowledge::open(dir.path().to_owned()).unwrap();
    let ask =
        |query: &str, mode, filter| SearchRequest { mode, filter, ..SearchRequest::new(vec![base.clone()], query) };
    // What the dictionary takes is not the index's.
    knowledge.search("warm", ask("清蒸鲈鱼", SearchMode::Hybrid, None)).await.unwrap();
    let before = resident_mb();
    let mut first = Vec::new();
    for tenant in 0..tenants.min(200) {
        let began = Instant::now();
        knowledge.search(&format!("t{tenant}"), ask("清蒸鲈鱼", SearchMode::Dense, None)).await.unwrap();
        first.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let (middle, slow) = percentiles(first);
    println!(
        "  first search of {} tenants, which loads: {middle:.1} ms median, {slow:.1} ms p95; resident +{:.1} MB",
        tenants.min(200),
        resident_mb() - before
    );
    for (what, query, mode, filter) in [
        ("dense", "清蒸鲈鱼", SearchMode::Dense, None),
        ("dense, filter 2 %", "清蒸鲈鱼", SearchMode::Dense, Some(json!({"category": "c7"}))),
        ("words, in most records", "清蒸鲈鱼豆腐", SearchMode::Lexical, None),
        ("words, rare", "m7777 退货 m123", SearchMode::Lexical, None),
        ("words, in most records, filter 2 %", "清蒸鲈鱼豆腐", SearchMode::Lexical, Some(json!({"category": "c7"}))),
        ("hybrid", "m7777 的退货政策", SearchMode::Hybrid, None),
        ("hybrid, filter 10 %", "m7777 的退货政策", SearchMode::Hybrid, Some(json!({"price": {"lt": 100}}))),
    ] {
        let (mut walls, mut dense, mut lexical) = (Vec::new(), Vec::new(), Vec::new());
        let cpu_before = cpu();
        for round in 0..SEARCHES {
            let tenant = format!("t{}", round % tenants.min(200));
            let began = Instant::now();
            let response = knowledge.search(&tenant, ask(query, mode, filter.clone())).await.unwrap();
            walls.push(began.elapsed().as_secs_f64() * 1000.0);
            dense.extend(response.timings.dense_ms);
            lexical.extend(response.timings.lexical_ms);
        }
        let spent = (cpu() - cpu_before).as_secs_f64() * 1000.0 / f64::from(SEARCHES);
        let (middle, slow) = percentiles(walls);
        let part = |all: Vec<f64>| if all.is_empty() { 0.0 } else { percentiles(all).0 };
        println!(
            "  {what}: {middle:.1} ms median, {slow:.1} ms p95, {spent:.1} ms of processor (dense {:.1}, words {:.1})",
            part(dense),
            part(lexical)
        );
    }
    let size: u64 = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).sum();
    println!("  on disk {} MB", size >> 20);
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() || wanted.iter().any(|it| it == "model") {
        measure_model().await;
    }
    let mut sizes: Vec<(u32, u32)> = Vec::new();
    for it in wanted.iter().filter(|it| *it != "model") {
        let (records, tenants) = it.split_once('x').unwrap_or((it, "1"));
        sizes.push((
            records.parse().expect("RECORDS or RECORDSxTENANTS"),
            tenants.parse().expect("a number of tenants"),
        ));
    }
    if sizes.is_empty() && wanted.is_empty() {
        sizes = vec![(10_000, 1), (100_000, 1)];
    }
    for (records, tenants) in sizes {
        assert!(records >= tenants && tenants > 0, "RECORDS are those of all tenants: at least one for each");
        measure_index(records, tenants).await;
    }
}
