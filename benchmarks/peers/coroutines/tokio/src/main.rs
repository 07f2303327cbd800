//! tokio's side of benchmarks/coroutines, on its current-thread runtime: peer KIND COUNT. tokio has no switch by hand, and no
//! channel without room: one of capacity 1 is the nearest.

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

async fn spawn_join(count: u64) {
    for _ in 0..count {
        tokio::spawn(async {}).await.unwrap();
    }
}

async fn cooperate(count: u64) {
    async fn step(count: u64) {
        for _ in 0..count {
            tokio::task::yield_now().await;
        }
    }
    let other = tokio::spawn(step(count / 2));
    let this = tokio::spawn(step(count / 2));
    other.await.unwrap();
    this.await.unwrap();
}

async fn channel(count: u64) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let sending = tokio::spawn(async move {
        for number in 0..count {
            sender.send(number).await.unwrap();
        }
    });
    let receiving = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(number) = receiver.recv().await {
            sum += number;
        }
        sum
    });
    sending.await.unwrap();
    assert_eq!(receiving.await.unwrap(), count * (count - 1) / 2);
}

async fn timer(count: u64) {
    for _ in 0..count {
        // A sleep is not set before it is polled.
        let mut sleep = pin!(tokio::time::sleep(Duration::from_secs(10)));
        poll_fn(|context| {
            assert!(sleep.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
}

async fn sleepers(count: u64) {
    let all: Vec<_> = (0..count)
        .map(|_| tokio::spawn(tokio::time::sleep(Duration::from_millis(500))))
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

async fn work(kind: &str, count: u64) {
    match kind {
        "spawn_join" => spawn_join(count).await,
        "yield" => cooperate(count).await,
        "channel" => channel(count).await,
        "timer" => timer(count).await,
        "sleepers" => sleepers(count).await,
        _ => panic!("no such kind of work: {kind}"),
    }
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
}

/// Processor time of this process, in nanoseconds.
fn processor_time() -> f64 {
    let mut time = [0; 2];
    // 2 is CLOCK_PROCESS_CPUTIME_ID; a timespec is two words on the 64-bit systems that Spork runs on.
    assert_eq!(unsafe { clock_gettime(2, &mut time) }, 0);
    time[0] as f64 * 1e9 + time[1] as f64
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let count: u64 = arguments[2].parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        // The root of a runtime is scheduled in another way than its tasks, so the work is a task.
        let kind = arguments[1].clone();
        let nanoseconds = tokio::spawn(async move {
            work(&kind, count / 10 + 1).await;
            let start = processor_time();
            work(&kind, count).await;
            processor_time() - start
        });
        println!("{}", nanoseconds.await.unwrap() / count as f64);
    });
}
