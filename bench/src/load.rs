//! Load in closed loops: each connection sends its next request when the last one is answered. And what came of it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::http::{Connection, Request, Target};
use crate::process::Usage;
use crate::server::Server;

/// Characters of a wrong answer that an error repeats.
const QUOTED: usize = 1_000;

/// Times in microseconds.
#[derive(Default)]
pub(crate) struct Times {
    sorted: Vec<u64>,
}

impl Times {
    pub(crate) fn new(mut times: Vec<u64>) -> Times {
        times.sort_unstable();
        Times { sorted: times }
    }

    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The smallest time that so many of a hundred do not exceed; none when nothing was measured.
    pub(crate) fn percentile(&self, part: usize) -> Option<u64> {
        let rank = (self.sorted.len() * part).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied()
    }

    /// In milliseconds, as a table shows it.
    pub(crate) fn ms(&self, part: usize) -> String {
        self.percentile(part).map_or_else(|| "–".to_owned(), |it| in_ms(it as f64 / 1e3))
    }
}

/// Enough digits to see a difference and no more.
pub(crate) fn in_ms(ms: f64) -> String {
    match ms {
        it if it < 1.0 => format!("{it:.3}"),
        it if it < 100.0 => format!("{it:.2}"),
        it => format!("{it:.0}"),
    }
}

/// What a stretch of load did.
pub(crate) struct Measured {
    pub(crate) times: Times,
    pub(crate) wall: Duration,
    /// Of the server's process.
    pub(crate) cpu: Duration,
    /// Of this process: the load generator and the mock model.
    pub(crate) own_cpu: Duration,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.times.count() as f64 / self.wall.as_secs_f64()
    }

    /// Milliseconds of the server's processor time for each answered request.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / self.times.count().max(1) as f64
    }

    /// Cores that the server kept busy, and those that this process did.
    pub(crate) fn cores(&self) -> (f64, f64) {
        let wall = self.wall.as_secs_f64();
        (self.cpu.as_secs_f64() / wall, self.own_cpu.as_secs_f64() / wall)
    }
}

/// Looks at the clock and at what both processes have used, before and after.
pub(crate) struct Watch<'a> {
    server: &'a Server,
    before: (Usage, Usage),
    began: Instant,
}

impl<'a> Watch<'a> {
    pub(crate) fn begin(server: &'a Server) -> anyhow::Result<Watch<'a>> {
        Ok(Watch { server, before: (server.usage()?, Usage::own()?), began: Instant::now() })
    }

    pub(crate) fn end(self, times: Vec<u64>) -> anyhow::Result<Measured> {
        let wall = self.began.elapsed();
        let (server, own) = (self.server.usage()?, Usage::own()?);
        Ok(Measured {
            times: Times::new(times),
            wall,
            cpu: server.cpu.saturating_sub(self.before.0.cpu),
            own_cpu: own.cpu.saturating_sub(self.before.1.cpu),
        })
    }
}

/// A request that is sent again and again, and words without which an answer is none.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) request: Request,
    pub(crate) expected: &'static str,
    pub(crate) connections: usize,
}

impl Load {
    /// A tenth of the time to warm up, then the measured time.
    ///
    /// # Errors
    /// An answer is not what was expected: a server that fails fast shall not look fast.
    pub(crate) async fn measure(&self, server: &Server, time: Duration) -> anyhow::Result<Measured> {
        self.repeat(&server.target, time / 10).await?;
        let watch = Watch::begin(server)?;
        let times = self.repeat(&server.target, time).await?;
        watch.end(times)
    }

    async fn repeat(&self, target: &Target, time: Duration) -> anyhow::Result<Vec<u64>> {
        let end = Instant::now() + time;
        let mut tasks = Vec::new();
        for _ in 0..self.connections {
            let (load, target) = (self.clone(), target.clone());
            tasks.push(tokio::spawn(async move {
                let mut connection = Connection::open(&target).await?;
                let mut times = Vec::new();
                while Instant::now() < end {
                    times.push(load.once(&mut connection).await?);
                }
                anyhow::Ok(times)
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok(times)
    }

    /// So many requests in all, spread over the connections.
    ///
    /// # Errors
    /// As for [`Load::measure`].
    pub(crate) async fn times(&self, target: &Target, count: usize) -> anyhow::Result<()> {
        let mut tasks = Vec::new();
        for number in 0..self.connections {
            let own = (count + number) / self.connections;
            let (load, target) = (self.clone(), target.clone());
            tasks.push(tokio::spawn(async move {
                let mut connection = Connection::open(&target).await?;
                for _ in 0..own {
                    load.once(&mut connection).await?;
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok(())
    }

    /// One request; how long it took, in microseconds.
    async fn once(&self, connection: &mut Connection) -> anyhow::Result<u64> {
        let began = Instant::now();
        let answer = connection.call(&self.request).await?;
        let taken = began.elapsed();
        let answer = std::str::from_utf8(answer)?;
        if !answer.contains(self.expected) {
            let begin: String = answer.chars().take(QUOTED).collect();
            bail!("an answer without `{}`: {begin}", self.expected);
        }
        u64::try_from(taken.as_micros()).context("an answer took longer than the world is old")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let times = Times::new(vec![50, 10, 40, 20, 30]);
        assert_eq!([0, 1, 20, 21, 50, 99, 100].map(|it| times.percentile(it).unwrap()), [10, 10, 10, 20, 30, 50, 50]);
        let hundred = Times::new((1..=100).rev().collect());
        assert_eq!([1, 50, 95, 99, 100].map(|it| hundred.percentile(it).unwrap()), [1, 50, 95, 99, 100]);
        assert_eq!(Times::default().percentile(50), None);
        assert_eq!(Times::default().ms(50), "–");
    }

    #[test]
    fn a_time_has_as_many_digits_as_it_needs() {
        assert_eq!([0.01234, 1.2345, 123.4].map(in_ms), ["0.012", "1.23", "123"]);
    }

    #[test]
    fn so_many_requests_are_spread_over_the_connections() {
        let shares =
            |count: usize, connections: usize| (0..connections).map(|it| (count + it) / connections).sum::<usize>();
        for (count, connections) in [(1000, 16), (7, 8), (9000, 64), (1, 1)] {
            assert_eq!(shares(count, connections), count);
        }
    }
}
