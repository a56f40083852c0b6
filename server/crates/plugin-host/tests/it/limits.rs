//! Every way a guest can go too far ends as an error in words, and the call after it works.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plugin_host::{CallContext, CallErrorKind, CallReport, Plugin};
use serde_json::json;

use crate::support::{SLOTS, Shelf, call, context, failure, host, limited, plugin, without_grants};

async fn still_works(plugin: &Plugin) {
    let input = json!({"dish": "麻婆豆腐", "n": [1, 2.5, null]});
    assert_eq!(call(plugin, "echo", input.clone()).await.result, Ok(input));
}

#[tokio::test]
async fn an_echo_comes_back_with_its_figures() {
    let plugin = plugin("menu").await;
    still_works(&plugin).await;
    let report = call(&plugin, "echo", json!({})).await;
    assert_eq!(report.memory_peak_bytes, 4 * 65_536);
    assert!(report.cpu_us > 0 && report.cpu_us <= report.duration_us + 1_000, "{report:?}");
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_processor_time() {
    let plugin = plugin("menu").await;
    let report = host().call(&plugin, "loop", json!({}), limited(|limits| limits.cpu_ms = 200)).await;
    assert!((200_000..400_000).contains(&report.cpu_us), "{report:?}");
    let error = failure(&plugin, report, CallErrorKind::CpuLimit);
    assert!(error.message.contains("200 ms"), "{error:?}");
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("plugins.limits.cpu_ms")), "{error:?}");
    still_works(&plugin).await;
}

#[tokio::test]
async fn waiting_for_the_host_is_not_billed_as_processor_time() {
    let plugin = plugin("slow").await;
    let report = host().call(&plugin, "ask", json!({}), limited(|limits| limits.cpu_ms = 50)).await;
    assert_eq!(report.result, Ok(json!({})));
    assert!(report.duration_us >= 400_000 && report.cpu_us < 50_000, "{report:?}");
}

#[tokio::test]
async fn a_host_that_never_answers_meets_the_wall_clock() {
    let plugin = plugin("stuck").await;
    let report = host().call(&plugin, "ask", json!({}), limited(|limits| limits.wall_ms = 100)).await;
    let error = failure(&plugin, report, CallErrorKind::TimeLimit);
    assert!(error.message.contains("100 ms"), "{error:?}");
    still_works(&plugin).await;
}

#[tokio::test]
async fn a_busy_guest_meets_the_wall_clock_too() {
    let plugin = plugin("menu").await;
    let report = host().call(&plugin, "loop", json!({}), limited(|limits| limits.wall_ms = 40)).await;
    failure(&plugin, report, CallErrorKind::TimeLimit);
    still_works(&plugin).await;
}

#[tokio::test]
async fn a_memory_bomb_is_named_as_one() {
    let plugin = plugin("menu").await;
    let report = host().call(&plugin, "grow", json!({}), limited(|limits| limits.memory_bytes = 8 << 20)).await;
    assert!(report.memory_peak_bytes <= 8 << 20, "{report:?}");
    let error = failure(&plugin, report, CallErrorKind::MemoryLimit);
    assert!(error.message.contains("8388608"), "{error:?}");
    still_works(&plugin).await;
}

#[tokio::test]
async fn a_table_bomb_is_named_as_one() {
    let plugin = plugin("menu").await;
    let error = failure(&plugin, call(&plugin, "bomb", json!({})).await, CallErrorKind::MemoryLimit);
    assert!(error.message.contains("table entries"), "{error:?}");
    still_works(&plugin).await;
}

#[tokio::test]
async fn a_trap_carries_the_guests_own_words_to_the_developer_only() {
    let plugin = plugin("menu").await;
    let report = call(&plugin, "trap", json!({})).await;
    assert_eq!(report.logs.len(), 1, "the log survives the trap");
    let error = failure(&plugin, report, CallErrorKind::Trap);
    assert!(error.message.contains("panicked") && !error.message.contains("src/lib.rs"), "{error:?}");
    assert!(
        error.detail.as_ref().is_some_and(|detail| detail.contains("src/lib.rs:7: the pot boiled over")),
        "{error:?}"
    );
    still_works(&plugin).await;
}

#[tokio::test]
async fn a_stack_overflow_is_a_trap() {
    let plugin = plugin("menu").await;
    let report = call(&plugin, "recurse", json!({})).await;
    let error = failure(&plugin, report, CallErrorKind::Trap);
    assert!(error.message.contains("stack"), "{error:?}");
    still_works(&plugin).await;
}

