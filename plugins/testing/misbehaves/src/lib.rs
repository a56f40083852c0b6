//! A guest that misuses its host, one tool for each way. The host's tests call them and look whether the next call works.

use parlour_plugin_sdk::plugin;

/// Misbehaves as asked.
#[plugin(id = "misbehaves", title(en = "Misbehaves", zh = "不守规矩"), zh = "按要求做各种坏事，用来测试主机。")]
mod misbehaves {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU32, Ordering};

    use parlour_plugin_sdk::prelude::*;

    /// Never ends.
    #[tool(zh = "永不结束。")]
    fn loops_forever() -> Result<u64> {
        let mut rounds = 0_u64;
        loop {
            rounds = black_box(rounds.wrapping_add(1));
            // The compiler must not see that this is never true.
            if black_box(false) {
                return Ok(rounds);
            }
        }
    }

    /// Takes memory until there is none.
    #[tool(zh = "不断申请内存，直到耗尽。")]
    fn allocates_without_end() -> Result<usize> {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        loop {
            kept.push(black_box(vec![1; 1 << 20]));
            if black_box(false) {
                return Ok(kept.len());
            }
        }
    }

    /// Asks politely for more memory than it may have, and says what it was told.
    #[tool(zh = "礼貌地申请过多内存，并报告结果。")]
    fn asks_for_memory(megabytes: usize) -> Result<Value> {
        let mut memory: Vec<u8> = Vec::new();
        let refused = memory.try_reserve_exact(megabytes << 20).is_err();
        Ok(json!({"refused": refused}))
    }

    /// Panics with a message.
    #[tool(zh = "触发 panic。")]
    fn panics(message: String) -> Result<()> {
        panic!("{message}");
    }

    /// Executes the instruction that must not be reached.
    #[tool(zh = "执行不可达指令。")]
    fn reaches_the_unreachable() -> Result<()> {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
        #[cfg(not(target_arch = "wasm32"))]
        std::process::abort();
    }

    /// Calls itself until the stack is used up.
    #[tool(zh = "无限递归，直到栈溢出。")]
    fn overflows_the_stack() -> Result<u64> {
        Ok(deeper(black_box(1)))
    }

    fn deeper(depth: u64) -> u64 {
        let room = black_box([depth; 64]);
        if depth == 0 {
            return 0;
        }
        deeper(black_box(depth.wrapping_add(1))).wrapping_add(black_box(room).iter().sum::<u64>())
    }

    /// Answers with a very long text.
    #[tool(zh = "返回超长文本。")]
    fn floods_output(#[serde(default = "hundred_million")] bytes: usize) -> Result<String> {
        Ok("x".repeat(bytes))
    }

    fn hundred_million() -> usize {
        100_000_000
    }

    /// Writes very many lines to the log, then answers.
    #[tool(zh = "写入大量日志后返回。")]
    fn floods_log(#[serde(default = "million")] lines: u32, #[serde(default)] line_bytes: usize) -> Result<u32> {
        let line = "line ".repeat(line_bytes.div_ceil(5).max(1));
        for _ in 0..lines {
            log::info(&line);
        }
        Ok(lines)
    }

    fn million() -> u32 {
        1_000_000
    }

    /// Calls the host very many times, then answers.
    #[tool(zh = "大量调用主机后返回。")]
    fn floods_host_calls(#[serde(default = "million")] calls: u32) -> Result<u64> {
        let mut last = 0;
        for _ in 0..calls {
            last = black_box(system::now_ms());
        }
        Ok(last)
    }

    static MARKER: AtomicU32 = AtomicU32::new(0);

    /// Leaves a mark in its memory, and says what it found there: 0 unless an earlier call's memory is still there.
    #[tool(zh = "在内存里留下标记，并报告之前的标记；若为 0，说明没有沿用旧内存。", idempotent = false)]
    fn remembers(mark: u32) -> Result<Value> {
        Ok(json!({"found": MARKER.swap(mark, Ordering::Relaxed)}))
    }

    /// Answers with something its output schema does not allow.
    #[tool(zh = "返回不符合输出模式的内容。")]
    fn breaks_its_schema() -> Result<Mislabelled> {
        Ok(Mislabelled { number: "not a number".to_owned() })
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Mislabelled {
        #[schemars(with = "i64")]
        pub(crate) number: String,
    }
}
