//! Readers neither wait for the writer nor see half of what it writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Fixture, begin, run, step, tenant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_readers_see_whole_steps_while_one_writes() {
    let fixture = Fixture::sqlite().await;
    let a = tenant(&fixture.storage, "a").await;
    let it = run("w", 1);
    fixture.storage.begin_run(a, begin(it.clone())).await.unwrap();
    fixture.storage.record_step(a, it.id, step(1)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let (storage, done) = (fixture.storage.clone(), done.clone());
            tokio::spawn(async move {
                let (mut reads, mut newest) = (0, 0);
                while !done.load(Ordering::Relaxed) || reads < 20 {
                    let kept = storage.run_snapshot(a, it.id).await.unwrap().unwrap();
                    let through = kept.step;
                    assert_eq!(kept.snapshot, through.to_string(), "number and snapshot are of one step");
                    let events = storage.run_events(a, it.id, through - 1, 1).await.unwrap();
                    assert_eq!(events[0].seq, through, "its event is there as well");
                    assert!(through >= newest, "time does not run backwards");
                    newest = through;
                    reads += 1;
                }
                storage.run_snapshot(a, it.id).await.unwrap().unwrap().step.max(newest)
            })
        })
        .collect();
    for seq in 2..=300 {
        fixture.storage.record_step(a, it.id, step(seq)).await.unwrap();
        let through = fixture.storage.run_snapshot(a, it.id).await.unwrap().unwrap().step;
        assert_eq!(through, seq, "whoever has been answered reads what they wrote");
    }
    done.store(true, Ordering::Relaxed);
    for newest in futures::future::join_all(readers).await {
        assert_eq!(newest.unwrap(), 300, "all came to see the end");
    }
}