#[tokio::test]
async fn an_output_flood_is_stopped() {
    let plugin = plugin("menu").await;
    let report = call(&plugin, "flood", json!({})).await;
    let error = failure(&plugin, report, CallErrorKind::OutputLimit);
    assert!(error.message.contains("4194304"), "{error:?}");
    let report =
        host().call(&plugin, "echo", json!({"a": "b".repeat(200)}), limited(|limits| limits.output_bytes = 100));
    failure(&plugin, report.await, CallErrorKind::OutputLimit);
    still_works(&plugin).await;
}

#[tokio::test]
async fn a_large_input_within_the_limits_comes_back_whole() {
    let plugin = plugin("menu").await;
    let input = json!({"text": "辣".repeat(1_000_000)});
    assert_eq!(call(&plugin, "echo", input.clone()).await.result, Ok(input));
    let report = call(&plugin, "echo", json!({"text": "a".repeat(4 << 20)})).await;
    let error = failure(&plugin, report, CallErrorKind::InvalidInput);
    assert!(error.message.contains("4194304"), "{error:?}");
}

#[tokio::test]
async fn log_lines_beyond_the_budget_are_dropped_and_counted() {
    let plugin = plugin("menu").await;
    let CallReport { result, logs, dropped_log_lines, .. } = call(&plugin, "noise", json!({})).await;
    assert_eq!(result, Ok(json!("line")));
    assert_eq!((logs.len(), dropped_log_lines), (256, 744));
}

#[tokio::test]
async fn a_flood_of_host_calls_is_stopped() {
    let plugin = plugin("menu").await;
    let shelf = Arc::new(Shelf::default());
    let mut context = limited(|limits| limits.host_calls = 50);
    context.access = Arc::clone(&shelf) as _;
    let report = host().call(&plugin, "calls", json!({}), context).await;
    let error = failure(&plugin, report, CallErrorKind::HostCallLimit);
    assert!(error.message.contains("50 calls"), "{error:?}");
    assert_eq!(shelf.asked.load(Ordering::Relaxed), 50);
    still_works(&plugin).await;
}

#[tokio::test]
async fn knowledge_needs_both_the_asking_and_the_grant() {
    let (asked, not_asked) = (plugin("menu").await, plugin("payroll").await);
    assert_eq!(call(&asked, "ask", json!({})).await.result, Ok(json!({})));

    let shelf = Arc::new(Shelf::default());
    let ungranted = CallContext { access: Arc::clone(&shelf) as _, ..without_grants() };
    let error = failure(&asked, host().call(&asked, "ask", json!({}), ungranted).await, CallErrorKind::Denied);
    assert!(error.message.contains("`knowledge: menu` would allow it"), "{error:?}");

    let granted = CallContext { access: Arc::clone(&shelf) as _, ..context() };
    let error = failure(&not_asked, host().call(&not_asked, "ask", json!({}), granted).await, CallErrorKind::Denied);
    assert!(error.message.contains("does not ask"), "{error:?}");
    assert_eq!(shelf.asked.load(Ordering::Relaxed), 0, "a refused question never reaches the server");
}

#[tokio::test]
async fn a_panic_in_the_servers_answer_fails_that_call_alone() {
    let plugin = plugin("broken").await;
    let report = call(&plugin, "ask", json!({})).await;
    failure(&plugin, report, CallErrorKind::Failed);
    still_works(&plugin).await;
}

#[tokio::test]
async fn input_and_output_are_held_to_their_schemas() {
    let plugin = plugin("menu").await;
    let error = failure(&plugin, call(&plugin, "echo", json!({"base": 7})).await, CallErrorKind::InvalidInput);
    assert!(error.message.contains("at `/base`: 7 is not of type \"string\""), "{error:?}");
    failure(&plugin, call(&plugin, "echo", json!("text")).await, CallErrorKind::InvalidInput);
    failure(&plugin, call(&plugin, "unlike", json!({})).await, CallErrorKind::BadOutput);
    failure(&plugin, call(&plugin, "junk", json!({})).await, CallErrorKind::BadOutput);
    let error = failure(&plugin, call(&plugin, "cook", json!({})).await, CallErrorKind::NotFound);
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("`echo`")), "{error:?}");
}

#[tokio::test]
async fn no_memory_is_seen_twice() {
    let plugin = plugin("menu").await;
    for _ in 0..20 {
        assert_eq!(call(&plugin, "mark", json!({})).await.result, Ok(json!(1)), "a fresh instance each time");
    }
}

