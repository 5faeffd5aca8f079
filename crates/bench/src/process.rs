//! CPU time and memory of processes, from Linux's `/proc`.

use std::path::Path;

use crate::Result;

/// The unit of CPU times in `/proc`. It is the same on every Linux.
const TICK_US: u64 = 10_000;

/// Used CPU time and current memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) service_us: u64,
    /// The CPU time of all PostgreSQL processes, if the server runs on this machine.
    pub(crate) postgres_us: Option<u64>,
    pub(crate) service_rss_kib: u64,
}

impl Usage {
    /// Returns the usage since an earlier reading.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            service_us: self.service_us - before.service_us,
            postgres_us: self
                .postgres_us
                .zip(before.postgres_us)
                .map(|(now, before)| now.saturating_sub(before)),
            service_rss_kib: self.service_rss_kib,
        }
    }

    /// Adds CPU times and takes the larger memory.
    pub(crate) fn combine(self, other: Self) -> Self {
        Self {
            service_us: self.service_us + other.service_us,
            postgres_us: self.postgres_us.zip(other.postgres_us).map(|(one, other)| one + other),
            service_rss_kib: self.service_rss_kib.max(other.service_rss_kib),
        }
    }
}

/// Returns the parent of a PostgreSQL backend process. Returns `None` if the server runs on another machine.
pub(crate) fn postmaster_of(backend: u32) -> Option<u32> {
    let parent = Stat::read(backend).ok()?.parent;
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    name.starts_with("postgres").then_some(parent)
}

/// Reads the usage of the service and PostgreSQL since they started.
pub(crate) fn usage(service: u32, postmaster: Option<u32>) -> Result<Usage> {
    let stat = Stat::read(service)?;
    Ok(Usage {
        service_us: stat.own_us,
        postgres_us: postmaster.map(process_tree_us).transpose()?,
        service_rss_kib: rss_kib(service)?,
    })
}

/// Returns the CPU time of a process and its children, including exited children.
fn process_tree_us(parent: u32) -> Result<u64> {
    let stat = Stat::read(parent)?;
    let mut total = stat.own_us + stat.exited_children_us;
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A child that exits meanwhile is counted among the exited children next time.
        if let Ok(child) = Stat::read(pid)
            && child.parent == parent
        {
            total += child.own_us + child.exited_children_us;
        }
    }
    Ok(total)
}

fn rss_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/PID/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// The used fields of `/proc/PID/stat`, see proc(5).
struct Stat {
    parent: u32,
    own_us: u64,
    exited_children_us: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = std::fs::read_to_string(Path::new(&path))?;
        // The name is in parentheses, and can contain any character.
        let (_, rest) = text.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The first field after the name is number 3 in proc(5).
        let field = |number: usize| -> Result<u64> {
            Ok(fields.get(number - 3).ok_or("/proc/PID/stat is too short")?.parse()?)
        };
        Ok(Self {
            parent: u32::try_from(field(4)?)?,
            own_us: (field(14)? + field(15)?) * TICK_US,
            exited_children_us: (field(16)? + field(17)?) * TICK_US,
        })
    }
}
