//! What a process costs, by the kernel's own account in `/proc`.

use std::time::Duration;

use anyhow::Context;

/// Parts of a second in which `/proc/PID/stat` counts processor time: the kernel's interface fixes it at 100.
const TICKS: u64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all its threads since it began.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    /// Open files and sockets.
    pub(crate) files: usize,
}

impl Usage {
    /// # Errors
    /// The process is gone.
    pub(crate) fn of(process: u32) -> anyhow::Result<Usage> {
        let read = |name: &str| {
            let file = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&file).with_context(|| format!("cannot read `{file}`"))
        };
        let status = read("status")?;
        Ok(Usage {
            cpu: processor_time(&read("stat")?).context("`stat` has another form than expected")?,
            resident: field(&status, "VmRSS:").context("`status` has no VmRSS")? * 1024,
            threads: field(&status, "Threads:").context("`status` has no Threads")?,
            files: std::fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        })
    }

    /// This process: the load generator and the mock model.
    pub(crate) fn own() -> anyhow::Result<Usage> {
        Usage::of(std::process::id())
    }
}

/// The 14th and 15th field; the second is the program's name in parentheses and may hold anything.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many files a process that we start may open: the limit that we have ourselves.
pub(crate) fn open_files_limit() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    soft_limit(&limits, "Max open files")
}

fn soft_limit(limits: &str, name: &str) -> Option<usize> {
    limits.lines().find_map(|it| it.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_confuses_nobody() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 2000 0 3 0 123 45 0 0 20 0 9 0 100 5000 300 18446744073709551615";
        assert_eq!(processor_time(stat), Some(Duration::from_millis(1680)));
        assert_eq!(processor_time("7 (a) S 1"), None);
    }

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\tparlour\nVmHWM:\t  900 kB\nVmRSS:\t   512 kB\nThreads:\t12\n";
        assert_eq!(field(status, "VmRSS:"), Some(512));
        assert_eq!(field(status, "Threads:"), Some(12));
        assert_eq!(field(status, "VmSwap:"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits, "Max open files"), Some(1024));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_threads_and_files() {
        let usage = Usage::own().unwrap();
        assert!(usage.resident > 1 << 20 && usage.threads >= 1 && usage.files >= 3, "{usage:?}");
    }
}