#[tokio::test]
async fn dropped_calls_leave_nothing_behind() {
    let (menu, stuck) = (plugin("menu").await, plugin("stuck").await);
    for number in 0..3 * SLOTS {
        // Some are computing when they are dropped, some wait for the host, some for a slot.
        let (plugin, tool) = if number % 2 == 0 { (&menu, "loop") } else { (&stuck, "ask") };
        let dropped = tokio::time::timeout(Duration::from_millis(5), call(plugin, tool, json!({}))).await;
        assert!(dropped.is_err());
    }
    for number in 0..1_000 {
        let input = json!({"n": number});
        assert_eq!(call(&menu, "echo", input.clone()).await.result, Ok(input));
    }
}

/// One worker thread, so a guest that held it would stop everything.
#[tokio::test]
async fn busy_guests_do_not_starve_another_plugin_or_the_server() {
    let (menu, slow) = (plugin("menu").await, plugin("slow").await);
    still_works(&slow).await;
    let looping: Vec<_> = (0..2)
        .map(|_| {
            let menu = menu.clone();
            AbortOnDrop(tokio::spawn(async move { call(&menu, "loop", json!({})).await }))
        })
        .collect();
    // Two more seconds of computing lie ahead of each; this thread gets its turns in between.
    tokio::time::sleep(Duration::from_millis(20)).await;
    for _ in 0..20 {
        still_works(&slow).await;
    }
    assert!(looping.iter().all(|looping| !looping.0.is_finished()), "both are still computing");
}

struct AbortOnDrop(tokio::task::JoinHandle<CallReport>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test]
async fn one_plugin_cannot_take_every_slot() {
    let (stuck, menu) = (plugin("stuck").await, plugin("menu").await);
    let waiting: Vec<_> = (0..2 * SLOTS)
        .map(|_| {
            let stuck = stuck.clone();
            tokio::spawn(async move {
                host().call(&stuck, "ask", json!({}), limited(|limits| limits.wall_ms = 1_000)).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    still_works(&menu).await;
    for call in waiting {
        let error = call.await.expect("no panic").result.expect_err("nobody answers");
        assert!(matches!(error.kind, CallErrorKind::TimeLimit | CallErrorKind::Unavailable), "{error:?}");
    }
}

#[tokio::test]
async fn one_tenant_cannot_keep_another_from_a_plugin() {
    let (stuck, slow, menu) = (plugin("stuck").await, plugin("slow").await, plugin("menu").await);
    let of = |tenant: &str| CallContext { tenant: tenant.to_owned(), ..limited(|limits| limits.wall_ms = 5_000) };
    // Guests that wait for ever and guests that compute, more than there are slots.
    let flood: Vec<_> = (0..3 * SLOTS)
        .map(|number| {
            let (plugin, tool) = if number % 2 == 0 { (stuck.clone(), "ask") } else { (menu.clone(), "loop") };
            let context = of("greedy");
            AbortOnDrop(tokio::spawn(async move { host().call(&plugin, tool, json!({}), context).await }))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for plugin in [&stuck, &slow, &menu] {
        let report = host().call(plugin, "echo", json!({"n": 1}), of("modest")).await;
        assert_eq!(report.result, Ok(json!({"n": 1})));
    }
    assert!(flood.iter().any(|it| !it.0.is_finished()), "the flood is still there");
}

/// Good and bad calls, finished and dropped ones, all at once on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_mixed_calls_leaves_the_host_sound() {
    let plugin = plugin("menu").await;
    let calls: Vec<_> = (0..600_u32)
        .map(|number| {
            let plugin = plugin.clone();
            tokio::spawn(async move {
                let context = limited(|limits| limits.cpu_ms = 10);
                let tool = ["echo", "trap", "loop", "grow", "ask", "mark"][number as usize % 6];
                let call = host().call(&plugin, tool, json!({}), context);
                if number % 5 == 0 {
                    return tokio::time::timeout(Duration::from_millis(3), call)
                        .await
                        .ok()
                        .map(|report| (tool, report));
                }
                Some((tool, call.await))
            })
        })
        .collect();
    for call in calls {
        let Some((tool, report)) = call.await.expect("no panic") else { continue };
        let expected = match tool {
            "trap" => Err(CallErrorKind::Trap),
            "loop" => Err(CallErrorKind::CpuLimit),
            "grow" => Err(CallErrorKind::MemoryLimit),
            "mark" => Ok(json!(1)),
            _ => Ok(json!({})),
        };
        assert_eq!(report.result.map_err(|error| error.kind), expected, "{tool}");
    }
    still_works(&plugin).await;
}
